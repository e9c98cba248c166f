//! Where the defects of a category lie: `defects_config.json` and the masks under `ground_truth/`, as MVTec LOCO AD has
//! them. Each mask file holds one defect, painted with the grey value that names its kind.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use aecsad::text_file;
use image::ImageReader;
use serde::Deserialize;

use super::{Error, Kind};

/// No `defects_config.json` is larger.
const MAX_BYTES: u64 = 1 << 20;

/// One annotated defect.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// Row-major indices at the image's size.
    pub pixels: Vec<u32>,
    /// How many covered pixels count as full overlap: more than 0, at most the region's area.
    pub saturation_px: f64,
}

/// One line of `defects_config.json`.
#[derive(Clone, Debug, Deserialize)]
struct Defect {
    pixel_value: u8,
    saturation_threshold: f64,
    /// Whether the threshold is a share of the region's area rather than a number of pixels.
    relative_saturation: bool,
}

impl Defect {
    fn saturation_px(&self, area: usize) -> f64 {
        let area = area as f64;
        let wanted = if self.relative_saturation {
            (self.saturation_threshold * area).round_ties_even()
        } else {
            self.saturation_threshold
        };
        // Not `clamp`: it panics on a NaN bound, and what is left here must be usable as a divisor
        wanted.min(area).max(1.0)
    }
}

/// A category's annotations.
#[derive(Clone, Debug)]
pub struct Defects {
    ground_truth: PathBuf,
    /// None where the category has no `defects_config.json`: a region then counts by its whole area.
    known: Option<Vec<Defect>>,
}

impl Defects {
    /// Reads `defects_config.json` of `category`, which may lack it.
    pub fn open(category: &Path) -> Result<Self, Error> {
        let path = category.join("defects_config.json");
        let refused = |why: String| Error::Config {
            path: path.clone(),
            why,
        };
        let known = match text_file::read(&path, MAX_BYTES) {
            Ok(text) => Some(serde_json::from_str(&text).map_err(|e| refused(e.to_string()))?),
            Err(missing) if missing.is_missing() => None,
            Err(error) => return Err(refused(error.to_string())),
        };
        Ok(Self {
            ground_truth: category.join("ground_truth"),
            known,
        })
    }

    /// The defects of one test image, whose size is (height, width): every mask in
    /// `ground_truth/<kind>/<image's name>/`. None for a good image or where the folder is missing.
    pub fn regions(
        &self,
        kind: Kind,
        image: &Path,
        size: (usize, usize),
    ) -> Result<Vec<Region>, Error> {
        let mut regions = Vec::new();
        if kind == Kind::Good {
            return Ok(regions);
        }
        let Some(name) = image.file_stem() else {
            return Ok(regions);
        };
        let folder = self.ground_truth.join(kind.folder()).join(name);
        let unreadable = |source| Error::Unreadable {
            path: folder.clone(),
            source,
        };
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(missing) if missing.kind() == ErrorKind::NotFound => return Ok(regions),
            Err(source) => return Err(unreadable(source)),
        };
        let mut masks = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<Vec<_>>>()
            .map_err(unreadable)?;
        masks.retain(|path| {
            path.extension()
                .is_some_and(|extension| extension.eq_ignore_ascii_case("png"))
        });
        masks.sort();
        for mask in masks {
            self.read_mask(&mask, size, &mut regions)?;
        }
        Ok(regions)
    }

    fn read_mask(
        &self,
        path: &Path,
        size: (usize, usize),
        regions: &mut Vec<Region>,
    ) -> Result<(), Error> {
        let mask = ImageReader::open(path)
            .map_err(|source| Error::Unreadable {
                path: path.into(),
                source,
            })?
            .decode()
            .map_err(|source| Error::Picture {
                path: path.into(),
                source,
            })?
            .into_luma8();
        let (mask_width, mask_height) = (mask.width() as usize, mask.height() as usize);
        if (mask_height, mask_width) != size {
            let (height, width) = size;
            return Err(Error::MaskSize {
                path: path.into(),
                mask_width,
                mask_height,
                width,
                height,
            });
        }
        let mut by_value: [Vec<u32>; 256] = std::array::from_fn(|_| Vec::new());
        for (pixel, value) in (0u32..).zip(mask.as_raw()) {
            by_value[usize::from(*value)].push(pixel);
        }
        for (value, pixels) in (0u8..=255)
            .zip(by_value)
            .skip(1)
            .filter(|(_, pixels)| !pixels.is_empty())
        {
            let saturation_px = match &self.known {
                None => pixels.len() as f64,
                Some(known) => known
                    .iter()
                    .find(|defect| defect.pixel_value == value)
                    .ok_or_else(|| Error::Unlisted {
                        path: path.into(),
                        value,
                    })?
                    .saturation_px(pixels.len()),
            };
            regions.push(Region {
                pixels,
                saturation_px,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use image::GrayImage;

    use super::*;

    const CONFIG: &str = r#"[
        {"defect_name": "missing_cap", "pixel_value": 255, "saturation_threshold": 3, "relative_saturation": false},
        {"defect_name": "two_caps", "pixel_value": 254, "saturation_threshold": 0.4, "relative_saturation": true}
    ]"#;

    /// A category with one annotated image `007.png` of 4 by 2 pixels.
    fn category(config: Option<&str>, masks: &[(&str, [u8; 8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        if let Some(text) = config {
            fs::write(folder.path().join("defects_config.json"), text).unwrap();
        }
        let truth = folder.path().join("ground_truth/logical_anomalies/007");
        fs::create_dir_all(&truth).unwrap();
        for (name, values) in masks {
            GrayImage::from_raw(4, 2, values.to_vec())
                .unwrap()
                .save(truth.join(name))
                .unwrap();
        }
        folder
    }

    fn read(category: &tempfile::TempDir, size: (usize, usize)) -> Result<Vec<Region>, Error> {
        Defects::open(category.path())?.regions(
            Kind::Logical,
            Path::new("test/logical_anomalies/007.png"),
            size,
        )
    }

    #[test]
    fn saturation_is_absolute_or_a_share_of_the_area() {
        let masks = [
            ("000.png", [255, 255, 255, 255, 0, 0, 0, 255]),
            ("001.png", [0, 254, 254, 254, 254, 254, 0, 0]),
        ];
        let regions = read(&category(Some(CONFIG), &masks), (2, 4)).unwrap();
        assert_eq!(
            regions[0],
            Region {
                pixels: vec![0, 1, 2, 3, 7],
                saturation_px: 3.0
            }
        );
        assert_eq!(
            regions[1],
            Region {
                pixels: vec![1, 2, 3, 4, 5],
                saturation_px: 2.0
            }
        );
    }

    #[test]
    fn saturation_never_exceeds_the_area_nor_vanishes() {
        let masks = [
            ("000.png", [0, 255, 255, 0, 0, 0, 0, 0]),
            ("001.png", [254, 0, 0, 0, 0, 0, 0, 0]),
        ];
        let regions = read(&category(Some(CONFIG), &masks), (2, 4)).unwrap();
        assert_eq!(regions[0].saturation_px, 2.0);
        assert_eq!(regions[1].saturation_px, 1.0);
    }

    #[test]
    fn without_a_config_the_whole_area_counts() {
        let regions = read(
            &category(None, &[("000.png", [9, 9, 9, 0, 0, 0, 0, 0])]),
            (2, 4),
        )
        .unwrap();
        assert_eq!(
            regions,
            [Region {
                pixels: vec![0, 1, 2],
                saturation_px: 3.0
            }]
        );
    }

    #[test]
    fn an_image_without_masks_has_no_regions() {
        let folder = category(Some(CONFIG), &[]);
        let defects = Defects::open(folder.path()).unwrap();
        assert_eq!(
            defects
                .regions(Kind::Structural, Path::new("007.png"), (2, 4))
                .unwrap(),
            []
        );
        assert_eq!(
            defects
                .regions(Kind::Good, Path::new("007.png"), (2, 4))
                .unwrap(),
            []
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let masks = [("000.png", [0, 7, 0, 0, 0, 0, 0, 0])];
        let folder = category(Some(CONFIG), &masks);
        let unlisted = read(&folder, (2, 4)).unwrap_err().to_string();
        assert!(
            unlisted.contains("holds the value 7") && unlisted.contains("000.png"),
            "{unlisted}"
        );
        let size = read(&folder, (20, 40)).unwrap_err().to_string();
        assert!(
            size.contains("the mask is 4x2 but its image 40x20"),
            "{size}"
        );
        let config = read(&category(Some("{"), &masks), (2, 4))
            .unwrap_err()
            .to_string();
        assert!(config.contains("not a valid list of defects"), "{config}");
    }
}
