//! Reads the command line, does what it says, and leaves with an exit code that tells scripts what went wrong.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use aecsad::cli::{self, Cli, Command};
use aecsad::engines::Engines;
use aecsad::station::Judge;
use aecsad::station::config::StationConfig;
use aecsad::station::loaded_judge::LoadedJudge;
use aecsad_program::command;

fn main() -> ExitCode {
    command::run("aecsad", |cli: Cli| Ok(execute(cli.command)?))
}

fn execute(command: Command) -> aecsad::Result<()> {
    match command {
        Command::Run(args) => cli::run::run(&args, &load_judge),
        Command::Inspect(args) => cli::inspect::run(&args),
        Command::Verify(args) => cli::verify::run(&args),
        Command::Flash(args) => cli::flash::run(&args),
        Command::Slots(args) => cli::slots::run(&args),
        Command::Rollback(args) => cli::rollback::run(&args),
        Command::Select(args) => cli::select::run(&args),
        Command::Bench(args) => cli::bench::run(&args),
        Command::Calibrate(args) => cli::calibrate::run(&args),
        Command::Collect(args) => cli::collect::run(&args),
        Command::History(args) => cli::history::run(&args),
        Command::Threshold(args) => cli::threshold::run(&args),
        Command::Users(args) => cli::users::run(&args),
        Command::Export(args) => cli::export::run(&args),
        Command::Check(args) => cli::check::run(&args, &load_judge),
        Command::Demo(args) => cli::demo::run(&args, &load_judge),
        Command::SimulateRejector(args) => cli::simulate_rejector::run(&args),
    }
}

fn load_judge(config: &StationConfig) -> aecsad::Result<Box<dyn Judge>> {
    let bundle = config.bundle.read()?;
    let engines = Engines::open(&config.engine)?;
    Ok(LoadedJudge::from_bundle(&bundle, config, &engines)?.judge)
}
