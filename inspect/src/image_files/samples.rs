//! The values of decoded images as 8-bit RGB. Images of 16 bits are converted by the bit depth stated for all of them,
//! never by the values of one image.

use std::path::Path;

use image::DynamicImage;

use super::ImageError;

/// Bit depths that images of 16 bits may have.
pub const BIT_DEPTHS: std::ops::RangeInclusive<u8> = 8..=16;
/// Without a stated bit depth, an image with a value from here on has 16 bits: cameras have 10, 12, 14 or 16 bits.
pub const FULL_RANGE_FROM: u16 = 1 << 14;

/// The bit depth of a camera whose brightest value is this one.
pub fn narrowest_depth(brightest: u16) -> u8 {
    let fits = |depth: &&u8| u32::from(brightest) < 1 << **depth;
    [8, 10, 12, 14].iter().find(fits).copied().unwrap_or(16)
}

/// The depth of an image of 16 bits with this brightest value.
pub(super) fn checked_depth(
    stated: Option<u8>,
    brightest: u16,
    path: &Path,
) -> Result<u8, ImageError> {
    let path = || path.to_path_buf();
    match stated {
        None if brightest < FULL_RANGE_FROM => Err(ImageError::BitDepthUnknown {
            path: path(),
            brightest,
        }),
        None => Ok(16),
        Some(bit_depth) if u32::from(brightest) >> bit_depth > 0 => {
            Err(ImageError::BeyondBitDepth {
                path: path(),
                brightest,
                bit_depth,
            })
        }
        Some(bit_depth) => Ok(bit_depth),
    }
}

/// The highest colour value of an image of 16 bits.
pub(super) fn brightest(image: &DynamicImage) -> Option<u16> {
    fn most<const N: usize>(pixels: &[[u16; N]], colours: usize) -> Option<u16> {
        pixels
            .iter()
            .flat_map(|pixel| &pixel[..colours])
            .max()
            .copied()
    }
    match image {
        DynamicImage::ImageRgb16(image) => most(image.as_raw().as_chunks::<3>().0, 3),
        DynamicImage::ImageRgba16(image) => most(image.as_raw().as_chunks::<4>().0, 3),
        DynamicImage::ImageLuma16(image) => most(image.as_raw().as_chunks::<1>().0, 1),
        DynamicImage::ImageLumaA16(image) => most(image.as_raw().as_chunks::<2>().0, 1),
        _ => None,
    }
}

/// Converts to interleaved 8-bit RGB. Grey is replicated. Alpha is dropped and not blended, because a camera gives no
/// transparency.
pub(super) fn to_rgb(image: DynamicImage, bit_depth: u8) -> Option<Vec<u8>> {
    let narrow = |value| to_8_bit(value, bit_depth);
    Some(match image {
        DynamicImage::ImageRgb8(image) => image.into_raw(),
        DynamicImage::ImageRgba8(image) => colour(image.as_raw().as_chunks::<4>().0, |v| v),
        DynamicImage::ImageLuma8(image) => grey(image.as_raw().as_chunks::<1>().0, |v| v),
        DynamicImage::ImageLumaA8(image) => grey(image.as_raw().as_chunks::<2>().0, |v| v),
        DynamicImage::ImageRgb16(image) => colour(image.as_raw().as_chunks::<3>().0, narrow),
        DynamicImage::ImageRgba16(image) => colour(image.as_raw().as_chunks::<4>().0, narrow),
        DynamicImage::ImageLuma16(image) => grey(image.as_raw().as_chunks::<1>().0, narrow),
        DynamicImage::ImageLumaA16(image) => grey(image.as_raw().as_chunks::<2>().0, narrow),
        _ => return None,
    })
}

fn colour<T: Copy, const N: usize>(pixels: &[[T; N]], narrow: impl Fn(T) -> u8) -> Vec<u8> {
    let channels = pixels.iter().flat_map(|pixel| &pixel[..3]);
    channels.map(|&v| narrow(v)).collect()
}

fn grey<T: Copy, const N: usize>(pixels: &[[T; N]], narrow: impl Fn(T) -> u8) -> Vec<u8> {
    pixels.iter().flat_map(|p| [narrow(p[0]); 3]).collect()
}

/// Rounds 16 bits to the nearest 8-bit value: 65535 = 257 · 255. Lower depths are shifted, as camera buffers are.
fn to_8_bit(value: u16, bit_depth: u8) -> u8 {
    match bit_depth {
        16.. => ((u32::from(value) + 128) / 257) as u8,
        _ => (value >> (bit_depth - 8)).min(255) as u8,
    }
}
