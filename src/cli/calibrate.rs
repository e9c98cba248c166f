//! `aecsad calibrate`: looks at good parts on the line that it stands over and fits scale and threshold to this station's
//! light. Nothing is rejected meanwhile.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::findings::unwritable;
use super::stop_on_signal;
use crate::calibration::{Calibration, FEWEST, Sample};
use crate::camera::{Frame, Sighting};
use crate::error::Result;
use crate::inspector::Inspector;
use crate::network::Team;
use crate::score::conformal::Conformal;
use crate::standard_streams::{note, print_line};
use crate::station::StationError;
use crate::station::config::StationConfig;
use crate::station::devices::open_source;
use crate::whole_file;

#[derive(Args)]
pub struct CalibrateArgs {
    /// The station file
    #[arg(long, default_value = "station.toml")]
    pub config: PathBuf,
    /// How many good parts to look at; as many as the false-reject rate needs if not given
    #[arg(long, value_parser = clap::value_parser!(u32).range(FEWEST as i64..=100_000))]
    pub parts: Option<u32>,
    /// Which share of good parts may be rejected; the bundle's own if not given
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub false_reject_rate: Option<f64>,
    /// Where the calibration goes, instead of where the station file looks for it
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if (1e-4..=0.5).contains(&share) {
        return Ok(share);
    }
    Err("allowed is 0.0001 to 0.5".into())
}

pub fn run(args: &CalibrateArgs) -> Result<()> {
    let stop = stop_on_signal()?;
    let config = StationConfig::load(&args.config)?;
    let bundle = config.bundle.read()?;
    let mut inspector = Inspector::from_bundle(&bundle, config.region)?;
    let _team = Team::start(config.system.threads, || ()).map_err(StationError::NoThread)?;
    let rate = args
        .false_reject_rate
        .unwrap_or(bundle.manifest.threshold.false_reject_rate);
    let wanted = args
        .parts
        .map_or(FEWEST.max(Conformal::needed(rate)), |parts| parts as usize);
    let read = config.bundle.calibration_place(&bundle.manifest.product);
    let out = args.out.clone().or_else(|| read.clone());
    let out = out.unwrap_or_else(|| "calibration.toml".into());
    if let Some(folder) = out.parent().filter(|_| config.bundle.has_slots()) {
        std::fs::create_dir_all(folder).map_err(|source| unwritable(folder, source))?;
    }
    whole_file::check(&out).map_err(|source| unwritable(&out, source))?;
    let (mut source, _) = open_source(&config)?;
    let bar = ProgressBar::new(wanted as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} good parts {msg}") {
        bar.set_style(style);
    }
    let mut frame = Frame::empty();
    let mut samples = Vec::new();
    while samples.len() < wanted {
        if stop.load(Ordering::Relaxed) {
            return Err(StationError::Interrupted.into());
        }
        match source.next(&mut frame) {
            None => break,
            Some(Sighting::Part) => {
                let raw = inspector.raw_scores(&frame)?;
                let pose = inspector.pose();
                samples.push(Sample { raw, pose });
                bar.inc(1);
            }
            Some(Sighting::Unseen(error) | Sighting::Blind(error)) => bar.suspend(|| note(error)),
            Some(Sighting::Nothing | Sighting::Sees) => {}
        }
    }
    bar.finish_and_clear();
    let calibration = Calibration::fit(inspector.identity(), inspector.decision(), &samples, rate)?;
    calibration
        .write(&out)
        .map_err(|source| unwritable(&out, source))?;
    let was = inspector.decision().threshold;
    print_line(format_args!(
        "{} parts; at most {:.1} % of good parts are rejected at {:.3} (the bundle's own threshold is {was:.3})",
        calibration.parts,
        rate * 100.0,
        calibration.threshold
    ));
    let place = out.display();
    match (read, config.bundle.has_slots()) {
        (Some(read), _) if read == out => print_line(format_args!(
            "written to {place}, where the station reads it at its next start"
        )),
        (_, false) => print_line(format_args!(
            "written to {place}: name it as `calibration` under [bundle] in the station file"
        )),
        (_, true) => print_line(format_args!(
            "written to {place}: name a folder as `calibration` under [bundle] in the station file, and put it there as {}.toml",
            bundle.manifest.product
        )),
    };
    Ok(())
}
