//! Why an image can't be read: one sentence for the user each.

use std::io;
use std::path::PathBuf;

use super::decode::{MAX_PIXELS, MIN_SIDE};
use super::samples::narrowest_depth;

#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("{}: the image can't be read ({source}); check the path and its permissions", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: the folder can't be listed ({source}); check the path and its permissions", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("{}: this is a file, where a folder of images is expected; name its folder", path.display())]
    NotAFolder { path: PathBuf },
    #[error("{}: the image file is empty; copy it again", path.display())]
    Empty { path: PathBuf },
    #[error("{}: this is {kind}, which is not read; convert it to PNG, JPEG, BMP or TIFF", path.display())]
    NotRead { path: PathBuf, kind: &'static str },
    #[error("{}: this is not a PNG, JPEG, BMP or TIFF image; convert it or take it away", path.display())]
    NotAnImage { path: PathBuf },
    #[error("{}: the image is cut short, a part of it is missing; copy it again, or take it anew", path.display())]
    Truncated { path: PathBuf },
    #[error("{}: the image is damaged ({why}); copy it again", path.display())]
    Damaged { path: PathBuf, why: String },
    #[error("{}: this kind of image isn't supported ({why}); convert it to 8- or 16-bit grey or RGB", path.display())]
    Unsupported { path: PathBuf, why: String },
    #[error("{}: {width}×{height} is too small, at least {MIN_SIDE}×{MIN_SIDE} pixels are needed", path.display())]
    TooSmall {
        path: PathBuf,
        width: u32,
        height: u32,
    },
    #[error(
        "{}: {width}×{height} is too large, an image must have less than {} megapixels; \
         scale it down or crop it",
        path.display(), MAX_PIXELS / 1_000_000
    )]
    TooLarge {
        path: PathBuf,
        width: u32,
        height: u32,
    },
    #[error(
        "{}: {bytes} bytes is too large for an image of less than {} megapixels; save it again",
        path.display(), MAX_PIXELS / 1_000_000
    )]
    TooManyBytes { path: PathBuf, bytes: u64 },
    #[error("{}: the image is CMYK, which is for printing; save it as RGB or grey", path.display())]
    Cmyk { path: PathBuf },
    #[error("{}: the image is animated or has several pages; save the one that is meant", path.display())]
    Animated { path: PathBuf },
    #[error(
        "{}: the brightest value of this 16-bit image is {brightest} of 65535, as of a camera of {} bits, and its bit depth is \
         not stated: train with `aecsad-train fit --bit-depth {}` on such images, or convert it to 8 bits",
        path.display(), narrowest_depth(*brightest), narrowest_depth(*brightest)
    )]
    BitDepthUnknown { path: PathBuf, brightest: u16 },
    #[error(
        "{}: a value of {brightest} is more than the stated bit depth of {bit_depth} allows, {}; state the bit depth of \
         these images, or take it away",
        path.display(), (1u32 << bit_depth) - 1
    )]
    BeyondBitDepth {
        path: PathBuf,
        brightest: u16,
        bit_depth: u8,
    },
    #[error("{}: {why}", path.display())]
    OtherFrame { path: PathBuf, why: String },
    #[error("{}: the file is named .{extension} but holds {actual}; rename it", path.display())]
    Mislabelled {
        path: PathBuf,
        extension: String,
        actual: &'static str,
    },
}
