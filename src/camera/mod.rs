//! Where frames come from. Every source, file or device, hands on the same [`Frame`].

mod container;
mod decode;
mod folder;
mod paced_folder;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

pub use decode::{
    ImageError, MAX_PIXELS, MIN_SIDE, decode, image_size, read_image, read_image_by_content,
};
pub use folder::{EXTENSIONS, list_images, list_images_flat};
pub use paced_folder::PacedFolder;

/// One picture of one part: interleaved 8-bit RGB, row by row, `width * height * 3` bytes.
#[derive(Clone, Debug)]
pub struct Frame {
    pub width: u32,
    pub height: u32,
    pub rgb: Vec<u8>,
    /// When the shutter opened, on the monotonic clock: a part's gate time is counted from here.
    pub captured: Instant,
}

#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    #[error(
        "there is no image in {}: put PNG, JPEG, BMP or TIFF files there, or correct `camera.path`",
        .0.display()
    )]
    NoImages(PathBuf),
    #[error(transparent)]
    Image(#[from] ImageError),
}

/// A camera, or something that behaves like one: one frame for each part that passes.
pub trait FrameSource: Send {
    /// Waits for the next part and writes its picture into `frame`, whose buffer may be reused. `None` at the end, and
    /// soon after `stop`. With an error the part passed without a usable picture; `frame.captured` holds in either case.
    fn next(&mut self, frame: &mut Frame, stop: &AtomicBool) -> Option<Result<(), CameraError>>;
}
