use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    aecsad_train::cli::run(&aecsad_train::cli::Arguments::parse())
}
