//! The local-global student-teacher: a frozen teacher map, a local student whose receptive field is 33 pixels and that
//! fails on structural anomalies, and a global student that sees everything and fails on logical anomalies.

mod attention;
mod augment;
mod export;
mod global_student;
mod local_student;
mod loss;
mod teacher;
mod teacher_features;
mod train;

pub use attention::{SelfAttention, SelfAttentionConfig};
pub use augment::Jitter;
pub use export::{LgstMaps, StudentOutputs};
pub use global_student::{Dropout, GlobalStudent, GlobalStudentConfig};
pub use local_student::{LocalStudent, LocalStudentConfig, LocalWidths};
pub use loss::{LgstLossConfig, LgstTerms};
pub use teacher::Teacher;
pub use teacher_features::{TeacherFeatures, TeacherMaps};
pub use train::{LgstConfig, Students, TrainedLgst, UnencodedImages, train, train_from, train_on};

use aecsad_program::ExitCode;

use crate::engine;

#[derive(Debug, thiserror::Error)]
pub enum LgstError {
    #[error("there are no good images to train the students on: give at least one")]
    NoImages,
    #[error("{images} images came with {features} sets of features: encode each image once")]
    CountMismatch { images: usize, features: usize },
    #[error(
        "image {index} has {what} of shape {found:?} where the others have {expected:?}: prepare all images alike"
    )]
    ShapeMismatch {
        index: usize,
        what: &'static str,
        expected: [usize; 3],
        found: [usize; 3],
    },
    #[error("the images have shape {found:?}: prepare them as 3×{expected}×{expected}")]
    ImageSize { expected: usize, found: [usize; 3] },
    #[error(transparent)]
    Training(#[from] engine::TrainingError),
}

impl LgstError {
    pub fn exit_code(&self) -> ExitCode {
        match self {
            LgstError::Training(error) => error.exit_code(),
            _ => ExitCode::Training,
        }
    }
}
