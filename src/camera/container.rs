//! The outer structure of image files, walked without decoding a pixel: is the file all there, is it one picture,
//! and is it for a screen? The decoders don't say.

use image::ImageFormat;

/// What the walk found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    /// One picture, complete as far as the structure tells.
    Whole,
    Truncated,
    /// Four inks: a JPEG of four components.
    Cmyk,
    /// Several frames or pages.
    Animated,
}

pub(super) fn examine(format: ImageFormat, bytes: &[u8]) -> Container {
    let found = match format {
        ImageFormat::Jpeg => jpeg(bytes),
        ImageFormat::Png => png(bytes),
        ImageFormat::Tiff => tiff(bytes),
        ImageFormat::Bmp => bmp(bytes),
        _ => Some(Container::Whole),
    };
    // Running off the end of the bytes is the one way a walk fails.
    found.unwrap_or(Container::Truncated)
}

/// Marker segments from SOI to EOI (ITU T.81, annex B). A thumbnail's own markers lie inside an APP segment and are
/// stepped over with it.
fn jpeg(bytes: &[u8]) -> Option<Container> {
    let mut at = 2;
    loop {
        // Entropy-coded bytes, and fill bytes before a marker, are skipped alike.
        while *bytes.get(at)? != 0xff {
            at += 1;
        }
        while *bytes.get(at)? == 0xff {
            at += 1;
        }
        let marker = bytes[at];
        at += 1;
        match marker {
            // A stuffed zero, TEM and the restart markers stand alone.
            0x00 | 0x01 | 0xd0..=0xd8 => continue,
            0xd9 => return Some(Container::Whole),
            _ => {}
        }
        let length = u16_at(bytes, at, false)? as usize;
        let is_frame_header =
            matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
        if is_frame_header && *bytes.get(at + 7)? == 4 {
            return Some(Container::Cmyk);
        }
        at += length.max(2);
    }
}

/// Chunks from IHDR to IEND; acTL says that there are frames to come.
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

/// Only the first directory's link to a next one is of interest; the decoder finds missing strips itself.
fn tiff(bytes: &[u8]) -> Option<Container> {
    let little = bytes.starts_with(b"II");
    let big_tiff = u16_at(bytes, 2, little)? == 43;
    let next = if big_tiff {
        let first = usize::try_from(u64_at(bytes, 8, little)?).ok()?;
        let count = usize::try_from(u64_at(bytes, first, little)?).ok()?;
        let after = count.checked_mul(20)?.checked_add(8)?.checked_add(first)?;
        u64_at(bytes, after, little)?
    } else {
        let first = u32_at(bytes, 4, little)? as usize;
        let count = u16_at(bytes, first, little)? as usize;
        let after = first.checked_add(2 + count * 12)?;
        u64::from(u32_at(bytes, after, little)?)
    };
    Some(if next == 0 {
        Container::Whole
    } else {
        Container::Animated
    })
}

/// The header states the file's length and where the pixels start; some writers leave the length zero.
fn bmp(bytes: &[u8]) -> Option<Container> {
    let stated = u32_at(bytes, 2, true)? as usize;
    let pixels = u32_at(bytes, 10, true)? as usize;
    let whole = stated <= bytes.len() && pixels < bytes.len();
    whole.then_some(Container::Whole)
}

fn u16_at(bytes: &[u8], at: usize, little: bool) -> Option<u16> {
    let raw = bytes.get(at..)?.first_chunk()?;
    Some(if little {
        u16::from_le_bytes(*raw)
    } else {
        u16::from_be_bytes(*raw)
    })
}

fn u32_at(bytes: &[u8], at: usize, little: bool) -> Option<u32> {
    let raw = bytes.get(at..)?.first_chunk()?;
    Some(if little {
        u32::from_le_bytes(*raw)
    } else {
        u32::from_be_bytes(*raw)
    })
}

fn u64_at(bytes: &[u8], at: usize, little: bool) -> Option<u64> {
    let raw = bytes.get(at..)?.first_chunk()?;
    Some(if little {
        u64::from_le_bytes(*raw)
    } else {
        u64::from_be_bytes(*raw)
    })
}
