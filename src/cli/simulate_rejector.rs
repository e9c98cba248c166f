//! `aecsad simulate-rejector`: an actuator to try a station on. Standard output has one CSV record a line: first
//! `pty,PATH`, then `pulse,PART,AT_US,PULSE_US` for each pulse, at its time on the actuator's own clock.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use aecsad_link::{MAX_PRODUCT, OutputEdge, ProductName};
use aecsad_program::standard_streams::print_line;
use aecsad_program::whole_file::WholeFile;
use clap::Args;

use super::stop_on_signal;
use crate::cli::error::{Error, Result};
use crate::reject::simulator::{Simulator, SimulatorSettings};
use crate::station::StationError;

#[derive(Args)]
pub struct SimulateRejectorArgs {
    /// Make a symbolic link to the pseudo-terminal here
    #[arg(long, value_name = "PATH")]
    pub pty_link: Option<PathBuf>,
    /// Log each pulse to this file as CSV: part,at_us,pulse_us
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Fall silent after so many pulses, as an actuator without power does
    #[arg(long, value_name = "N")]
    pub silent_after: Option<u32>,
    /// Have an encoder on a belt that moves by so many counts a second
    #[arg(long, value_name = "N", value_parser = counts)]
    pub counts_per_s: Option<f64>,
    /// Have a sensor behind the gate that sees each rejected part so many milliseconds after its pulse
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(..=600_000))]
    pub confirm_after_ms: Option<u64>,
    /// Be wired to a controller that requests this product each second
    #[arg(long, value_name = "PRODUCT", value_parser = product)]
    pub select: Option<ProductName>,
    /// Request it only after so many pulses
    #[arg(long, value_name = "N", requires = "select", default_value_t = 0)]
    pub select_after: u32,
}

fn product(name: &str) -> Result<ProductName, String> {
    ProductName::new(name)
        .ok_or_else(|| format!("the link carries names of up to {MAX_PRODUCT} bytes"))
}

fn counts(text: &str) -> Result<f64, String> {
    let counts: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    match counts.abs() <= 1e9 {
        true => Ok(counts),
        false => Err("allowed is -1e9 to 1e9".into()),
    }
}

pub fn run(args: &SimulateRejectorArgs) -> Result<()> {
    let stop = stop_on_signal()?;
    let mut log = None;
    if let Some(path) = &args.log {
        let unwritable = |source| Error::Unwritable {
            path: path.clone(),
            source,
        };
        let mut file = WholeFile::create(path).map_err(unwritable)?;
        writeln!(file, "part,at_us,pulse_us").map_err(unwritable)?;
        log = Some(file.commit_and_go_on().map_err(unwritable)?);
    }
    let mut simulator = Simulator::open(args.pty_link.as_deref())?;
    // Its reader may have exited; the log contains the same.
    print_line(format_args!("pty,{}", simulator.device().display()));
    let play = SimulatorSettings {
        silent_after: args.silent_after,
        counts_per_s: args.counts_per_s,
        confirm_after: args.confirm_after_ms.map(Duration::from_millis),
        select: args.select.map(|product| (args.select_after, product)),
    };
    simulator.run(play, &stop, |edge| {
        if let OutputEdge::On {
            part,
            at_us,
            pulse_us,
        } = edge
        {
            print_line(format_args!("pulse,{part},{at_us},{pulse_us}"));
            if let Some(log) = &mut log {
                writeln!(log, "{part},{at_us},{pulse_us}")?;
            }
        }
        Ok(())
    })?;
    Err(StationError::Interrupted.into())
}
