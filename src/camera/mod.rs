//! Where frames come from. Every source, file or device, hands on the same [`Frame`].

mod container;
mod decode;
mod folder;

use std::time::Instant;

pub use decode::{
    ImageError, MAX_PIXELS, MIN_SIDE, decode, image_size, read_image, read_image_by_content,
};
pub use folder::{EXTENSIONS, list_images, list_images_flat};

/// One picture of one part: interleaved 8-bit RGB, row by row, `width * height * 3` bytes.
#[derive(Clone, Debug)]
pub struct Frame {
    pub width: u32,
    pub height: u32,
    pub rgb: Vec<u8>,
    /// When the shutter opened, on the monotonic clock: a part's gate time is counted from here.
    pub captured: Instant,
}
