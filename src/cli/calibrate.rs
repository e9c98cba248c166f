//! `aecsad calibrate`: inspects good parts on the line and fits scale and threshold to this station's light. Nothing is
//! rejected meanwhile.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use aecsad_inspect::decision::trimmed_z::TrimmedZ;
use aecsad_inspect::frame::Frame;
use aecsad_inspect::inspector::Inspector;
use aecsad_inspect::network::Team;
use aecsad_program::counted;
use aecsad_program::inputs::InputPath;
use aecsad_program::standard_streams::note;
use aecsad_program::whole_file;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::findings::unwritable;
use super::{print_lines, say_engine, say_station_file, station_file, stop_on_signal};
use crate::calibration::task::{CalibrationPlan, CalibrationTask, MOST_PARTS, RATES};
use crate::calibration::{Bundled, CalibrationPart, FEWEST, Fit, picture_beside, warnings};
use crate::camera::SourceEvent;
use crate::cli::error::Result;
use crate::engines::Engines;
use crate::ownership::{create_folder, folder_of};
use crate::pictures::contact_sheet;
use crate::station::config::StationConfig;
use crate::station::devices::open_source;
use crate::station::{StationError, expectation};

#[derive(Args)]
pub struct CalibrateArgs {
    /// The station file; if not given, station.toml here, else /etc/aecsad/station.toml
    #[arg(long, value_name = "FILE", default_value_os_t = station_file(), hide_default_value = true)]
    pub config: InputPath,
    /// How many good parts to look at; as many as the false-reject rate needs if not given
    #[arg(long, value_parser = clap::value_parser!(u32).range(FEWEST as i64..=MOST_PARTS as i64))]
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

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if RATES.contains(&share) {
        return Ok(share);
    }
    Err(format!("allowed is {} to {}", RATES.start(), RATES.end()))
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
    let sheet = match whole_file::is_stream(&out) {
        true => Some("calibration.png".into()),
        false => picture_beside(&out),
    };
    let sheet = sheet.ok_or_else(|| {
        let why = std::io::Error::other("a picture of the parts goes there");
        unwritable(&out, why)
    })?;
    let engines = Engines::open(&config.engine)?;
    let (mut inspector, engine) = engines.inspector(&bundle, config.region)?;
    say_engine(&engine);
    let _team = Team::start(config.system.threads, || ()).map_err(StationError::NoThread)?;
    let plan = CalibrationPlan {
        parts: args.parts.map(|parts| parts as usize),
        false_reject_rate: args.false_reject_rate,
        keep_outliers: args.keep_outliers,
        keep_duplicates: args.keep_duplicates,
    };
    let rate = bundle.manifest.threshold.false_reject_rate;
    let mut task = CalibrationTask::new(Bundled::of(&bundle)?, rate, &plan);
    gather(&config, &mut inspector, &mut task)?;
    whole_file::check(&sheet).map_err(|source| unwritable(&sheet, source))?;
    let tiles = contact_sheet::scored(&task.parts, &task.left_out());
    contact_sheet::save(tiles, &sheet).map_err(|source| unwritable(&sheet, source))?;
    let fit = task.fit().inspect_err(|_| {
        log::warn!(
            "the parts with the highest scores are in {}",
            sheet.display()
        )
    })?;
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
    let report = report(&task, &fit, &sheet);
    print_lines(&format!("{report}{whereto}\n"))
}

/// Waits for good parts until enough of them lie close enough together to calibrate on.
fn gather(
    config: &StationConfig,
    inspector: &mut Inspector,
    task: &mut CalibrationTask,
) -> Result<()> {
    let stop = stop_on_signal()?;
    let (mut source, _) = open_source(config)?;
    source.state_bit_depth(inspector.geometry().bit_depth);
    for difference in expectation::differences(config, Some(inspector.geometry())) {
        log::warn!("{difference}");
    }
    let bar = ProgressBar::new(task.target() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} good parts {msg}") {
        bar.set_style(style);
    }
    let mut frame = Frame::empty();
    let mut complete = false;
    while !complete {
        if stop.load(Ordering::Relaxed) {
            return Err(StationError::Interrupted.into());
        }
        match source.next(&mut frame) {
            None => break,
            Some(SourceEvent::Part) => {
                let raw = inspector.raw_scores(&frame)?;
                let pose = inspector.pose();
                complete = task.add(&inspector.seen(), CalibrationPart { raw, pose })?;
                bar.set_length(task.target() as u64);
                bar.set_position(task.parts.samples.len() as u64);
            }
            Some(SourceEvent::NoFrame(error) | SourceEvent::Blind(error)) => {
                bar.suspend(|| note(error))
            }
            Some(SourceEvent::Nothing | SourceEvent::Sees) => {}
        }
    }
    bar.finish_and_clear();
    task.check()?;
    Ok(())
}

fn report(task: &CalibrationTask, fit: &Fit, sheet: &Path) -> String {
    let (parts, own) = (&task.parts, &task.bundled.decision);
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
    let shown = sheet.display().to_string();
    if let Some(warning) = warnings::left_out(fit, parts.samples.len(), &shown) {
        let _ = writeln!(text, "warning: {warning}");
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
    if let Some((here, bundled)) = fit.planted {
        let _ = writeln!(
            text,
            "planted anomalies rejected: {here}; at the bundle's own threshold {bundled}"
        );
    }
    if let Some(warning) = warnings::weak(fit, own.threshold) {
        let _ = writeln!(text, "warning: {warning}");
    }
    text
}
