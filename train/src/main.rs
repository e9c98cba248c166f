#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use aecsad_train::cli;

fn main() -> ExitCode {
    aecsad_program::command::run("aecsad-train", |arguments: cli::Arguments| {
        cli::run(&arguments)
    })
}
