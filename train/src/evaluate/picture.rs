//! Small pictures for the page: the part, and the part under its anomaly map, as data URIs.

use std::io::Cursor;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{ImageReader, Rgb, RgbImage};
use ndarray::Array2;

use super::Error;
use super::anomaly_map::at_size;

/// The longer side of a thumbnail in pixels.
const SIDE: u32 = 224;
const JPEG_QUALITY: u8 = 82;

/// Map values from invisible to full colour; one scale a page, so that pictures can be compared.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    pub low: f32,
    pub high: f32,
}

impl Scale {
    /// Where `value` lies, from 0 to 1.
    fn place(self, value: f32) -> f32 {
        let span = self.high - self.low;
        if span > 0.0 {
            ((value - self.low) / span).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }
}

/// The image at `path`, reduced to a thumbnail.
pub fn thumbnail(path: &Path) -> Result<RgbImage, Error> {
    let picture = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(|source| Error::Unreadable {
            path: path.into(),
            source,
        })?
        .decode()
        .map_err(|source| Error::Picture {
            path: path.into(),
            source,
        })?;
    let longer = picture.width().max(picture.height());
    if longer <= SIDE {
        return Ok(picture.into_rgb8());
    }
    Ok(picture.resize(SIDE, SIDE, FilterType::Triangle).into_rgb8())
}

/// The thumbnail in grey with the map over it, from nothing over yellow to red.
pub fn heatmap(thumbnail: &RgbImage, map: &Array2<f32>, scale: Scale) -> RgbImage {
    let size = (thumbnail.height() as usize, thumbnail.width() as usize);
    let map = at_size(map, size);
    let mut overlay = thumbnail.clone();
    for (pixel, value) in overlay.pixels_mut().zip(map.iter()) {
        let heat = scale.place(*value);
        let Rgb([red, green, blue]) = *pixel;
        let grey = 0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue);
        let colour = [255.0, 220.0 * (1.0 - heat), 0.0];
        let opacity = 0.85 * heat.sqrt();
        *pixel = Rgb(colour.map(|channel| (grey + opacity * (channel - grey)).round() as u8));
    }
    overlay
}

/// The picture as a JPEG in a `data:` URI; `path` is named should that fail.
pub fn data_uri(picture: &RgbImage, path: &Path) -> Result<String, Error> {
    let mut jpeg = Cursor::new(Vec::new());
    JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY)
        .encode_image(picture)
        .map_err(|source| Error::Encode {
            path: path.into(),
            source,
        })?;
    Ok(format!(
        "data:image/jpeg;base64,{}",
        BASE64_STANDARD.encode(jpeg.into_inner())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heat_shows_only_above_the_scale_s_foot() {
        let grey = RgbImage::from_pixel(2, 1, Rgb([90, 90, 90]));
        let map = ndarray::array![[1.0, 9.0]];
        let overlay = heatmap(
            &grey,
            &map,
            Scale {
                low: 2.0,
                high: 8.0,
            },
        );
        assert_eq!(overlay.get_pixel(0, 0), &Rgb([90, 90, 90]));
        let Rgb([red, green, blue]) = *overlay.get_pixel(1, 0);
        assert!(red > 200 && green < 20 && blue < 20, "{red} {green} {blue}");
    }

    #[test]
    fn a_constant_map_shows_nothing() {
        let grey = RgbImage::from_pixel(2, 1, Rgb([90, 90, 90]));
        assert_eq!(
            heatmap(
                &grey,
                &ndarray::array![[3.0, 3.0]],
                Scale {
                    low: 3.0,
                    high: 3.0
                }
            ),
            grey
        );
    }

    #[test]
    fn a_thumbnail_keeps_the_proportions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wide.png");
        RgbImage::new(448, 100).save(&path).unwrap();
        assert_eq!(thumbnail(&path).unwrap().dimensions(), (224, 50));
        let missing = thumbnail(&folder.path().join("none.png"))
            .unwrap_err()
            .to_string();
        assert!(
            missing.contains("none.png") && missing.contains("can't be read"),
            "{missing}"
        );
    }
}
