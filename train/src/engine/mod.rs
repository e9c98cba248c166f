//! The training loop that every network shares: seeded, resumable, interruptible, with a progress bar and a line
//! of metrics a step. A network brings its loss; the loop brings the optimiser, the schedule and the checkpoints.

pub(crate) mod attend;
mod backend;
mod checkpoint;
mod curves;
mod fingerprint;
mod initial;
mod kernels;
pub(crate) mod normalise;
mod sampling;
mod step_log;
mod training;

use std::path::PathBuf;

use aecsad_program::ExitCode;

pub use backend::{Cpu, CpuTraining, stack};
pub use fingerprint::Fingerprint;
pub use initial::{rectified, seeded_init};
pub use kernels::{Kernels, Training};
pub use sampling::{batch, noise_source};
pub use training::{Loss, Objective, RunFolder, Schedule, Shard, Shards, train};

#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    #[error(
        "training of the {stage} was interrupted at step {step}: run the same command again to go on from there"
    )]
    Interrupted { stage: &'static str, step: usize },
    #[error(
        "training of the {stage} diverged: the loss at step {step} is {loss}; the last good checkpoint is kept \
         in {}, lower the learning rate or look for broken images", checkpoint.display()
    )]
    Diverged {
        stage: &'static str,
        step: usize,
        loss: f32,
        checkpoint: PathBuf,
    },
    #[error("the checkpoint {} can't be used ({reason}): delete it to train afresh", path.display())]
    Checkpoint { path: PathBuf, reason: String },
    #[error("the work folder can't be used ({}: {source}): make room there or choose another", path.display())]
    WorkFolder {
        path: PathBuf,
        source: std::io::Error,
    },
}

impl TrainingError {
    pub fn exit_code(&self) -> ExitCode {
        match self {
            TrainingError::Interrupted { .. } => ExitCode::Interrupted,
            TrainingError::WorkFolder { .. } | TrainingError::Checkpoint { .. } => {
                ExitCode::Storage
            }
            TrainingError::Diverged { .. } => ExitCode::Training,
        }
    }
}
