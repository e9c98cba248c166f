//! The command line of `aecsad-train`: one file a subcommand.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod keygen;
mod sign;
mod synth;

/// Trains an aecsad bundle from good images.
#[derive(Parser)]
#[command(name = "aecsad-train", version)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Render products with known anomalies, in MVTec LOCO AD's layout.
    Synth(synth::Args),
}

pub fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.command {
        Command::Synth(args) => synth::run(args),
    }
}
