//! The state of a run on disk: model, optimiser and step in one file that is replaced whole or not at all. A
//! header names the run it belongs to and the digest of what follows, so a damaged file is noticed, not loaded.

use std::io::Write;
use std::path::{Path, PathBuf};

use aecsad_program::whole_file::WholeFile;
use burn::record::{FullPrecisionSettings, NamedMpkBytesRecorder, Record, Recorder};
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::TrainingError;

const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    fingerprint: String,
    step: usize,
    model_bytes: usize,
    optimiser_bytes: usize,
    sha256: Vec<u8>,
}

/// What training continues from: the state before `step`.
pub struct Checkpoint<M, O> {
    pub step: usize,
    pub model: M,
    pub optimiser: O,
}

/// One checkpoint file of one run.
pub struct CheckpointFile {
    path: PathBuf,
    fingerprint: String,
}

type CheckpointFormat = NamedMpkBytesRecorder<FullPrecisionSettings>;

impl CheckpointFile {
    pub fn new(path: PathBuf, fingerprint: String) -> Self {
        Self { path, fingerprint }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces the file: a new one is written beside it, made durable, then renamed over it.
    pub fn save<B: Backend, M: Record<B>, O: Record<B>>(
        &self,
        checkpoint: Checkpoint<M, O>,
    ) -> Result<(), TrainingError> {
        let encode = |error: burn::record::RecorderError| self.unusable(error.to_string());
        let model = record_bytes::<B, M>(checkpoint.model).map_err(encode)?;
        let optimiser = record_bytes::<B, O>(checkpoint.optimiser).map_err(encode)?;
        let header = Header {
            format: FORMAT,
            fingerprint: self.fingerprint.clone(),
            step: checkpoint.step,
            model_bytes: model.len(),
            optimiser_bytes: optimiser.len(),
            sha256: digest(&model, &optimiser),
        };
        let header =
            serde_json::to_string(&header).map_err(|error| self.unusable(error.to_string()))?;
        self.replace(&[header.as_bytes(), b"\n", &model, &optimiser])
            .map_err(|source| TrainingError::WorkFolder {
                path: self.path.clone(),
                source,
            })
    }

    fn replace(&self, parts: &[&[u8]]) -> std::io::Result<()> {
        let mut file = WholeFile::create(&self.path)?;
        for part in parts {
            file.write_all(part)?;
        }
        file.commit_durably()
    }

    /// The checkpoint, or `None` if there is none or it belongs to a run with other inputs or settings.
    pub fn load<B: Backend, M: Record<B>, O: Record<B>>(
        &self,
        device: &B::Device,
    ) -> Result<Option<Checkpoint<M, O>>, TrainingError> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(TrainingError::WorkFolder {
                    path: self.path.clone(),
                    source,
                });
            }
        };
        let damaged = || self.unusable("it is damaged".into());
        let end = bytes
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or_else(damaged)?;
        let header: Header = serde_json::from_slice(&bytes[..end]).map_err(|_| damaged())?;
        if header.format != FORMAT || header.fingerprint != self.fingerprint {
            log::info!(
                "{} is of another run: training starts afresh",
                self.path.display()
            );
            return Ok(None);
        }
        let (model, optimiser) = bytes[end + 1..]
            .split_at_checked(header.model_bytes)
            .ok_or_else(damaged)?;
        if optimiser.len() != header.optimiser_bytes || digest(model, optimiser) != header.sha256 {
            return Err(damaged());
        }
        let decode = |error: burn::record::RecorderError| self.unusable(error.to_string());
        Ok(Some(Checkpoint {
            step: header.step,
            model: record_from::<B, M>(model, device).map_err(decode)?,
            optimiser: record_from::<B, O>(optimiser, device).map_err(decode)?,
        }))
    }

    fn unusable(&self, reason: String) -> TrainingError {
        TrainingError::Checkpoint {
            path: self.path.clone(),
            reason,
        }
    }
}

fn record_bytes<B: Backend, R: Record<B>>(
    record: R,
) -> Result<Vec<u8>, burn::record::RecorderError> {
    Recorder::<B>::record(&CheckpointFormat::default(), record, ())
}

fn record_from<B: Backend, R: Record<B>>(
    bytes: &[u8],
    device: &B::Device,
) -> Result<R, burn::record::RecorderError> {
    Recorder::<B>::load(&CheckpointFormat::default(), bytes.to_vec(), device)
}

fn digest(model: &[u8], optimiser: &[u8]) -> Vec<u8> {
    Sha256::new()
        .chain_update(model)
        .chain_update(optimiser)
        .finalize()
        .to_vec()
}
