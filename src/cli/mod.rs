//! The command line: one file a subcommand, each with its flags and a `run`. No other module sees a flag.

pub mod check;
mod contact_sheet;
pub mod demo;
pub mod run;
pub mod simulate_rejector;
mod table;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{Parser, Subcommand};

use crate::error::Result;
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
    /// Say what keeps a station from working, and what to do about it.
    Check(check::CheckArgs),
    /// Show the whole way from frame to reject pulse, without a camera or an actuator.
    Demo(demo::DemoArgs),
    /// Play the actuator on a pseudo-terminal.
    SimulateRejector(simulate_rejector::SimulateRejectorArgs),
}

/// How a command gets from a bundle's path to verdicts.
pub type LoadJudge<'a> = &'a dyn Fn(&Path) -> Result<Box<dyn Judge>>;

/// Set by Ctrl-C and SIGTERM from here on.
fn stop_on_signal() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(StationError::NoSignals)?;
    }
    Ok(stop)
}
