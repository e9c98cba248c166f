//! Small pictures for the page: the part, and the part under its anomaly map, as data URIs.

use std::io::Cursor;
use std::path::Path;

use aecsad_inspect::optics::Region;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{ImageReader, RgbImage};
use ndarray::Array2;

use super::EvaluateError;
use crate::metrics::at_size;

/// The longer side of a thumbnail in pixels.
const SIDE: u32 = 224;
const JPEG_QUALITY: u8 = 82;

/// The image at `path`, or its `region`, reduced to a thumbnail.
pub fn thumbnail(path: &Path, region: Option<Region>) -> Result<RgbImage, EvaluateError> {
    let picture = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(|source| EvaluateError::Unreadable {
            path: path.into(),
            source,
        })?
        .decode()
        .map_err(|source| EvaluateError::Picture {
            path: path.into(),
            source,
        })?;
    let picture = match region {
        Some(region) => picture.crop_imm(region.left, region.top, region.width, region.height),
        None => picture,
    };
    let longer = picture.width().max(picture.height());
    if longer <= SIDE {
        return Ok(picture.into_rgb8());
    }
    Ok(picture.resize(SIDE, SIDE, FilterType::Triangle).into_rgb8())
}

/// The thumbnail in grey with the map over it, as the runtime shows it.
///
/// *Shapes*: `map` is `[rows, columns]` and covers the whole picture.
pub fn heatmap(thumbnail: &RgbImage, map: &Array2<f32>) -> RgbImage {
    let size = (thumbnail.height() as usize, thumbnail.width() as usize);
    let heat: Vec<f32> = at_size(map, size).iter().copied().collect();
    let mut shown = thumbnail.clone();
    aecsad_inspect::heatmap::overlay(&mut shown, &heat);
    shown
}

/// The picture as a JPEG in a `data:` URI; `path` is named should that fail.
pub fn data_uri(picture: &RgbImage, path: &Path) -> Result<String, EvaluateError> {
    let mut jpeg = Cursor::new(Vec::new());
    JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY)
        .encode_image(picture)
        .map_err(|source| EvaluateError::Encode {
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
    use image::Rgb;

    use super::*;

    #[test]
    fn a_map_of_another_size_lies_over_the_right_side() {
        let grey = RgbImage::from_pixel(64, 32, Rgb([90, 90, 90]));
        let shown = heatmap(&grey, &ndarray::array![[0.0, 9.0]]);
        assert_eq!(shown.get_pixel(2, 16), &Rgb([90, 90, 90]));
        let Rgb([red, _, blue]) = *shown.get_pixel(61, 16);
        assert!(red > blue.saturating_add(80), "{red} {blue}");
    }

    #[test]
    fn a_thumbnail_keeps_the_proportions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wide.png");
        RgbImage::new(448, 100).save(&path).unwrap();
        assert_eq!(thumbnail(&path, None).unwrap().dimensions(), (224, 50));
        let region = Some([400, 60, 40, 30].into());
        assert_eq!(thumbnail(&path, region).unwrap().dimensions(), (40, 30));
        let missing = thumbnail(&folder.path().join("none.png"), None)
            .unwrap_err()
            .to_string();
        assert!(
            missing.contains("none.png") && missing.contains("can't be read"),
            "{missing}"
        );
    }
}
