//! Checks the outer structure of image files without decoding pixels: whether the file is complete, a single picture, and
//! not CMYK. The decoders do not report this.

use image::ImageFormat;

use super::{jpeg, tiff};

/// The result of the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// One picture, complete as far as the structure shows.
    Whole,
    Truncated,
    /// Four inks: a JPEG of four components.
    Cmyk,
    /// Several frames or pages.
    Animated,
    /// Cut in the middle or changed; the text says what is wrong.
    Damaged(&'static str),
    /// Intact, but of an unsupported kind, which the text names.
    Unsupported(&'static str),
}

/// Examines the structure of a whole file's `bytes`.
pub fn examine(format: ImageFormat, bytes: &[u8]) -> Container {
    let found = match format {
        ImageFormat::Jpeg => jpeg::examine(bytes),
        ImageFormat::Png => png(bytes),
        ImageFormat::Tiff => tiff::examine(bytes),
        ImageFormat::Bmp => bmp(bytes),
        _ => Some(Container::Whole),
    };
    // A walk fails only at the end of the bytes.
    found.unwrap_or(Container::Truncated)
}

/// Chunks from IHDR to IEND; acTL announces several frames.
fn png(bytes: &[u8]) -> Option<Container> {
    let mut at = 8;
    let mut animated = false;
    loop {
        let length = u32_at(bytes, at, false)? as usize;
        let kind = bytes.get(at + 4..at + 8)?;
        at = at.checked_add(length)?.checked_add(12)?;
        if at > bytes.len() {
            return None;
        }
        match kind {
            b"acTL" => animated = true,
            b"IEND" if animated => return Some(Container::Animated),
            b"IEND" => return Some(Container::Whole),
            _ => {}
        }
    }
}

/// The header states the file's length and where the pixels start; some writers leave the length zero.
fn bmp(bytes: &[u8]) -> Option<Container> {
    let stated = u32_at(bytes, 2, true)? as usize;
    let pixels = u32_at(bytes, 10, true)? as usize;
    let whole = stated <= bytes.len() && pixels < bytes.len();
    whole.then_some(Container::Whole)
}

pub(super) fn u16_at(bytes: &[u8], at: usize, little: bool) -> Option<u16> {
    let raw = bytes.get(at..)?.first_chunk()?;
    Some(if little {
        u16::from_le_bytes(*raw)
    } else {
        u16::from_be_bytes(*raw)
    })
}

pub(super) fn u32_at(bytes: &[u8], at: usize, little: bool) -> Option<u32> {
    let raw = bytes.get(at..)?.first_chunk()?;
    Some(if little {
        u32::from_le_bytes(*raw)
    } else {
        u32::from_be_bytes(*raw)
    })
}

pub(super) fn u64_at(bytes: &[u8], at: usize, little: bool) -> Option<u64> {
    let raw = bytes.get(at..)?.first_chunk()?;
    Some(if little {
        u64::from_le_bytes(*raw)
    } else {
        u64::from_be_bytes(*raw)
    })
}
