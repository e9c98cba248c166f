//! `aecsad demo`: runs the whole line, from frame to reject pulse, on the demo's bundle and parts, with a simulated
//! actuator in a process of its own. Compares the actuator's log with the decisions and with the parts' labels.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use aecsad_program::inputs::InputPath;
use aecsad_program::standard_streams::print_line;
use aecsad_program::{text_file, whole_file};
use clap::Args;

use super::findings::unwritable;
use super::run::Line;
use super::{LoadJudge, stop_on_signal};
use crate::cli::error::{Error, Result};
use crate::pictures::contact_sheet;
use crate::reject::RejectSettings;
use crate::station::config::StationConfig;
use crate::station::ledger::{PulseState, Row};

#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("the list of parts {path} can't be read ({reason}): it needs the columns image,label")]
    TriggeredCamera { path: PathBuf, reason: String },
    #[error(
        "the simulated actuator can't be started ({0}): start `aecsad simulate-rejector` by hand to see why"
    )]
    NoActuator(String),
    #[error(
        "the demo plays an actuator on the framed link: give `reject.kind = \"framed\"` in its station file"
    )]
    NotFramed,
    #[error("the actuator's log {path} can't be read ({reason}): look at the disk it is on")]
    Log { path: PathBuf, reason: String },
    #[error("the pulses are wrong for {} parts ({}): this is a fault of aecsad, please report it", parts.len(), parts.join("; "))]
    WrongPulses { parts: Vec<String> },
}

#[derive(Args)]
pub struct DemoArgs {
    /// The demo's station file; its device is replaced by the simulated actuator
    #[arg(long, default_value = "calibration/demo.toml")]
    pub config: InputPath,
    /// What is known of the parts: CSV with the columns image,label; any label but `good` is a bad part
    #[arg(long, default_value = "models/demo-parts/parts.csv")]
    pub parts: InputPath,
    /// Where the table, the actuator's log and the contact sheet go
    #[arg(long, default_value = "out/demo")]
    pub out: PathBuf,
}

pub fn run(args: &DemoArgs, load: LoadJudge<'_>) -> Result<()> {
    let program = std::env::current_exe().map_err(|e| DemoError::NoActuator(e.to_string()))?;
    run_with_actuator(args, load, &program)
}

/// `program` is the `aecsad` whose `simulate-rejector` plays the actuator.
pub fn run_with_actuator(args: &DemoArgs, load: LoadJudge<'_>, program: &Path) -> Result<()> {
    let stop = stop_on_signal()?;
    let mut config = StationConfig::load(&args.config)?;
    let labels = labels(&args.parts)?;
    whole_file::create_folder(&args.out).map_err(|source| Error::Unwritable {
        path: args.out.clone(),
        source,
    })?;
    let mut judge = load(&config)?;

    let log = args.out.join("pulses.csv");
    let actuator = SimulatedActuator::start(program, &log)?;
    match &mut config.reject {
        RejectSettings::Framed(settings) => settings.device = actuator.device.clone(),
        RejectSettings::Switched(_) => return Err(DemoError::NotFramed.into()),
    }
    let line = Line::open(&config, &args.config)?;
    let images = line.images().to_vec();
    let mut rows = Vec::new();
    let table = args.out.join("parts.csv");
    line.run(judge.as_mut(), None, Some(&table), &stop, |row| {
        rows.push(row.clone())
    })?;
    drop(actuator);

    let pulses = pulses(&log)?;
    let wrong = compare(&rows, &pulses, config.conveyor.pulse.as_micros() as i64);
    print_known(&rows, &images, &labels, &pulses);
    let sheet = args.out.join("heatmaps.png");
    let tiles = contact_sheet::judged(judge.as_mut(), &images);
    contact_sheet::save(tiles, &sheet).map_err(|source| unwritable(&sheet, source))?;
    print_line(format_args!("table: {}", table.display()));
    print_line(format_args!(
        "pulses as the actuator logged them: {}",
        log.display()
    ));
    print_line(format_args!("heatmaps: {}", sheet.display()));
    if !wrong.is_empty() {
        return Err(DemoError::WrongPulses { parts: wrong }.into());
    }
    print_line(format_args!(
        "every rejected part got exactly one pulse in its window, no other part got any"
    ));
    Ok(())
}

/// `simulate-rejector` as a process of its own, ended with this value.
struct SimulatedActuator {
    process: Child,
    device: PathBuf,
}

impl SimulatedActuator {
    fn start(program: &Path, log: &Path) -> Result<Self, DemoError> {
        let failed = |error: std::io::Error| DemoError::NoActuator(error.to_string());
        let mut process = Command::new(program)
            .arg("simulate-rejector")
            .arg("--log")
            .arg(log)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut first = String::new();
        if let Some(stdout) = process.stdout.take() {
            // The simulator ignores that the pipe is closed afterwards.
            BufReader::new(stdout)
                .read_line(&mut first)
                .map_err(failed)?;
        }
        let mut actuator = SimulatedActuator {
            process,
            device: PathBuf::new(),
        };
        match first.trim_end().strip_prefix("pty,") {
            Some(device) => actuator.device = device.into(),
            None => return Err(DemoError::NoActuator("it named no terminal".into())),
        }
        Ok(actuator)
    }
}

impl Drop for SimulatedActuator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A list of parts is a line for each image.
const MAX_LIST_BYTES: u64 = 64 << 20;

/// Image name to label.
fn labels(path: &Path) -> Result<BTreeMap<String, String>, DemoError> {
    let failed = |reason: String| DemoError::TriggeredCamera {
        path: path.into(),
        reason,
    };
    let text = text_file::read(path, MAX_LIST_BYTES).map_err(|e| failed(e.to_string()))?;
    let mut lines = text.lines();
    if lines.next() != Some("image,label") {
        return Err(failed("its first line is another".into()));
    }
    lines
        .map(|line| match line.rsplit_once(',') {
            Some((image, label)) => Ok((image.to_string(), label.to_string())),
            None => Err(failed(format!("`{line}` has one column"))),
        })
        .collect()
}

/// How often the actuator was energised for each part.
fn pulses(path: &Path) -> Result<BTreeMap<u32, u32>, DemoError> {
    let failed = |reason: String| DemoError::Log {
        path: path.into(),
        reason,
    };
    let text = std::fs::read_to_string(path).map_err(|e| failed(e.to_string()))?;
    let mut pulses = BTreeMap::new();
    for line in text.lines().skip(1) {
        let part = line.split(',').next().unwrap_or_default();
        let part: u32 = part
            .parse()
            .map_err(|_| failed(format!("`{line}` has no part")))?;
        *pulses.entry(part).or_default() += 1;
    }
    Ok(pulses)
}

/// The parts whose pulses differ from the decisions, each with what is wrong. A pulse is in its window if the part is
/// in front of the rejector at some time during it.
fn compare(rows: &[Row], pulses: &BTreeMap<u32, u32>, window_us: i64) -> Vec<String> {
    let mut wrong = Vec::new();
    for row in rows {
        let expected = u32::from(row.pulse != PulseState::None);
        let logged = pulses.get(&row.part).copied().unwrap_or(0);
        if logged != expected {
            wrong.push(format!(
                "part {}: {logged} pulses, {expected} expected",
                row.part
            ));
        } else if let PulseState::Seen { error_us } = row.pulse
            && error_us.abs() > window_us
        {
            wrong.push(format!("part {}: pulse {error_us} µs off", row.part));
        }
    }
    for part in pulses.keys().filter(|&&p| rows.iter().all(|r| r.part != p)) {
        wrong.push(format!("part {part}: a pulse, but no such part"));
    }
    wrong
}

fn print_known(
    rows: &[Row],
    images: &[PathBuf],
    labels: &BTreeMap<String, String>,
    pulses: &BTreeMap<u32, u32>,
) {
    let (mut bad, mut caught, mut good, mut lost, mut unknown) = (0, 0, 0, 0, 0);
    for row in rows {
        let name = images
            .get(row.part as usize - 1)
            .and_then(|path| path.file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let pulsed = u32::from(pulses.contains_key(&row.part));
        match labels.get(&name).map(String::as_str) {
            None => unknown += 1,
            Some("good") => {
                good += 1;
                lost += pulsed;
            }
            Some(_) => {
                bad += 1;
                caught += pulsed;
            }
        }
    }
    let farthest = rows.iter().filter_map(|row| match row.pulse {
        PulseState::Seen { error_us } => Some(error_us.abs()),
        _ => None,
    });
    print_line(format_args!("known bad parts: {caught} of {bad} rejected"));
    print_line(format_args!("known good parts: {lost} of {good} rejected"));
    if unknown > 0 {
        print_line(format_args!("parts nothing is known of: {unknown}"));
    }
    if let Some(farthest) = farthest.max() {
        print_line(format_args!(
            "largest timing error of a pulse: {:.1} ms",
            farthest as f64 / 1e3
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::Cause;

    fn row(part: u32, pulse: PulseState) -> Row {
        let cause = Cause::Bad;
        Row {
            part,
            cause,
            captured: std::time::Instant::now(),
            verdict: None,
            bundle: None,
            pulse,
            fallen: None,
        }
    }

    #[test]
    fn each_wrong_pulse_is_found() {
        let seen = |error_us| PulseState::Seen { error_us };
        let right = [
            row(1, seen(-900)),
            row(2, PulseState::None),
            row(3, seen(0)),
        ];
        assert!(compare(&right, &BTreeMap::from([(1, 1), (3, 1)]), 1_000).is_empty());
        for (pulses, wrong) in [
            (vec![(1, 1)], "part 3: 0 pulses"),
            (vec![(1, 1), (3, 2)], "part 3: 2 pulses"),
            (vec![(1, 1), (2, 1), (3, 1)], "part 2: 1 pulses"),
            (vec![(1, 1), (3, 1), (9, 1)], "part 9"),
        ] {
            let found = compare(&right, &pulses.into_iter().collect(), 1_000);
            assert!(found.len() == 1 && found[0].starts_with(wrong), "{found:?}");
        }
        let late = compare(&[row(1, seen(1_001))], &BTreeMap::from([(1, 1)]), 1_000);
        assert_eq!(late, ["part 1: pulse 1001 µs off"]);
    }
}
