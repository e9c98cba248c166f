//! Reads the command line, does what it says, and leaves with an exit code that tells scripts what went wrong.

use std::io::Write;
use std::process::ExitCode;

use aecsad::cli::{self, Cli, Command};
use aecsad::printable::printable;
use aecsad::station::Judge;
use aecsad::station::changeover::Loaded;
use aecsad::station::config::StationConfig;

fn main() -> ExitCode {
    cli::start_log();
    let done = match cli::read_arguments::<Cli>().command {
        Command::Run(args) => cli::run::run(&args, &load_judge),
        Command::Inspect(args) => cli::inspect::run(&args),
        Command::Verify(args) => cli::verify::run(&args),
        Command::Flash(args) => cli::flash::run(&args),
        Command::Slots(args) => cli::slots::run(&args),
        Command::Rollback(args) => cli::rollback::run(&args),
        Command::Select(args) => cli::select::run(&args),
        Command::Bench(args) => cli::bench::run(&args),
        Command::Calibrate(args) => cli::calibrate::run(&args),
        Command::History(args) => cli::history::run(&args),
        Command::Check(args) => cli::check::run(&args, &load_judge),
        Command::Demo(args) => cli::demo::run(&args, &load_judge),
        Command::SimulateRejector(args) => cli::simulate_rejector::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let message = error.to_string();
            let _ = writeln!(std::io::stderr(), "aecsad: {}", printable(&message));
            ExitCode::from(error.exit_code() as u8)
        }
    }
}

fn load_judge(config: &StationConfig) -> aecsad::Result<Box<dyn Judge>> {
    let bundle = config.bundle.read()?;
    let loaded = Loaded::inspector(&bundle, config)?;
    if let Some(warning) = loaded.warning {
        log::warn!("{warning}");
    }
    Ok(loaded.judge)
}
