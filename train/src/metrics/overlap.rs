//! How well a map shows where the defect is: the per-region overlap, saturated as MVTec LOCO AD defines it (Bergmann
//! et al., IJCV 2022, section 4.2), averaged over regions and integrated over the pixel false-positive rate.

use ndarray::Array2;

use super::anomaly_map::at_size;

/// The false-positive rate up to which MVTec LOCO AD's authors recommend to integrate.
pub const SPRO_LIMIT: f64 = 0.05;
/// The customary limit of the unsaturated measure.
pub const PRO_LIMIT: f64 = 0.3;

/// One annotated defect.
#[derive(Clone, Debug, PartialEq)]
pub struct DefectRegion {
    /// Row-major indices at the image's size.
    pub pixels: Vec<u32>,
    /// How many covered pixels count as full overlap: more than 0, at most the region's area.
    pub saturation_px: f64,
}

/// One image's map and the defects annotated in it.
#[derive(Clone, Copy, Debug)]
pub struct Located<'a> {
    /// `[rows, columns]`: covers the whole image, at any resolution.
    pub map: &'a Array2<f32>,
    /// Height and width of the image, to which the regions' pixels refer.
    pub size: (usize, usize),
    /// Empty for a good image.
    pub regions: &'a [DefectRegion],
    /// `[height, width]` of the image, row by row: pixels that count neither as a defect nor as good.
    pub ignored: Option<&'a [bool]>,
}

/// Area under mean sPRO over the false-positive rate from 0 to `limit`, divided by `limit`: 1 is a map that covers
/// every defect's saturation area before it raises a single pixel outside. None without a region or without a pixel
/// outside all regions.
pub fn spro(images: &[Located], limit: f64) -> Option<f64> {
    let saturations: Vec<f64> = images
        .iter()
        .flat_map(|image| image.regions)
        .map(|region| region.saturation_px)
        .collect();
    integrate(images, &saturations, limit)
}

/// As [`spro`] where only a region's whole area counts as full overlap.
pub fn pro(images: &[Located], limit: f64) -> Option<f64> {
    let areas: Vec<f64> = images
        .iter()
        .flat_map(|image| image.regions)
        .map(|region| region.pixels.len() as f64)
        .collect();
    integrate(images, &areas, limit)
}

/// A pixel that may be raised at a false-positive rate within the limit.
struct Raised {
    order: u32,
    /// The region it belongs to, counted over all images; [`OUTSIDE`] if to none.
    region: u32,
}

const OUTSIDE: u32 = u32::MAX;

fn integrate(images: &[Located], saturations: &[f64], limit: f64) -> Option<f64> {
    if saturations.is_empty() {
        return None;
    }
    let (lowest, negatives) = lowest_useful(images, limit)?;
    let mut raised = collect(images, lowest);
    raised.sort_unstable_by_key(|pixel| std::cmp::Reverse(pixel.order));

    let mut hits = vec![0u32; saturations.len()];
    let (mut false_positives, mut overlap_sum) = (0u64, 0.0);
    let (mut rate, mut overlap) = (0.0, 0.0);
    let mut area = 0.0;
    for tied in raised.chunk_by(|a, b| a.order == b.order) {
        for pixel in tied {
            if pixel.region == OUTSIDE {
                false_positives += 1;
                continue;
            }
            let region = pixel.region as usize;
            let share = |count: u32| (f64::from(count) / saturations[region]).min(1.0);
            overlap_sum += share(hits[region] + 1) - share(hits[region]);
            hits[region] += 1;
        }
        let next_rate = false_positives as f64 / negatives as f64;
        let next_overlap = overlap_sum / saturations.len() as f64;
        if next_rate >= limit {
            let at_limit = overlap + (next_overlap - overlap) * (limit - rate) / (next_rate - rate);
            return Some((area + (limit - rate) * (overlap + at_limit) / 2.0) / limit);
        }
        area += (next_rate - rate) * (overlap + next_overlap) / 2.0;
        (rate, overlap) = (next_rate, next_overlap);
    }
    // Only a limit of 1 or more gets here: the curve ends before it
    Some((area + (limit - rate) * overlap) / limit)
}

/// The upper half of a pixel's order key: 65,536 bins, fine enough to leave out nearly all of the image.
fn bin(order: u32) -> usize {
    (order >> 16) as usize
}

/// The bin in which the false-positive rate passes `limit`, and the number of pixels outside all regions. No pixel below
/// it can matter, so that full-size test sets need not be held in memory.
fn lowest_useful(images: &[Located], limit: f64) -> Option<(usize, u64)> {
    let mut counts = vec![0u64; 1 << 16];
    for image in images {
        let map = at_size(image.map, image.size);
        for (value, outside) in map.iter().zip(outside(image)) {
            counts[bin(order_key(*value))] += u64::from(outside);
        }
    }
    let negatives: u64 = counts.iter().sum();
    let mut above = 0;
    let passed = counts.iter().rposition(|count| {
        above += count;
        above as f64 >= limit * negatives as f64
    });
    (negatives > 0).then(|| (passed.unwrap_or(0), negatives))
}

fn collect(images: &[Located], lowest: usize) -> Vec<Raised> {
    let mut raised = Vec::new();
    let mut number = 0u32;
    for image in images {
        let map = at_size(image.map, image.size);
        let mut keep = |value: f32, region| {
            let order = order_key(value);
            if bin(order) >= lowest {
                raised.push(Raised { order, region });
            }
        };
        for (value, outside) in map.iter().zip(outside(image)) {
            if outside {
                keep(*value, OUTSIDE);
            }
        }
        for region in image.regions {
            for &pixel in &region.pixels {
                let place = (pixel as usize / image.size.1, pixel as usize % image.size.1);
                if let Some(value) = map.get(place) {
                    keep(*value, number);
                }
            }
            number += 1;
        }
    }
    raised
}

/// For each pixel of the image, whether no region covers it and it counts.
fn outside(image: &Located) -> Vec<bool> {
    let mut outside = match image.ignored {
        Some(ignored) => ignored.iter().map(|ignored| !ignored).collect(),
        None => vec![true; image.size.0 * image.size.1],
    };
    for pixel in image.regions.iter().flat_map(|region| &region.pixels) {
        if let Some(here) = outside.get_mut(*pixel as usize) {
            *here = false;
        }
    }
    outside
}

/// An integer that orders as the float does; both zeros are one.
fn order_key(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    if bits >> 31 == 1 {
        !bits
    } else {
        bits | 1 << 31
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn region(pixels: &[u32], saturation_px: f64) -> DefectRegion {
        DefectRegion {
            pixels: pixels.to_vec(),
            saturation_px,
        }
    }

    #[test]
    fn order_keys_order_as_floats_do() {
        let rising = [
            f32::MIN,
            -1.5,
            -1.0,
            -f32::MIN_POSITIVE,
            0.0,
            f32::MIN_POSITIVE,
            1.0,
            1.5,
            f32::MAX,
        ];
        assert!(
            rising
                .windows(2)
                .all(|pair| order_key(pair[0]) < order_key(pair[1]))
        );
        assert_eq!(order_key(-0.0), order_key(0.0));
    }

    #[test]
    fn a_map_equal_to_the_mask_is_perfect_and_its_negative_worthless() {
        let map = array![[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]];
        let regions = [region(&[0, 1], 2.0)];
        let negative = map.mapv(|value: f32| -value);
        let located = |map| {
            [Located {
                map,
                size: (2, 4),
                regions: &regions,
                ignored: None,
            }]
        };
        // A tie of all six pixels outside brings the rate from 0 to 1 at full overlap
        assert_eq!(spro(&located(&map), 0.05), Some(1.0));
        assert_eq!(spro(&located(&negative), 0.05), Some(0.0));
    }

    #[test]
    fn saturation_forgives_what_is_not_covered() {
        // The first region pixel leads, the other three come last; ten pixels outside fall one by one
        let map = array![
            [9.0, -1.0, -1.0, -1.0, 8.0, 7.0, 6.0],
            [5.0, 4.0, 3.0, 2.0, 1.0, 0.5, 0.2]
        ];
        let whole = [region(&[0, 1, 2, 3], 4.0)];
        let one_suffices = [region(&[0, 1, 2, 3], 1.0)];
        let at = |regions, limit| {
            spro(
                &[Located {
                    map: &map,
                    size: (2, 7),
                    regions,
                    ignored: None,
                }],
                limit,
            )
            .unwrap()
        };
        assert!((at(&whole, 0.5) - 0.25).abs() < 1e-12);
        assert!((at(&one_suffices, 0.5) - 1.0).abs() < 1e-12);
        let unsaturated = pro(
            &[Located {
                map: &map,
                size: (2, 7),
                regions: &one_suffices,
                ignored: None,
            }],
            0.5,
        )
        .unwrap();
        assert!((unsaturated - 0.25).abs() < 1e-12);
    }

    #[test]
    fn the_curve_is_cut_at_the_limit_by_interpolation() {
        // Rate 0 → 0.25 and overlap 0 → 1 in one tie: at 0.05 a fifth of the way, mean height a tenth
        let map = array![[5.0, 5.0, 1.0, 1.0, 1.0]];
        let regions = [region(&[0], 1.0)];
        let value = spro(
            &[Located {
                map: &map,
                size: (1, 5),
                regions: &regions,
                ignored: None,
            }],
            0.05,
        )
        .unwrap();
        assert!((value - 0.1).abs() < 1e-12, "{value}");
    }

    #[test]
    fn what_is_ignored_is_no_false_positive() {
        let map = array![[9.0, 5.0, 1.0, 0.0]];
        let regions = [region(&[1], 1.0)];
        let of = |ignored: Option<&[bool]>| {
            let located = Located {
                map: &map,
                size: (1, 4),
                regions: &regions,
                ignored,
            };
            spro(&[located], 0.3).unwrap()
        };
        assert_eq!(of(None), 0.0);
        assert_eq!(of(Some(&[true, false, false, false])), 1.0);
    }

    #[test]
    fn without_a_region_or_without_an_outside_there_is_no_overlap() {
        let map = array![[1.0, 2.0]];
        assert_eq!(
            spro(
                &[Located {
                    map: &map,
                    size: (1, 2),
                    regions: &[],
                    ignored: None,
                }],
                0.05
            ),
            None
        );
        let all = [region(&[0, 1], 2.0)];
        assert_eq!(
            spro(
                &[Located {
                    map: &map,
                    size: (1, 2),
                    regions: &all,
                    ignored: None,
                }],
                0.05
            ),
            None
        );
    }

    /// The images of the cross-check: integer arithmetic alone, so that any language builds the same ones.
    fn drawn(seed: u64, floor: i64) -> Array2<f32> {
        let mut state = seed;
        Array2::from_shape_fn((48, 64), |(row, column)| {
            state = (state * 1_103_515_245 + 12_345) % (1 << 31);
            let noise = (state >> 20) as i64 % 400;
            let hill = 900 - 3 * ((row as i64 - 20).pow(2) + (column as i64 - 30).pow(2));
            (hill.max(floor) + noise) as f32 / 8.0
        })
    }

    #[test]
    fn agrees_with_a_threshold_by_threshold_reference() {
        // Expected values: every distinct score as a threshold in turn over whole arrays, numpy 2.4 in double precision
        let disc = |row: i64, column: i64, square: i64| -> Vec<u32> {
            (0..48 * 64)
                .filter(|p| (p / 64 - row).pow(2) + (p % 64 - column).pow(2) <= square)
                .map(|p| p as u32)
                .collect()
        };
        let first = [
            region(&disc(20, 30, 90), 60.0),
            region(&disc(38, 50, 40), 126.0),
        ];
        let second = [region(&disc(24, 34, 150), 200.0)];
        let maps = [drawn(1, -500), drawn(2, 300), drawn(3, 880)];
        let regions: [&[DefectRegion]; 3] = [&first, &second, &[]];
        let images: Vec<Located> = maps
            .iter()
            .zip(regions)
            .map(|(map, regions)| Located {
                map,
                size: (48, 64),
                regions,
                ignored: None,
            })
            .collect();
        for (limit, expected) in [
            (0.05, 0.028523178889824502),
            (0.3, 0.310282289739345),
            (1.0, 0.5908171255323307),
        ] {
            let value = spro(&images, limit).unwrap();
            assert!((value - expected).abs() < 1e-9, "{limit}: {value}");
        }
        let value = pro(&images, 0.3).unwrap();
        assert!((value - 0.10566262648752797).abs() < 1e-9, "{value}");
    }
}
