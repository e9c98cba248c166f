//! Reads image files as [`Frame`]s: PNG, JPEG, BMP and TIFF, 8 or 16 bits, grey or colour.
//!
//! A file that decoders would silently change (truncated, CMYK, several pages) is refused. The size is checked in the
//! header, before any pixel is decoded.

use std::io::{self, Cursor, Read};
use std::path::Path;
use std::time::Instant;

use aecsad_program::{inputs, unless_it_panics};
use image::{ColorType, DynamicImage, ExtendedColorType, ImageDecoder, ImageFormat, Limits};

use super::ImageError;
use super::container::{self, Container};
use super::samples::{brightest, checked_depth, to_rgb};
use super::tiff;
use crate::frame::Frame;

/// The smallest side of an image in pixels.
pub const MIN_SIDE: u32 = 16;
/// The most pixels of an image: 400 MB at 16 bits with alpha.
pub const MAX_PIXELS: u64 = 50_000_000;
/// Enough for the largest permitted image, uncompressed.
const MAX_FILE_BYTES: u64 = 512 << 20;

/// Reads an image whose extension must match its content, else the error is [`ImageError::Mislabelled`].
/// [`read_image_by_content`] ignores the extension.
pub fn read_image(path: &Path) -> Result<Frame, ImageError> {
    read_image_of_depth(path, None)
}

/// Like [`read_image`], with this bit depth for images of 16 bits.
pub fn read_image_of_depth(path: &Path, bit_depth: Option<u8>) -> Result<Frame, ImageError> {
    let bytes = read_bounded(path)?;
    let format = format_of(&bytes, path)?;
    check_label(path, format)?;
    decode_as(format, &bytes, path, bit_depth)
}

/// Reads an image by its content, whatever its extension.
pub fn read_image_by_content(path: &Path, bit_depth: Option<u8>) -> Result<Frame, ImageError> {
    decode(&read_bounded(path)?, path, bit_depth)
}

/// Whether a file's content is a JPEG, whatever its extension.
pub fn is_jpeg(path: &Path) -> Result<bool, ImageError> {
    let unreadable = |source| ImageError::Unreadable {
        path: path.into(),
        source,
    };
    let mut start = Vec::new();
    inputs::open(path)
        .and_then(|file| file.take(3).read_to_end(&mut start))
        .map_err(unreadable)?;
    Ok(start == b"\xff\xd8\xff")
}

/// Decodes an image in memory; `path` stands for it in messages.
pub fn decode(bytes: &[u8], path: &Path, bit_depth: Option<u8>) -> Result<Frame, ImageError> {
    decode_as(format_of(bytes, path)?, bytes, path, bit_depth)
}

/// The brightest value of an image of 16 bits; none of one of 8.
pub fn brightest_of_16_bits(path: &Path) -> Result<Option<u16>, ImageError> {
    let bytes = read_bounded(path)?;
    let format = format_of(&bytes, path)?;
    guarded(path, || {
        let decoder = open(format, &bytes, path)?;
        if decoder.color_type().bytes_per_pixel() / decoder.color_type().channel_count() < 2 {
            return Ok(None);
        }
        let image = DynamicImage::from_decoder(decoder).map_err(|e| refusal(e, path))?;
        Ok(brightest(&image))
    })
}

/// Width and height as they will be decoded, from the header alone.
pub fn image_size(path: &Path) -> Result<(u32, u32), ImageError> {
    let bytes = read_bounded(path)?;
    let format = format_of(&bytes, path)?;
    guarded(path, || {
        let mut decoder = open(format, &bytes, path)?;
        let (width, height) = decoder.dimensions();
        let orientation = decoder.orientation().map_err(|e| refusal(e, path))?;
        Ok(if turns(orientation) {
            (height, width)
        } else {
            (width, height)
        })
    })
}

fn turns(orientation: image::metadata::Orientation) -> bool {
    use image::metadata::Orientation::*;
    matches!(
        orientation,
        Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH
    )
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, ImageError> {
    let unreadable = |source| ImageError::Unreadable {
        path: path.into(),
        source,
    };
    let file = inputs::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    if length > MAX_FILE_BYTES {
        return Err(ImageError::TooManyBytes {
            path: path.into(),
            bytes: length,
        });
    }
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(MAX_FILE_BYTES)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.is_empty() {
        return Err(ImageError::Empty { path: path.into() });
    }
    Ok(bytes)
}

fn format_of(bytes: &[u8], path: &Path) -> Result<ImageFormat, ImageError> {
    if bytes.is_empty() {
        return Err(ImageError::Empty { path: path.into() });
    }
    if tiff::is_big_tiff(bytes) {
        return Ok(ImageFormat::Tiff);
    }
    match image::guess_format(bytes) {
        Ok(
            format @ (ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Bmp | ImageFormat::Tiff),
        ) => Ok(format),
        guessed => Err(match known_kind(guessed.ok(), bytes) {
            Some(kind) => ImageError::NotRead {
                path: path.into(),
                kind,
            },
            None => ImageError::NotAnImage { path: path.into() },
        }),
    }
}

/// The name of an unsupported kind of image.
fn known_kind(guessed: Option<ImageFormat>, bytes: &[u8]) -> Option<&'static str> {
    Some(match guessed {
        Some(ImageFormat::Gif) => "a GIF image",
        Some(ImageFormat::WebP) => "a WebP image",
        Some(ImageFormat::Avif) => "an AVIF image",
        Some(ImageFormat::Pnm) => "a PNM image",
        Some(ImageFormat::OpenExr | ImageFormat::Hdr) => "an image of floating-point numbers",
        Some(_) => "an image of another kind",
        None if bytes.starts_with(b"\0\0\0\x0cjP  ") => "a JPEG 2000 image",
        None if bytes.starts_with(b"\xff\x4f\xff\x51") => "a JPEG 2000 image",
        None if bytes.starts_with(b"\xff\x0a") => "a JPEG XL image",
        None if bytes.starts_with(b"\0\0\0\x0cJXL ") => "a JPEG XL image",
        None if bytes.get(4..12).is_some_and(|b| b.starts_with(b"ftyphei")) => "a HEIF image",
        None if bytes.starts_with(b"SIMPLE  =") => "a FITS image",
        None if bytes.starts_with(b"%PDF") => "a PDF document",
        None => return None,
    })
}

fn check_label(path: &Path, format: ImageFormat) -> Result<(), ImageError> {
    let extension = path
        .extension()
        .map(|e| e.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default();
    if format.extensions_str().contains(&extension.as_str()) {
        return Ok(());
    }
    Err(ImageError::Mislabelled {
        path: path.into(),
        extension,
        actual: match format {
            ImageFormat::Png => "a PNG image",
            ImageFormat::Jpeg => "a JPEG image",
            ImageFormat::Bmp => "a BMP image",
            _ => "a TIFF image",
        },
    })
}

/// A decoder whose header passed all checks.
fn open<'a>(
    format: ImageFormat,
    bytes: &'a [u8],
    path: &Path,
) -> Result<Box<dyn ImageDecoder + 'a>, ImageError> {
    let owned = || path.to_path_buf();
    // The decoders silently complete a truncated JPEG, drop pages and convert CMYK.
    match container::examine(format, bytes) {
        Container::Whole => {}
        Container::Truncated => return Err(ImageError::Truncated { path: owned() }),
        Container::Cmyk => return Err(ImageError::Cmyk { path: owned() }),
        Container::Animated => return Err(ImageError::Animated { path: owned() }),
        Container::Damaged(what) => {
            return Err(ImageError::Damaged {
                path: owned(),
                why: what.into(),
            });
        }
        Container::Unsupported(kind) => {
            return Err(ImageError::Unsupported {
                path: owned(),
                why: kind.into(),
            });
        }
    }
    let decoder: Box<dyn ImageDecoder + 'a> = match format {
        ImageFormat::Tiff if tiff::is_grey_with_alpha(bytes) => {
            let decoder = tiff::GreyWithAlpha::open(bytes, MAX_FILE_BYTES as usize);
            Box::new(decoder.map_err(|e| refusal(e, path))?)
        }
        _ => {
            let mut reader = image::ImageReader::with_format(Cursor::new(bytes), format);
            let mut limits = Limits::default();
            limits.max_alloc = Some(MAX_FILE_BYTES);
            reader.limits(limits);
            Box::new(reader.into_decoder().map_err(|e| refusal(e, path))?)
        }
    };
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) >= MAX_PIXELS {
        return Err(ImageError::TooLarge {
            path: owned(),
            width,
            height,
        });
    }
    if width < MIN_SIDE || height < MIN_SIDE {
        return Err(ImageError::TooSmall {
            path: owned(),
            width,
            height,
        });
    }
    use ExtendedColorType::{Cmyk8, Cmyk16};
    if matches!(decoder.original_color_type(), Cmyk8 | Cmyk16) {
        return Err(ImageError::Cmyk { path: owned() });
    }
    if matches!(decoder.color_type(), ColorType::Rgb32F | ColorType::Rgba32F) {
        return Err(ImageError::Unsupported {
            path: owned(),
            why: "its samples are floating-point".into(),
        });
    }
    Ok(decoder)
}

/// `None` if the decoder panics, as zune-jpeg 0.5.15 does on some damaged JPEGs.
pub fn unless_it_breaks<T>(decode: impl FnOnce() -> T) -> Option<T> {
    unless_it_panics(decode)
}

fn guarded<T>(
    path: &Path,
    decode: impl FnOnce() -> Result<T, ImageError>,
) -> Result<T, ImageError> {
    unless_it_breaks(decode).unwrap_or_else(|| {
        Err(ImageError::Damaged {
            path: path.into(),
            why: "its decoder broke off".into(),
        })
    })
}

fn decode_as(
    format: ImageFormat,
    bytes: &[u8],
    path: &Path,
    bit_depth: Option<u8>,
) -> Result<Frame, ImageError> {
    guarded(path, || decode_unguarded(format, bytes, path, bit_depth))
}

fn decode_unguarded(
    format: ImageFormat,
    bytes: &[u8],
    path: &Path,
    bit_depth: Option<u8>,
) -> Result<Frame, ImageError> {
    let captured = Instant::now();
    let mut decoder = open(format, bytes, path)?;
    let orientation = decoder.orientation().map_err(|e| refusal(e, path))?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(|e| refusal(e, path))?;
    image.apply_orientation(orientation);
    let (width, height) = (image.width(), image.height());
    let bit_depth = match brightest(&image) {
        Some(brightest) => checked_depth(bit_depth, brightest, path)?,
        None => 8,
    };
    let rgb = to_rgb(image, bit_depth).ok_or_else(|| ImageError::Unsupported {
        path: path.into(),
        why: "its samples are neither 8- nor 16-bit".into(),
    })?;
    Ok(Frame {
        width,
        height,
        rgb,
        captured,
    })
}

fn refusal(error: image::ImageError, path: &Path) -> ImageError {
    let path = path.to_path_buf();
    let why = error.to_string();
    match error {
        image::ImageError::IoError(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            ImageError::Truncated { path }
        }
        image::ImageError::Unsupported(_) | image::ImageError::Limits(_) => {
            ImageError::Unsupported { path, why }
        }
        _ => ImageError::Damaged { path, why },
    }
}
