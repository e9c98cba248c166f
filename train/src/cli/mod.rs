//! The command line of `aecsad-train`: one file a subcommand.

mod evaluate;
mod export;
mod fit;
mod gpu_check;
pub mod keygen;
mod label;
pub mod sign;
mod synth;
mod weights;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use aecsad::printable::printable;
use aecsad::whole_file::WholeFile;
use clap::{Parser, Subcommand};

use crate::export::signing::SigningError;

/// Trains an aecsad bundle from good images.
#[derive(Parser)]
#[command(name = "aecsad-train", version)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train, calibrate and pack a bundle from good images.
    Fit(fit::Args),
    /// Make an int8 bundle of a float one, without training.
    Export(export::Args),
    /// Measure a bundle on a category's test images.
    Evaluate(evaluate::Args),
    /// Find a product's components and show them, without training anything.
    Label(label::Args),
    /// Render products with known anomalies, in MVTec LOCO AD's layout.
    Synth(synth::Args),
    /// Bring the weights of the paper's backbone to this machine.
    Weights(weights::Args),
    /// Compare a GPU with the CPU and time the paper's training steps on it.
    GpuCheck(gpu_check::Args),
    /// Make a key pair to sign bundles with.
    Keygen(keygen::KeygenArgs),
    /// Sign a bundle, replacing a signature it has.
    Sign(sign::SignArgs),
}

/// What any command fails with: a sentence, and the exit code for scripts.
pub(crate) struct Failure {
    message: String,
    code: aecsad::error::ExitCode,
}

impl Failure {
    fn new(error: impl std::fmt::Display, code: aecsad::error::ExitCode) -> Self {
        Failure {
            message: error.to_string(),
            code,
        }
    }
}

impl From<aecsad::Error> for Failure {
    fn from(error: aecsad::Error) -> Self {
        Failure::new(&error, error.exit_code())
    }
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let done = match &arguments.command {
        Command::Fit(args) => fit::run(args),
        Command::Export(args) => export::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Label(args) => label::run(args),
        Command::Synth(args) => return synth::run(args),
        Command::GpuCheck(args) => gpu_check::run(args),
        Command::Weights(args) => weights::run(args),
        Command::Keygen(args) => keygen::run(args).map_err(signing_failure),
        Command::Sign(args) => sign::run(args).map_err(|error| match error {
            sign::SignError::Key(error) => signing_failure(error),
            sign::SignError::Bundle(error) => aecsad::Error::from(error).into(),
        }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(
                std::io::stderr(),
                "aecsad-train: {}",
                printable(&failure.message)
            );
            ExitCode::from(failure.code as u8)
        }
    }
}

fn signing_failure(error: SigningError) -> Failure {
    Failure::new(error, aecsad::error::ExitCode::Input)
}

/// Set by Ctrl-C, SIGTERM and the loss of the terminal from here on; a second Ctrl-C or SIGTERM ends the program at once.
fn stop_on_signal() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in aecsad::cli::stop_signals() {
        // A lost terminal is often reported twice: by the kernel and by the shell.
        if signal != signal_hook::consts::SIGHUP {
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))
                .map_err(|e| Failure::new(e, aecsad::error::ExitCode::Device))?;
        }
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .map_err(|e| Failure::new(e, aecsad::error::ExitCode::Device))?;
    }
    Ok(stop)
}

/// The whole file or nothing.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written = WholeFile::create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.commit()
    });
    written.map_err(|e| {
        let message = format!(
            "{} can't be written ({e}): name a place with room",
            path.display()
        );
        Failure::new(message, aecsad::error::ExitCode::Storage)
    })
}
