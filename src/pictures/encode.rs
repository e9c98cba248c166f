//! Encodes pictures as files.

use std::io;

use aecsad_inspect::frame::Frame;
use aecsad_inspect::heatmap;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageBuffer, ImageEncoder, Rgb, RgbImage, imageops};

use super::Picture;

/// The widest picture for a browser.
const WIDEST: u32 = 1_280;
const JPEG_QUALITY: u8 = 85;

/// Pixels of a picture, wherever they come from.
pub trait Pixels {
    fn size(&self) -> (u32, u32);
    /// `[height, width, 3]`, 8 bits per value.
    fn rgb(&self) -> &[u8];
}

impl Pixels for Frame {
    fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    fn rgb(&self) -> &[u8] {
        &self.rgb
    }
}

impl Pixels for RgbImage {
    fn size(&self) -> (u32, u32) {
        self.dimensions()
    }

    fn rgb(&self) -> &[u8] {
        self.as_raw()
    }
}

pub fn png(picture: &impl Pixels) -> io::Result<Vec<u8>> {
    let (width, height) = picture.size();
    let mut file = Vec::new();
    PngEncoder::new_with_quality(&mut file, CompressionType::Fast, FilterType::Adaptive)
        .write_image(picture.rgb(), width, height, ExtendedColorType::Rgb8)
        .map_err(io::Error::other)?;
    Ok(file)
}

/// A JPEG, made smaller where it is wider than a browser needs.
pub fn jpeg(picture: &impl Pixels) -> io::Result<Vec<u8>> {
    jpeg_within(picture, WIDEST)
}

/// A JPEG of at most this width.
pub fn jpeg_within(picture: &impl Pixels, widest: u32) -> io::Result<Vec<u8>> {
    let (width, height) = picture.size();
    let mut file = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY);
    let written = match width > widest {
        false => encoder.write_image(picture.rgb(), width, height, ExtendedColorType::Rgb8),
        true => {
            let view: Option<ImageBuffer<Rgb<u8>, &[u8]>> =
                ImageBuffer::from_raw(width, height, picture.rgb());
            let view = view.ok_or_else(|| io::Error::other("its pixels are not complete"))?;
            let shown = (u64::from(height) * u64::from(widest) / u64::from(width)).max(1) as u32;
            let small = imageops::thumbnail(&view, widest, shown);
            encoder.write_image(&small, widest, shown, ExtendedColorType::Rgb8)
        }
    };
    written.map_err(io::Error::other)?;
    Ok(file)
}

/// The picture with its heat map over it, if it has one.
pub(super) fn with_heat(picture: &Picture) -> io::Result<Option<RgbImage>> {
    let Frame { width, height, .. } = picture.frame;
    if picture.heat.is_empty() {
        return Ok(None);
    }
    let over = RgbImage::from_raw(width, height, picture.frame.rgb.clone());
    let mut over = over.ok_or_else(|| io::Error::other("its pixels are not complete"))?;
    let (map, columns) = (&picture.heat, picture.heat_columns);
    let heat = heatmap::over_frame(map, columns, picture.region, width, height);
    heatmap::overlay(&mut over, &heat);
    Ok(Some(over))
}
