use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    aecsad_train::cli::run(&aecsad_train::cli::Arguments::parse())
}
