//! One picture, as every source delivers it.

use std::time::Instant;

/// One picture of one part.
///
/// *Shapes*: `rgb` is `[height, width, 3]`, 8 bits per value.
#[derive(Clone, Debug)]
pub struct Frame {
    pub width: u32,
    pub height: u32,
    pub rgb: Vec<u8>,
    /// The time of exposure on the monotonic clock. A part's time at the gate is counted from here.
    pub captured: Instant,
}

impl Frame {
    /// An empty frame. Its buffer grows once to the camera's size.
    pub fn empty() -> Self {
        Frame {
            width: 0,
            height: 0,
            rgb: Vec::new(),
            captured: Instant::now(),
        }
    }
}
