//! Where frames come from. Every source, file or device, hands on the same [`Frame`], and the trigger says which frames
//! are parts.

mod error;
mod flat_field;
mod paced_folder;
mod parts;
pub mod pixel_format;
pub mod presence;
pub mod sensor;
pub mod v4l2;

use aecsad_inspect::frame::Frame;

pub use error::CameraError;
pub use flat_field::{FlatField, Flattened};
pub use paced_folder::PacedFolder;
pub use parts::{Camera, Parts, SensorTrigger, Shot, Trigger};

/// What a source saw since it was last asked.
#[derive(Debug)]
pub enum Sighting {
    /// A part, with its picture.
    Part,
    /// A part passed, but there is no usable picture of it. The frame's time is still the part's.
    Unseen(CameraError),
    /// No part yet: ask again.
    Nothing,
    /// From here on parts may pass that nobody sees.
    Blind(CameraError),
    /// The camera sees again.
    Sees,
}

/// What a camera lost or failed at since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Frames that the driver skipped.
    pub dropped: u64,
    /// Frames the driver marked as damaged, or that could not be decoded.
    pub corrupt: u64,
    /// Times that no frame came for longer than it may.
    pub stalled: u64,
    /// Times that the device was gone.
    pub unplugged: u64,
}

/// A camera with its trigger, or something that behaves like one: one frame for each part that passes.
pub trait FrameSource: Send {
    /// Waits a little for the next part, at most [`LONGEST_WAIT`], and writes its picture into `frame`, whose buffer
    /// is used again. `None` at the end of all parts.
    fn next(&mut self, frame: &mut Frame) -> Option<Sighting>;

    fn faults(&self) -> Faults {
        Faults::default()
    }

    /// Images of 16 bits from here on have this depth; a camera's format has its own.
    fn state_bit_depth(&mut self, _bit_depth: Option<u8>) {}
}

/// No source waits longer for a part before it lets its caller look whether to stop.
pub const LONGEST_WAIT: std::time::Duration = std::time::Duration::from_millis(20);
