//! Sources of frames. Every source, file or device, delivers the same [`Frame`], and the trigger decides which frames
//! are parts.

mod error;
mod flat_field;
mod paced_folder;
pub mod pixel_format;
pub mod presence;
pub mod sensor;
mod triggered_camera;
pub mod v4l2;

use aecsad_inspect::frame::Frame;

pub use error::CameraError;
pub use flat_field::{FlatField, Flattened};
pub use paced_folder::PacedFolder;
pub use triggered_camera::{Camera, Capture, SensorTrigger, Trigger, TriggeredCamera};

/// What a source saw since the last call.
#[derive(Debug)]
pub enum SourceEvent {
    /// A part, with its frame.
    Part,
    /// A part passed, but there is no usable frame of it. The frame's time is still the part's.
    NoFrame(CameraError),
    /// No part yet.
    Nothing,
    /// From here on parts may pass unseen.
    Blind(CameraError),
    /// The camera sees the parts again.
    Sees,
}

/// Counts of a camera's faults since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Frames that the driver skipped.
    pub dropped: u64,
    /// Frames that the driver marked as damaged, or that could not be decoded.
    pub corrupt: u64,
    /// Times that no frame came within [`stall`](v4l2::V4l2Settings::stall).
    pub stalled: u64,
    /// Times that the device was disconnected.
    pub unplugged: u64,
}

/// A camera with its trigger, or something that behaves like one: one frame for each part that passes.
pub trait FrameSource: Send {
    /// Waits for the next part, at most [`LONGEST_WAIT`], and writes its picture into `frame`, whose buffer is reused.
    /// `None` at the end of all parts.
    fn next(&mut self, frame: &mut Frame) -> Option<SourceEvent>;

    fn faults(&self) -> Faults {
        Faults::default()
    }

    /// Sets the bit depth of 16-bit images that come from here on. A camera's format has its own.
    fn state_bit_depth(&mut self, _bit_depth: Option<u8>) {}
}

/// No source waits longer for a part, so that its caller can look whether to stop.
pub const LONGEST_WAIT: std::time::Duration = std::time::Duration::from_millis(20);
