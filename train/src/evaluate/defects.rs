//! Where the defects of a test image lie: the regions of its masks, each painted with the value that names its kind in
//! `defects_config.json`, as MVTec LOCO AD has them.

use std::path::PathBuf;

use aecsad_inspect::optics;

use super::EvaluateError;
use crate::dataset::{DefectConfig, Mask, read_mask};
use crate::metrics::DefectRegion;

/// The defects in these masks, whose image has `size` (height, width), as far as they are looked at. Without a configuration a
/// region counts by its whole area.
pub fn regions(
    masks: &[PathBuf],
    size: (usize, usize),
    known: Option<&[DefectConfig]>,
    seen: VisibleArea<'_>,
) -> Result<Vec<DefectRegion>, EvaluateError> {
    let mut regions = Vec::new();
    for path in masks {
        let mask = read_mask(path)?;
        let (mask_width, mask_height) = (mask.width as usize, mask.height as usize);
        if (mask_height, mask_width) != size {
            let (height, width) = size;
            return Err(EvaluateError::MaskSize {
                path: path.into(),
                mask_width,
                mask_height,
                width,
                height,
            });
        }
        let mut by_value: [Vec<u32>; 256] = std::array::from_fn(|_| Vec::new());
        for (pixel, value) in (0u32..).zip(seen.of(&mask)) {
            by_value[usize::from(value)].push(pixel);
        }
        let painted = (0u8..=255).zip(by_value).skip(1);
        for (value, pixels) in painted.filter(|(_, pixels)| !pixels.is_empty()) {
            let saturation_px = match known {
                None => pixels.len() as f64,
                Some(known) => {
                    let defect = known.iter().find(|defect| defect.pixel_value == value);
                    let defect = defect.ok_or_else(|| EvaluateError::Unlisted {
                        path: path.into(),
                        value,
                    })?;
                    saturation_px(defect, pixels.len())
                }
            };
            regions.push(DefectRegion {
                pixels,
                saturation_px,
            });
        }
    }
    Ok(regions)
}

/// What of an image is looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct VisibleArea<'a> {
    /// All of it if none.
    pub region: Option<optics::Region>,
    /// `[height, width]` of the region: pixels in which no defect counts.
    pub ignored: Option<&'a [bool]>,
}

impl<'a> VisibleArea<'a> {
    /// The mask's values in the region, row by row; 0 where nothing is looked at.
    fn of(self, mask: &'a Mask) -> impl Iterator<Item = u8> + 'a {
        let region = self.region.unwrap_or(optics::Region {
            left: 0,
            top: 0,
            width: mask.width,
            height: mask.height,
        });
        let (from, width) = (region.left as usize, region.width as usize);
        let rows = mask.values.chunks_exact((mask.width as usize).max(1));
        let rows = rows.skip(region.top as usize).take(region.height as usize);
        let values = rows.flat_map(move |row| row.iter().skip(from).take(width).copied());
        values.enumerate().map(move |(pixel, value)| {
            let ignored = self.ignored.and_then(|ignored| ignored.get(pixel));
            match ignored {
                Some(true) => 0,
                _ => value,
            }
        })
    }
}

fn saturation_px(defect: &DefectConfig, area: usize) -> f64 {
    let area = area as f64;
    let wanted = if defect.relative_saturation {
        (defect.saturation_threshold * area).round_ties_even()
    } else {
        defect.saturation_threshold
    };
    // Not `clamp`: it panics on a NaN bound, and what is left here must be usable as a divisor
    wanted.min(area).max(1.0)
}

#[cfg(test)]
mod tests {
    use image::GrayImage;

    use super::*;

    fn defect(name: &str, pixel_value: u8, threshold: f64, relative: bool) -> DefectConfig {
        DefectConfig {
            name: name.into(),
            pixel_value,
            saturation_threshold: threshold,
            relative_saturation: relative,
        }
    }

    fn config() -> Vec<DefectConfig> {
        vec![
            defect("missing_cap", 255, 3.0, false),
            defect("two_caps", 254, 0.4, true),
        ]
    }

    /// Masks of 4 by 2 pixels.
    fn read(
        masks: &[[u8; 8]],
        size: (usize, usize),
        known: Option<&[DefectConfig]>,
    ) -> Result<Vec<DefectRegion>, EvaluateError> {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..masks.len())
            .map(|i| folder.path().join(format!("{i:03}.png")))
            .collect();
        for (path, values) in paths.iter().zip(masks) {
            let mask = GrayImage::from_raw(4, 2, values.to_vec()).unwrap();
            mask.save(path).unwrap();
        }
        regions(&paths, size, known, VisibleArea::default())
    }

    #[test]
    fn only_what_is_looked_at_is_a_defect() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("000.png");
        let values = vec![255, 255, 0, 255, 254, 254, 254, 255];
        GrayImage::from_raw(4, 2, values)
            .unwrap()
            .save(&path)
            .unwrap();
        let seen = |ignored| VisibleArea {
            region: Some([1, 0, 2, 2].into()),
            ignored,
        };
        let of = |ignored| {
            let found = regions(std::slice::from_ref(&path), (2, 4), None, seen(ignored));
            let pixels = found.unwrap().into_iter().map(|region| region.pixels);
            pixels.collect::<Vec<_>>()
        };
        assert_eq!(of(None), [vec![2, 3], vec![0]]);
        assert_eq!(of(Some(&[true, false, true, false])), [vec![3]]);
    }

    #[test]
    fn saturation_is_absolute_or_a_share_of_the_area() {
        let masks = [
            [255, 255, 255, 255, 0, 0, 0, 255],
            [0, 254, 254, 254, 254, 254, 0, 0],
        ];
        let regions = read(&masks, (2, 4), Some(&config())).unwrap();
        assert_eq!(
            regions[0],
            DefectRegion {
                pixels: vec![0, 1, 2, 3, 7],
                saturation_px: 3.0
            }
        );
        assert_eq!(
            regions[1],
            DefectRegion {
                pixels: vec![1, 2, 3, 4, 5],
                saturation_px: 2.0
            }
        );
    }

    #[test]
    fn saturation_never_exceeds_the_area_nor_vanishes() {
        let masks = [[0, 255, 255, 0, 0, 0, 0, 0], [254, 0, 0, 0, 0, 0, 0, 0]];
        let regions = read(&masks, (2, 4), Some(&config())).unwrap();
        assert_eq!(regions[0].saturation_px, 2.0);
        assert_eq!(regions[1].saturation_px, 1.0);
    }

    #[test]
    fn without_a_config_the_whole_area_counts() {
        let regions = read(&[[9, 9, 9, 0, 0, 0, 0, 0]], (2, 4), None).unwrap();
        assert_eq!(
            regions,
            [DefectRegion {
                pixels: vec![0, 1, 2],
                saturation_px: 3.0
            }]
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let masks = [[0, 7, 0, 0, 0, 0, 0, 0]];
        let unlisted = read(&masks, (2, 4), Some(&config())).unwrap_err();
        let unlisted = unlisted.to_string();
        assert!(
            unlisted.contains("holds the value 7") && unlisted.contains("000.png"),
            "{unlisted}"
        );
        let size = read(&masks, (20, 40), None).unwrap_err().to_string();
        assert!(
            size.contains("the mask is 4x2 but its image 40x20"),
            "{size}"
        );
    }
}
