//! The command line of `aecsad-train`: one file a subcommand.

mod evaluate;
mod export;
mod fit;
mod gpu_check;
pub mod keygen;
mod label;
mod models;
mod proposals;
mod region;
pub mod sign;
mod synth;
mod weights;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use aecsad_program::ExitCode;
use aecsad_program::Failure;
use aecsad_program::whole_file;
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
    Fit(fit::FitArgs),
    /// Make an int8 bundle of a float one, without training.
    Export(export::ExportArgs),
    /// Measure a bundle on a category's test images.
    Evaluate(evaluate::EvaluateArgs),
    /// Find a product's components and show them, without training anything.
    Label(label::LabelArgs),
    /// Render products with known anomalies, in MVTec LOCO AD's layout.
    Synth(synth::SynthArgs),
    /// Bring the weights of the paper's backbone to this machine.
    Weights(weights::WeightsArgs),
    /// Say which foundation models are here, and bring those that are missing.
    Models(models::ModelsArgs),
    /// Compare a GPU with the CPU and time the paper's training steps on it.
    GpuCheck(gpu_check::GpuCheckArgs),
    /// Make a key pair to sign bundles with.
    Keygen(keygen::KeygenArgs),
    /// Sign a bundle, replacing a signature it has.
    Sign(sign::SignArgs),
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::Fit(args) => fit::run(args),
        Command::Export(args) => export::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Label(args) => label::run(args),
        Command::Synth(args) => synth::run(args),
        Command::GpuCheck(args) => gpu_check::run(args),
        Command::Weights(args) => weights::run(args),
        Command::Models(args) => models::run(args),
        Command::Keygen(args) => keygen::run(args).map_err(signing_failure),
        Command::Sign(args) => sign::run(args).map_err(|error| match error {
            sign::SignError::Key(error) => signing_failure(error),
            sign::SignError::Bundle(error) => error.into(),
        }),
    }
}

fn signing_failure(error: SigningError) -> Failure {
    let code = match error {
        SigningError::Write { .. } => ExitCode::Storage,
        _ => ExitCode::Input,
    };
    Failure::new(error, code)
}

/// Set by Ctrl-C, SIGTERM and the loss of the terminal from here on; a second Ctrl-C or SIGTERM ends the program at once.
fn stop_on_signal() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in aecsad_program::stop_signals() {
        // A lost terminal is often reported twice: by the kernel and by the shell.
        if signal != signal_hook::consts::SIGHUP {
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))
                .map_err(|e| Failure::new(e, aecsad_program::ExitCode::Device))?;
        }
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .map_err(|e| Failure::new(e, aecsad_program::ExitCode::Device))?;
    }
    Ok(stop)
}

/// The work folder of a bundle: beside it, unless another is named.
fn work_folder(named: Option<&PathBuf>, out: &Path) -> Result<PathBuf, Failure> {
    if let Some(folder) = named {
        return Ok(folder.clone());
    }
    if whole_file::is_stream(out) {
        let message = format!(
            "--out {} is no file that a work folder could stand beside: name one with --work",
            out.display()
        );
        return Err(Failure::new(message, ExitCode::Input));
    }
    let mut folder = out.as_os_str().to_owned();
    folder.push(".work");
    Ok(folder.into())
}

/// The whole file or nothing.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    whole_file::write(path, bytes).map_err(|source| unwritable(path, source))
}

/// Finds out before hours of work whether its results could be written.
fn check_writable<'a>(outputs: impl IntoIterator<Item = &'a PathBuf>) -> Result<(), Failure> {
    for path in outputs {
        whole_file::check(path).map_err(|source| unwritable(path, source))?;
    }
    Ok(())
}

fn unwritable(path: &Path, source: std::io::Error) -> Failure {
    Failure::unwritable(path, &source)
}
