//! Where frames come from. Every source, file or device, hands on the same [`Frame`], and the trigger says which frames
//! are parts.

mod container;
mod decode;
mod error;
mod flat_field;
mod folder;
mod jpeg;
mod paced_folder;
mod parts;
pub mod pixel_format;
pub mod presence;
pub mod sensor;
mod tiff;
pub mod v4l2;

use std::time::Instant;

pub use decode::{
    BIT_DEPTHS, FULL_RANGE_FROM, ImageError, MAX_PIXELS, MIN_SIDE, brightest_of_16_bits, decode,
    image_size, is_jpeg, narrowest_depth, read_image, read_image_by_content, read_image_of_depth,
};
pub use error::CameraError;
pub use flat_field::{FlatField, Flattened};
pub use folder::{EXTENSIONS, list_images, list_images_flat};
pub use paced_folder::PacedFolder;
pub use parts::{Camera, Parts, SensorTrigger, Shot, Trigger};

/// One picture of one part: interleaved 8-bit RGB, row by row, `width * height * 3` bytes.
#[derive(Clone, Debug)]
pub struct Frame {
    pub width: u32,
    pub height: u32,
    pub rgb: Vec<u8>,
    /// When the shutter opened, on the monotonic clock: a part's gate time is counted from here.
    pub captured: Instant,
}

impl Frame {
    /// No picture yet; the buffer grows to the camera's size once.
    pub fn empty() -> Self {
        Frame {
            width: 0,
            height: 0,
            rgb: Vec::new(),
            captured: Instant::now(),
        }
    }
}

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
