//! What was found out about one part on its way from the camera to the gate.

use std::sync::Arc;

use aecsad_inspect::inspector::Verdict;

use super::JudgeError;
use crate::camera::CameraError;
use crate::line::Cause;

/// A part's verdict, or why it has none.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a box would be an allocation for each part"
)]
pub enum Inspection {
    /// The verdict, and the bundle that gave it.
    Verdict(Verdict, Arc<str>),
    EngineError(JudgeError),
    /// The camera gave no usable frame.
    NoFrame(CameraError),
    /// The queue to the engine had no room for the frame.
    QueueFull,
}

impl Inspection {
    pub fn cause(&self) -> Cause {
        match self {
            Inspection::Verdict(verdict, _) if verdict.reject => Cause::Bad,
            Inspection::Verdict(..) => Cause::Good,
            Inspection::EngineError(_) => Cause::EngineError,
            Inspection::NoFrame(_) => Cause::NoFrame,
            Inspection::QueueFull => Cause::QueueFull,
        }
    }
}
