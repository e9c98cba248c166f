//! One picture, as every source of frames hands it on.

use std::time::Instant;

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
