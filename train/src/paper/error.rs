//! Why the networks of the `paper` profile could not be trained, and with which exit code.

use std::path::PathBuf;

use aecsad_program::ExitCode;

use super::DeviceError;
use super::weights::WeightsError;

#[derive(Debug, thiserror::Error)]
pub enum PaperError {
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Images(#[from] crate::dataset::DatasetError),
    #[error(transparent)]
    Optics(#[from] aecsad_inspect::optics::OpticsError),
    #[error("{}: no image in it can be read: name a folder of pictures of other things", path.display())]
    NoOutOfDistribution { path: PathBuf },
    #[error(transparent)]
    Segmentation(#[from] crate::segmentation::SegmentationError),
    #[error(transparent)]
    Students(#[from] crate::lgst::LgstError),
}

impl PaperError {
    pub fn exit_code(&self) -> ExitCode {
        match self {
            PaperError::Weights(e) => e.exit_code(),
            PaperError::Device(_) => ExitCode::Device,
            PaperError::Images(_) => ExitCode::Training,
            PaperError::Optics(_) | PaperError::NoOutOfDistribution { .. } => ExitCode::Input,
            PaperError::Segmentation(e) => e.exit_code(),
            PaperError::Students(e) => e.exit_code(),
        }
    }
}
