//! The command line: one file a subcommand, each with its flags and a `run`.

pub mod bench;
mod bench_line;
pub mod calibrate;
pub mod check;
pub mod collect;
pub mod demo;
mod distribution_shift;
pub mod error;
pub mod export;
mod findings;
pub mod flash;
pub mod history;
mod images;
pub mod inspect;
mod observers;
pub mod rollback;
pub mod run;
pub mod select;
pub mod simulate_rejector;
pub mod slots;
mod table;
pub mod threshold;
pub mod users;
pub mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use aecsad_program::inputs::InputPath;
use aecsad_program::printable::printable;
use aecsad_program::standard_streams::{failure, note, print};
use aecsad_program::stop_signals;
use clap::{Parser, Subcommand};

use crate::cli::error::{Error, Result};
use crate::engines::EngineChoice;
use crate::journal::JournalError;
use crate::station::config::{self, StationConfig};
use crate::station::{Judge, StationError};

/// Finds bad parts on a production line, from good images alone, and rejects them.
#[derive(Parser)]
#[command(name = "aecsad", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Inspect the parts of a line and reject the bad ones.
    Run(run::RunArgs),
    /// Judge images from files.
    Inspect(inspect::InspectArgs),
    /// Prove that a bundle is whole and that its scores hold on this machine.
    Verify(verify::VerifyArgs),
    /// Put a new bundle on this station: checked, proven, on trial, and back by itself if it fails.
    Flash(flash::FlashArgs),
    /// Show what is installed, on trial and active.
    Slots(slots::ListArgs),
    /// Go back to the bundle in the other slot.
    Rollback(slots::SlotsArgs),
    /// Change over to another installed product.
    Select(select::SelectArgs),
    /// Measure how long a verdict takes on this machine.
    Bench(bench::BenchArgs),
    /// Fit scale and threshold to the light of this station, from good parts.
    Calibrate(calibrate::CalibrateArgs),
    /// Keep pictures of good parts from this station's camera, to train a new product.
    Collect(collect::CollectArgs),
    /// Show what became of each part, from the station's journal.
    History(history::HistoryArgs),
    /// Show how many parts the threshold rejects, and set it at this station.
    Threshold(threshold::ThresholdArgs),
    /// Say who may look at the station's page, and who may act there.
    Users(users::UsersArgs),
    /// Export the pictures of reviewed parts for the next training.
    Export(export::ExportArgs),
    /// Say what keeps a station from working, and what to do about it.
    Check(check::CheckArgs),
    /// Show the whole way from frame to reject pulse, without a camera or an actuator.
    Demo(demo::DemoArgs),
    /// Play the actuator on a pseudo-terminal.
    SimulateRejector(simulate_rejector::SimulateRejectorArgs),
}

/// Loads the judge of a station file with one bundle file. Bundles in slots change while the line runs; they are always
/// loaded as [`LoadedJudge::from_bundle`](crate::station::loaded_judge::LoadedJudge::from_bundle) does.
pub type LoadJudge<'a> = &'a dyn Fn(&StationConfig) -> Result<Box<dyn Judge>>;

/// The station file of a command that was given none.
fn station_file() -> InputPath {
    let found = config::station_file(Path::new("."), Path::new(config::INSTALLED));
    InputPath::unless_named(found)
}

/// Names the station file, where it was not named and is not the one in this folder.
fn say_station_file(path: &Path) {
    if path == Path::new(config::INSTALLED) {
        note(format_args!("station file {}", path.display()));
    }
}

/// Says what runs the networks, unless the CPU was requested.
fn say_engine(choice: &EngineChoice) {
    if *choice != EngineChoice::requested_cpu() {
        note(format_args!("engine: {choice}"));
    }
}

/// The journal's folder: `journal` if it is named, else the station file's.
fn journal_folder(station_file: &Path, journal: Option<&Path>) -> Result<PathBuf> {
    if let Some(folder) = journal {
        return Ok(folder.into());
    }
    say_station_file(station_file);
    let journal = StationConfig::load(station_file)?.journal;
    let journal = journal.ok_or_else(|| JournalError::NotKept(station_file.into()))?;
    Ok(journal.path)
}

/// A flag that Ctrl-C, SIGTERM and the loss of the terminal set from here on.
fn stop_on_signal() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in stop_signals() {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(StationError::NoSignals)?;
    }
    Ok(stop)
}

fn on_threads(count: usize) -> String {
    match count {
        1 => "one thread".into(),
        count => format!("{count} threads"),
    }
}

/// Prints lines to standard output, with control characters escaped.
fn print_lines(text: &str) -> Result<()> {
    let lines: Vec<_> = text.split('\n').map(printable).collect();
    print_all(&lines.join("\n"))
}

/// Prints to standard output. A reader that exits is no error; an incomplete file is one.
fn print_all(text: &str) -> Result<()> {
    print(text);
    failure().map_or(Ok(()), |source| Err(Error::unprinted(source)))
}
