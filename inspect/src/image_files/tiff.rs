//! Reads the first directory of a TIFF, classic or BigTIFF, to name unsupported kinds in messages. Decodes grey with
//! transparency, which the `image` crate does not.

use std::io::Cursor;

use image::error::{DecodingError, UnsupportedError, UnsupportedErrorKind};
use image::metadata::Orientation;
use image::{ImageDecoder, ImageError, ImageFormat, ImageResult};
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::{TiffError, TiffUnsupportedError};

use super::container::{Container, u16_at, u32_at, u64_at};

/// `II` or `MM`, then 42; BigTIFF has 43.
pub(super) fn is_big_tiff(bytes: &[u8]) -> bool {
    bytes.starts_with(b"II+\0") || bytes.starts_with(b"MM\0+")
}

/// The first directory, entry by entry.
struct Directory<'a> {
    bytes: &'a [u8],
    little: bool,
    big: bool,
    first: usize,
    count: usize,
}

const BITS_PER_SAMPLE: u16 = 258;
const PHOTOMETRIC: u16 = 262;
const ORIENTATION: u16 = 274;
const SAMPLES_PER_PIXEL: u16 = 277;
const SAMPLE_FORMAT: u16 = 339;

impl<'a> Directory<'a> {
    fn open(bytes: &'a [u8]) -> Option<Self> {
        let little = bytes.starts_with(b"II");
        let big = u16_at(bytes, 2, little)? == 43;
        let (at, count, entries) = if big {
            let at = usize::try_from(u64_at(bytes, 8, little)?).ok()?;
            (at, usize::try_from(u64_at(bytes, at, little)?).ok()?, 8)
        } else {
            let at = u32_at(bytes, 4, little)? as usize;
            (at, usize::from(u16_at(bytes, at, little)?), 2)
        };
        Some(Directory {
            bytes,
            little,
            big,
            first: at.checked_add(entries)?,
            count,
        })
    }

    fn entry_bytes(&self) -> usize {
        if self.big { 20 } else { 12 }
    }

    /// Where the next directory is; 0 if there is none.
    fn next(&self) -> Option<u64> {
        let after = self
            .count
            .checked_mul(self.entry_bytes())?
            .checked_add(self.first)?;
        match self.big {
            true => u64_at(self.bytes, after, self.little),
            false => u32_at(self.bytes, after, self.little).map(u64::from),
        }
    }

    /// The first of a tag's numbers, which are of 16 bits.
    fn number(&self, tag: u16) -> Option<u16> {
        let entries = (0..self.count).map(|i| self.first + i * self.entry_bytes());
        for at in entries {
            if u16_at(self.bytes, at, self.little)? != tag {
                continue;
            }
            let (count, value) = match self.big {
                true => (u64_at(self.bytes, at + 4, self.little)?, at + 12),
                false => (u32_at(self.bytes, at + 4, self.little)?.into(), at + 8),
            };
            let inside = count <= if self.big { 4 } else { 2 };
            let place = match (inside, self.big) {
                (true, _) => value,
                (false, true) => usize::try_from(u64_at(self.bytes, value, self.little)?).ok()?,
                (false, false) => u32_at(self.bytes, value, self.little)? as usize,
            };
            return u16_at(self.bytes, place, self.little);
        }
        None
    }
}

pub(super) fn examine(bytes: &[u8]) -> Option<Container> {
    let directory = Directory::open(bytes)?;
    if directory.next()? != 0 {
        return Some(Container::Animated);
    }
    let format = directory.number(SAMPLE_FORMAT).unwrap_or(1);
    let bits = directory.number(BITS_PER_SAMPLE).unwrap_or(1);
    let samples = directory.number(SAMPLES_PER_PIXEL).unwrap_or(1);
    let kind = match (directory.number(PHOTOMETRIC), format) {
        (Some(3), _) => "a TIFF with a palette",
        (Some(5), _) => return Some(Container::Cmyk),
        (Some(6), _) => "a TIFF of luma and chroma, YCbCr",
        (Some(8..=10), _) => "a TIFF in CIE Lab colours",
        (Some(32803 | 34892), _) => "a camera's raw pixels",
        (_, 2) => "a TIFF of signed samples",
        (_, 3) => "a TIFF whose samples are floating-point numbers",
        (_, 5 | 6) => "a TIFF of complex numbers",
        (Some(0 | 1), _) if samples > 2 => "a TIFF of several channels that are no colours",
        (Some(0 | 1), _) if matches!(bits, 1 | 8 | 16) => return Some(Container::Whole),
        (Some(2), _) if matches!(bits, 8 | 16) => return Some(Container::Whole),
        (Some(0..=2), _) => "a TIFF whose samples have neither 8 nor 16 bits",
        _ => return Some(Container::Whole),
    };
    Some(Container::Unsupported(kind))
}

/// Whether each pixel is a grey value with an alpha value.
pub(super) fn is_grey_with_alpha(bytes: &[u8]) -> bool {
    let two_samples = |directory: Directory<'_>| {
        matches!(directory.number(PHOTOMETRIC), Some(0 | 1))
            && directory.number(SAMPLES_PER_PIXEL) == Some(2)
    };
    Directory::open(bytes).is_some_and(two_samples)
}

/// A decoder for grey with alpha, which returns the grey values.
pub(super) struct GreyWithAlpha<'a> {
    decoder: Decoder<Cursor<&'a [u8]>>,
    size: (u32, u32),
    wide: bool,
    orientation: Orientation,
}

impl<'a> GreyWithAlpha<'a> {
    pub(super) fn open(bytes: &'a [u8], most_bytes: usize) -> ImageResult<Self> {
        let mut limits = Limits::default();
        limits.decoding_buffer_size = most_bytes;
        limits.intermediate_buffer_size = most_bytes;
        let decoder = Decoder::new(Cursor::new(bytes)).map_err(in_words)?;
        let mut decoder = decoder.with_limits(limits);
        let size = decoder.dimensions().map_err(in_words)?;
        let directory = Directory::open(bytes);
        let number = |tag| directory.as_ref().and_then(|d| d.number(tag));
        let orientation =
            number(ORIENTATION).and_then(|o| Orientation::from_exif(o.min(255) as u8));
        Ok(GreyWithAlpha {
            decoder,
            size,
            wide: number(BITS_PER_SAMPLE) == Some(16),
            orientation: orientation.unwrap_or(Orientation::NoTransforms),
        })
    }
}

impl ImageDecoder for GreyWithAlpha<'_> {
    fn dimensions(&self) -> (u32, u32) {
        self.size
    }

    fn color_type(&self) -> image::ColorType {
        match self.wide {
            true => image::ColorType::L16,
            false => image::ColorType::L8,
        }
    }

    fn orientation(&mut self) -> ImageResult<Orientation> {
        Ok(self.orientation)
    }

    fn read_image(mut self, greys: &mut [u8]) -> ImageResult<()> {
        let mut samples = DecodingResult::U8(Vec::new());
        let layout = self
            .decoder
            .read_image_to_buffer(&mut samples)
            .map_err(in_words)?;
        let step = if layout.planes > 1 { 1 } else { 2 };
        match (&samples, self.wide) {
            (DecodingResult::U8(samples), false) => {
                let first = samples.iter().step_by(step);
                greys.iter_mut().zip(first).for_each(|(grey, s)| *grey = *s);
            }
            (DecodingResult::U16(samples), true) => {
                let first = samples.iter().step_by(step);
                let pairs = greys.as_chunks_mut::<2>().0.iter_mut().zip(first);
                pairs.for_each(|(grey, s)| *grey = s.to_ne_bytes());
            }
            _ => return Err(in_words(TiffUnsupportedError::UnknownInterpretation.into())),
        }
        Ok(())
    }

    fn read_image_boxed(self: Box<Self>, greys: &mut [u8]) -> ImageResult<()> {
        (*self).read_image(greys)
    }
}

fn in_words(error: TiffError) -> ImageError {
    let format = ImageFormat::Tiff;
    match error {
        TiffError::IoError(error) => ImageError::IoError(error),
        TiffError::UnsupportedError(what) => {
            let kind = UnsupportedErrorKind::GenericFeature(what.to_string());
            ImageError::Unsupported(UnsupportedError::from_format_and_kind(format.into(), kind))
        }
        error => ImageError::Decoding(DecodingError::new(format.into(), error)),
    }
}
