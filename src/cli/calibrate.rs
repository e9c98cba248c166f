//! `aecsad calibrate`: inspects good parts on the line and fits scale and threshold to this station's light. Nothing is
//! rejected meanwhile.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use aecsad_inspect::decision::Decision;
use aecsad_inspect::decision::conformal::Conformal;
use aecsad_inspect::decision::trimmed_z::TrimmedZ;
use aecsad_inspect::frame::Frame;
use aecsad_inspect::inspector::Inspector;
use aecsad_inspect::network::Team;
use aecsad_program::counted;
use aecsad_program::inputs::InputPath;
use aecsad_program::standard_streams::note;
use aecsad_program::timestamp::timestamp;
use aecsad_program::whole_file;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::contact_sheet::{self, Tile};
use super::findings::unwritable;
use super::{print_lines, say_station_file, station_file, stop_on_signal};
use crate::calibration::collect::CollectedParts;
use crate::calibration::{self, Bundled, Calibration, CalibrationPart, FEWEST, Fit};
use crate::camera::SourceEvent;
use crate::cli::error::Result;
use crate::ownership::{create_folder, folder_of};
use crate::station::config::StationConfig;
use crate::station::devices::open_source;
use crate::station::{StationError, expectation};

#[derive(Args)]
pub struct CalibrateArgs {
    /// The station file; if not given, station.toml here, else /etc/aecsad/station.toml
    #[arg(long, value_name = "FILE", default_value_os_t = station_file(), hide_default_value = true)]
    pub config: InputPath,
    /// How many good parts to look at; as many as the false-reject rate needs if not given
    #[arg(long, value_parser = clap::value_parser!(u32).range(FEWEST as i64..=100_000))]
    pub parts: Option<u32>,
    /// Which share of good parts may be rejected; the bundle's own if not given
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub false_reject_rate: Option<f64>,
    /// Where the calibration goes, instead of where the station file looks for it
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Count parts that lie far off all others as good parts too, instead of leaving them out
    #[arg(long)]
    pub keep_outliers: bool,
    /// Count each picture, instead of each part once: for parts that differ by no more than the camera's noise
    #[arg(long)]
    pub keep_duplicates: bool,
}

/// A threshold above this multiple of the bundle's own, on the same scale, gives a warning.
const HIGH: f32 = 2.0;

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if (1e-4..=0.5).contains(&share) {
        return Ok(share);
    }
    Err("allowed is 0.0001 to 0.5".into())
}

pub fn run(args: &CalibrateArgs) -> Result<()> {
    say_station_file(&args.config);
    let config = StationConfig::load(&args.config)?;
    let bundle = config.bundle.read()?;
    // The output is checked before any part is inspected.
    let read = config.bundle.calibration_place(&bundle.manifest.product)?;
    let out = args.out.clone().or_else(|| read.clone());
    let out = out.unwrap_or_else(|| "calibration.toml".into());
    if config.bundle.has_slots() {
        let folder = folder_of(&out);
        create_folder(folder).map_err(|source| unwritable(folder, source))?;
    }
    whole_file::check(&out).map_err(|source| unwritable(&out, source))?;
    if out.extension().is_some_and(|extension| extension == "png") {
        let why = std::io::Error::other("a picture of the parts goes there");
        return Err(unwritable(&out, why));
    }
    let mut inspector = Inspector::from_bundle(&bundle, config.region)?;
    let _team = Team::start(config.system.threads, || ()).map_err(StationError::NoThread)?;
    let rate = args
        .false_reject_rate
        .unwrap_or(bundle.manifest.threshold.false_reject_rate);
    let wanted = args
        .parts
        .map_or(FEWEST.max(Conformal::needed(rate)), |parts| parts as usize);
    let parts = gather(args, &config, &mut inspector, wanted)?;
    let bundled = Bundled {
        identity: inspector.identity(),
        decision: inspector.decision(),
        planted: inspector.planted(),
    };
    let sheet = match whole_file::is_stream(&out) {
        true => "calibration.png".into(),
        false => out.with_extension("png"),
    };
    whole_file::check(&sheet).map_err(|source| unwritable(&sheet, source))?;
    show(&parts, &left_out(args, bundled.decision, &parts), &sheet)?;
    let mut fit = Calibration::fit(&bundled, &parts.samples, rate, args.keep_outliers)
        .inspect_err(|_| {
            log::warn!(
                "the parts with the highest scores are in {}",
                sheet.display()
            )
        })?;
    fit.calibration.made = Some(timestamp());
    fit.calibration
        .write(&out)
        .map_err(|source| unwritable(&out, source))?;
    let place = out.display();
    let whereto = match (read, config.bundle.has_slots()) {
        (Some(read), _) if read == out => {
            format!("written to {place}, where the station reads it at its next start")
        }
        (_, false) => format!(
            "written to {place}: name it as `calibration` under [bundle] in the station file"
        ),
        (_, true) => format!(
            "written to {place}: name a folder as `calibration` under [bundle] in the station file, and put it there as {}.toml",
            bundle.manifest.product
        ),
    };
    let report = report(&parts, &fit, inspector.decision(), &sheet);
    print_lines(&format!("{report}{whereto}\n"))
}

/// Waits for good parts until `wanted` of them lie close enough together to calibrate on.
fn gather(
    args: &CalibrateArgs,
    config: &StationConfig,
    inspector: &mut Inspector,
    wanted: usize,
) -> Result<CollectedParts> {
    let stop = stop_on_signal()?;
    let (mut source, _) = open_source(config)?;
    source.state_bit_depth(inspector.geometry().bit_depth);
    for difference in expectation::differences(config, Some(inspector.geometry())) {
        log::warn!("{difference}");
    }
    let bar = ProgressBar::new(wanted as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} good parts {msg}") {
        bar.set_style(style);
    }
    let mut frame = Frame::empty();
    let mut parts = CollectedParts::new(args.keep_duplicates);
    let mut target = wanted;
    loop {
        if parts.samples.len() >= target {
            let left_out = left_out(args, inspector.decision(), &parts).len();
            // A few more parts replace those that are left out.
            let most = wanted + wanted.div_ceil(calibration::OUTLIER_OF);
            target = (wanted + left_out).min(most);
            if parts.samples.len() >= target {
                break;
            }
            bar.set_length(target as u64);
        }
        if stop.load(Ordering::Relaxed) {
            return Err(StationError::Interrupted.into());
        }
        match source.next(&mut frame) {
            None => break,
            Some(SourceEvent::Part) => {
                let raw = inspector.raw_scores(&frame)?;
                let score = inspector.decision().judge(&raw).score;
                let pose = inspector.pose();
                parts.add(&inspector.seen(), CalibrationPart { raw, pose }, score)?;
                bar.set_position(parts.samples.len() as u64);
            }
            Some(SourceEvent::NoFrame(error) | SourceEvent::Blind(error)) => {
                bar.suspend(|| note(error))
            }
            Some(SourceEvent::Nothing | SourceEvent::Sees) => {}
        }
    }
    bar.finish_and_clear();
    parts.check(wanted)?;
    Ok(parts)
}

fn left_out(args: &CalibrateArgs, decision: &Decision, parts: &CollectedParts) -> Vec<usize> {
    match args.keep_outliers {
        true => Vec::new(),
        false => calibration::outliers(decision, &parts.samples),
    }
}

/// The parts with the highest scores as one picture beside the calibration; those left out have a red border.
fn show(parts: &CollectedParts, left_out: &[usize], sheet: &Path) -> Result<()> {
    let tiles = parts.highest.iter().filter_map(|shown| {
        let frame = shown.frame.clone();
        Tile::new(frame, None, left_out.contains(&shown.part))
    });
    contact_sheet::save(tiles.collect(), sheet)
}

fn report(parts: &CollectedParts, fit: &Fit, own: &Decision, sheet: &Path) -> String {
    let calibration = &fit.calibration;
    let mut text = String::new();
    if parts.repeats > 0 {
        let _ = writeln!(
            text,
            "{} showed a part that had been seen already; each part counts once",
            counted(parts.repeats, "picture")
        );
    }
    if parts.blank > 0 {
        let _ = writeln!(
            text,
            "left out: {} showing nothing",
            counted(parts.blank, "picture")
        );
    }
    if !fit.left_out.is_empty() {
        let numbers: Vec<String> = fit.left_out.iter().map(|i| (i + 1).to_string()).collect();
        let _ = writeln!(
            text,
            "warning: part {} of {} lies far off all others and was left out: look at it in {}; if it is a good part, \
             calibrate again with --keep-outliers",
            numbers.join(", "),
            parts.samples.len(),
            sheet.display()
        );
    }
    let _ = writeln!(text, "{:10} {:>19} {:>19}", "branch", "in training", "here");
    let scale = |z: TrimmedZ| format!("{:.3} ± {:.3}", z.mean, z.std);
    for (weighted, here) in own.branches.iter().zip(&calibration.branches) {
        let here = TrimmedZ {
            mean: here.mean,
            std: here.std,
        };
        let name = weighted.branch.to_string();
        let _ = writeln!(
            text,
            "{name:10} {:>19} {:>19}",
            scale(weighted.z),
            scale(here)
        );
    }
    let _ = writeln!(
        text,
        "{} parts; at most {:.1} % of good parts are rejected at {:.3} (the bundle's own threshold is {:.3}); the parts with \
         the highest scores are in {}",
        calibration.parts,
        calibration.false_reject_rate * 100.0,
        calibration.threshold,
        own.threshold,
        sheet.display()
    );
    match fit.planted {
        Some((here, bundled)) => {
            let _ = writeln!(
                text,
                "planted anomalies rejected: {here}; at the bundle's own threshold {bundled}"
            );
            if 2 * here.rejected < bundled.rejected {
                text.push_str(
                    "warning: that is less than half: bad parts may pass; look for bad parts among these, and at light \
                     and focus\n",
                );
            }
        }
        None if calibration.threshold > HIGH * own.threshold.max(1.0) => {
            let _ = writeln!(
                text,
                "warning: this is {:.1} times the bundle's own threshold: bad parts may pass; look for bad parts among \
                 these",
                calibration.threshold / own.threshold.max(1.0)
            );
        }
        None => {}
    }
    text
}
