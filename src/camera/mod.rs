//! Where frames come from. Every source, file or device, hands on the same [`Frame`].

pub mod folder;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
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

#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    #[error(
        "the folder of frames {path} can't be read ({source}): correct `camera.path` in the station file"
    )]
    NoFolder {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "there is no image in {0}: put PNG, JPEG, BMP or TIFF files there, or correct `camera.path`"
    )]
    NoImages(PathBuf),
    #[error("the image {path} can't be read ({reason}): its part counts as one without a picture")]
    Unreadable { path: PathBuf, reason: String },
}

/// A camera, or something that behaves like one: one frame for each part that passes.
pub trait FrameSource: Send {
    /// Waits for the next part and writes its picture into `frame`, reusing its buffer. `None` at the end, and soon after
    /// `stop`. With an error the part passed without a usable picture; `frame.captured` holds in either case.
    fn next(&mut self, frame: &mut Frame, stop: &AtomicBool) -> Option<Result<(), CameraError>>;
}
