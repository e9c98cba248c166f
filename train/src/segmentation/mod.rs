//! The segmentation network: a DeepLabV3+ decoder on the frozen encoder's features. It learns the pseudo-labels
//! of the clear images and carries them over to the unclear ones.

mod augment;
mod decoder;
mod losses;
pub mod pieces;
mod sharpness;
mod source;
mod train;

pub use augment::{Augmentation, Symmetry};
pub use decoder::{Decoder, DecoderConfig, DecoderWidths};
pub use losses::{LossTarget, LossWeights, Probabilities};
pub use source::{BatchSource, Encoded, TrainingSet};
pub use train::{SegmentationConfig, TrainedDecoder, train, train_from, train_on};

use aecsad_program::ExitCode;

use crate::engine;
use crate::maps::MAP_SIZE;

/// A label cell that no loss looks at.
pub const IGNORE: u8 = 255;

#[derive(Debug, thiserror::Error)]
pub enum SegmentationError {
    #[error("there are no labelled images to train the segmentation on: label at least one")]
    NoLabels,
    #[error("{images} labelled images came with {masks} masks: give one mask for each image")]
    CountMismatch { images: usize, masks: usize },
    #[error("mask {index} has {found:?} cells: bring masks to {MAP_SIZE}×{MAP_SIZE}")]
    MaskSize { index: usize, found: [usize; 2] },
    #[error(
        "mask {index} holds class {class} but there are {classes} classes: renumber the classes from 0"
    )]
    UnknownClass {
        index: usize,
        class: u8,
        classes: usize,
    },
    #[error(
        "{classes} classes can't be distinguished: give background and at least one part, at most 254 parts"
    )]
    ClassCount { classes: usize },
    #[error(
        "image {index} has {what} of shape {found:?} where {expected:?} is needed: encode all images alike"
    )]
    ShapeMismatch {
        index: usize,
        what: &'static str,
        expected: [usize; 3],
        found: [usize; 3],
    },
    #[error(transparent)]
    Training(#[from] engine::TrainingError),
}

impl SegmentationError {
    pub fn exit_code(&self) -> ExitCode {
        match self {
            SegmentationError::Training(error) => error.exit_code(),
            _ => ExitCode::Training,
        }
    }
}
