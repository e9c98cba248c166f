//! One picture, as every source delivers it.

use std::time::Instant;

use serde::{Deserialize, Serialize};

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

impl Size {
    /// What networks of today see of a whole part.
    pub const WHOLE: Size = Size {
        width: 256,
        height: 256,
    };

    pub fn pixels(self) -> usize {
        self.width as usize * self.height as usize
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}×{}", self.width, self.height)
    }
}

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
    pub fn size(&self) -> Size {
        Size {
            width: self.width,
            height: self.height,
        }
    }

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
