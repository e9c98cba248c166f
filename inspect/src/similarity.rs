//! Detects pictures of the same part: copies of one file, or a burst of a part that stands still or trembles.
//! Statistics count such pictures once, because their spread is only the sensor's noise.

mod shift;

use crate::frame::Frame;
use shift::Projections;

/// Side of a block in pixels. Averaging over a block removes the sensor's noise and keeps the part's structure.
const BLOCK: usize = 8;
/// The largest root mean square difference of two pictures that may be sensor noise, in grey levels.
const MOST_NOISE: f64 = 10.0;
/// The largest difference by blocks for the same part, in multiples of the difference that white noise leaves there.
/// Measured on rendered products and solar cells, aligned: the same part reaches 1.0 to 1.9, different parts 2.8 to 7.
const MOST_STRUCTURE: f64 = 2.0;
/// The difference by blocks that re-encoding as JPEG may leave: in grey levels, and as a share of the picture's
/// contrast.
const MOST_RESIDUE: f64 = 1.2;
const MOST_RESIDUE_SHARE: f64 = 0.04;
/// Two exposures of one part may differ by this factor in brightness.
const MOST_GAIN: f64 = 1.25;
/// The lowest contrast by block and by pixel, in grey levels without shading. Below it a picture is empty.
const LEAST_CONTRAST: f64 = 1.0;
const LEAST_TEXTURE: f64 = 4.0;

/// Block means of a picture, computed once for all comparisons.
#[derive(Clone, Debug)]
pub struct BlockMeans {
    /// Blocks in a row.
    columns: usize,
    /// The mean of each block in grey levels.
    ///
    /// *Shapes*: `[rows · columns, 3]`.
    blocks: Vec<[f64; 3]>,
    mean: [f64; 3],
    /// Standard deviation over the blocks.
    contrast: [f64; 3],
    projections: Projections,
}

impl BlockMeans {
    pub fn of(frame: &Frame) -> Self {
        let (width, height) = (frame.width as usize, frame.height as usize);
        let side = BLOCK.min(width.min(height)).max(1);
        let (columns, rows) = (width / side, height / side);
        let mut blocks = vec![[0.0; 3]; columns * rows];
        let kept = frame.rgb.chunks_exact(width.max(1) * 3).take(rows * side);
        for (y, row) in kept.enumerate() {
            for (x, pixel) in row.as_chunks().0.iter().take(columns * side).enumerate() {
                let block = &mut blocks[y / side * columns + x / side];
                let pixel: &[u8; 3] = pixel;
                for (sum, value) in block.iter_mut().zip(pixel) {
                    *sum += f64::from(*value) / (side * side) as f64;
                }
            }
        }
        let count = blocks.len().max(1) as f64;
        let mean = std::array::from_fn(|c| blocks.iter().map(|b| b[c]).sum::<f64>() / count);
        let contrast = std::array::from_fn(|c| {
            let squares = blocks.iter().map(|b: &[f64; 3]| (b[c] - mean[c]).powi(2));
            (squares.sum::<f64>() / count).sqrt()
        });
        BlockMeans {
            columns,
            blocks,
            mean,
            contrast,
            projections: Projections::of(frame),
        }
    }

    /// Whether `frame`, of which these are the block means, shows no structure: a cap on the lens, a blown-out
    /// exposure, one colour.
    pub fn shows_nothing(&self, frame: &Frame) -> bool {
        let shading = self.shading();
        let rows = self.blocks.len() / self.columns.max(1);
        let blocks = self
            .blocks
            .iter()
            .enumerate()
            .map(|(at, block)| shading.deviation(*block, place(at, self.columns, rows)));
        if root_mean_square(blocks) > LEAST_CONTRAST {
            return false;
        }
        let (width, height) = (frame.width as usize, frame.height as usize);
        let pixels = frame.rgb.as_chunks::<3>().0.iter().enumerate();
        let pixels = pixels
            .map(|(at, pixel)| shading.deviation(pixel.map(f64::from), place(at, width, height)));
        root_mean_square(pixels) <= LEAST_TEXTURE
    }

    /// Whether two pictures, with their block means, show the same part, be it a few pixels off.
    pub fn same_part(&self, own: &Frame, other: &BlockMeans, others: &Frame) -> bool {
        if (own.width, own.height) != (others.width, others.height) {
            return false;
        }
        if self.same_in_place(own, other, others) {
            return true;
        }
        let Some(shift) = self.projections.shift_of(&other.projections) else {
            return false;
        };
        let (own, others) = shift.overlap(own, others);
        BlockMeans::of(&own).same_in_place(&own, &BlockMeans::of(&others), &others)
    }

    fn same_in_place(&self, own: &Frame, other: &BlockMeans, others: &Frame) -> bool {
        let gain: [f64; 3] = std::array::from_fn(|c| match other.contrast[c] > 0.0 {
            true => (self.contrast[c] / other.contrast[c]).clamp(1.0 / MOST_GAIN, MOST_GAIN),
            false => 1.0,
        });
        let difference = |a: &[f64; 3], b: &[f64; 3]| -> [f64; 3] {
            std::array::from_fn(|c| a[c] - self.mean[c] - gain[c] * (b[c] - other.mean[c]))
        };
        let pairs = self.blocks.iter().zip(&other.blocks);
        let by_block = root_mean_square(pairs.map(|(a, b)| difference(a, b)));
        if by_block > MOST_STRUCTURE * MOST_NOISE / BLOCK as f64 {
            return false;
        }
        let pairs = own
            .rgb
            .as_chunks::<3>()
            .0
            .iter()
            .zip(others.rgb.as_chunks::<3>().0);
        let by_pixel =
            root_mean_square(pairs.map(|(a, b)| difference(&a.map(f64::from), &b.map(f64::from))));
        let contrast = self.contrast.iter().fold(0.0, |a: f64, b| a.max(*b));
        let noise = by_block <= MOST_STRUCTURE * by_pixel / BLOCK as f64;
        let residue = by_block <= MOST_RESIDUE.min(MOST_RESIDUE_SHARE * contrast);
        by_pixel <= MOST_NOISE && (noise || residue)
    }

    /// Fits a polynomial surface of second degree to the blocks of each channel: the mean, and one factor for each of
    /// [`curves`], which are nearly orthogonal on a grid.
    fn shading(&self) -> Shading {
        let rows = self.blocks.len() / self.columns.max(1);
        let mut factors = [[0.0; CURVES]; 3];
        let mut spread = [0.0; CURVES];
        for (at, block) in self.blocks.iter().enumerate() {
            let curves = curves(place(at, self.columns, rows));
            for (k, curve) in curves.into_iter().enumerate() {
                spread[k] += curve * curve;
                for c in 0..3 {
                    factors[c][k] += curve * (block[c] - self.mean[c]);
                }
            }
        }
        for channel in &mut factors {
            for (factor, spread) in channel.iter_mut().zip(spread) {
                *factor /= spread.max(f64::MIN_POSITIVE);
            }
        }
        Shading {
            mean: self.mean,
            factors,
        }
    }
}

/// Filters repeated pictures of one part.
///
/// Only the latest few pictures are compared, which is enough for a burst or a standing belt and bounds the memory.
pub struct Distinct {
    latest: std::collections::VecDeque<(BlockMeans, Frame)>,
}

impl Distinct {
    const KEPT: usize = 24;

    pub fn new() -> Self {
        Distinct {
            latest: std::collections::VecDeque::with_capacity(Self::KEPT),
        }
    }

    /// Whether `frame` shows another part than each of the latest pictures; if so it is stored.
    pub fn is_new(&mut self, blocks: BlockMeans, frame: &Frame) -> bool {
        if self
            .latest
            .iter()
            .any(|(seen, picture)| seen.same_part(picture, &blocks, frame))
        {
            return false;
        }
        if self.latest.len() == Self::KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back((blocks, frame.clone()));
        true
    }
}

impl Default for Distinct {
    fn default() -> Self {
        Self::new()
    }
}

const CURVES: usize = 5;

/// The shading of an evenly lit plain surface by a lens.
struct Shading {
    mean: [f64; 3],
    factors: [[f64; CURVES]; 3],
}

impl Shading {
    fn deviation(&self, value: [f64; 3], at: (f64, f64)) -> [f64; 3] {
        let curves = curves(at);
        std::array::from_fn(|c| {
            let shade = self.factors[c]
                .iter()
                .zip(curves)
                .map(|(f, curve)| f * curve);
            value[c] - self.mean[c] - shade.sum::<f64>()
        })
    }
}

/// The position of element `at` in rows of `columns`: x and y from −0.5 to 0.5, 0 in the middle.
fn place(at: usize, columns: usize, rows: usize) -> (f64, f64) {
    let centred = |i: usize, length: usize| (i as f64 + 0.5) / length.max(1) as f64 - 0.5;
    let columns = columns.max(1);
    (centred(at % columns, columns), centred(at / columns, rows))
}

/// The five terms of first and second degree, each with mean 0 over the picture.
fn curves((x, y): (f64, f64)) -> [f64; CURVES] {
    [x, y, x * x - 1.0 / 12.0, y * y - 1.0 / 12.0, x * y]
}

fn root_mean_square(differences: impl Iterator<Item = [f64; 3]>) -> f64 {
    let (mut sum, mut count) = (0.0, 0usize);
    for difference in differences {
        sum += difference.iter().map(|d| d * d).sum::<f64>();
        count += 3;
    }
    (sum / count.max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 128;

    /// A bright square on a shaded ground under noise of `sigma` grey levels.
    fn picture(left: usize, sigma: f32, seed: u64) -> Frame {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut noise = || (0..12).map(|_| random.f32()).sum::<f32>() - 6.0;
        let mut rgb = Vec::with_capacity(SIDE * SIDE * 3);
        for at in 0..SIDE * SIDE {
            let (x, y) = (at % SIDE, at / SIDE);
            let square = (left..left + 40).contains(&x) && (30..70).contains(&y);
            let level = if square { 170.0 } else { 60.0 + y as f32 * 0.3 };
            for _ in 0..3 {
                rgb.push((level + sigma * noise()).round().clamp(0.0, 255.0) as u8);
            }
        }
        Frame {
            width: SIDE as u32,
            height: SIDE as u32,
            rgb,
            captured: std::time::Instant::now(),
        }
    }

    fn same(a: &Frame, b: &Frame) -> bool {
        BlockMeans::of(a).same_part(a, &BlockMeans::of(b), b)
    }

    #[test]
    fn noise_and_brightness_make_no_other_part() {
        for sigma in [0.0, 1.0, 3.0, 6.0] {
            assert!(
                same(&picture(20, sigma, 1), &picture(20, sigma, 2)),
                "{sigma}"
            );
        }
        let mut darker = picture(20, 2.0, 3);
        darker
            .rgb
            .iter_mut()
            .for_each(|v| *v = (f32::from(*v) * 0.9) as u8);
        assert!(same(&picture(20, 2.0, 4), &darker));
    }

    #[test]
    fn a_picture_that_is_moved_a_little_shows_no_other_part() {
        let shifted = |(right, down): (usize, usize), sigma, seed| {
            let mut frame = picture(20, sigma, seed);
            let margin = (down * SIDE + right) * 3;
            frame.rgb.rotate_right(margin);
            frame
        };
        for sigma in [0.0, 1.0, 3.0, 6.0] {
            for by in [(3, 0), (0, 3), (1, 6), (6, 6), (0, SIDE - 3)] {
                let moved = shifted(by, sigma, 1);
                let same = same(&picture(20, sigma, 2), &moved);
                assert!(same, "{by:?} at {sigma}");
            }
            let moved = shifted((0, 12), sigma, 1);
            assert!(!same(&picture(20, sigma, 2), &moved), "{sigma}");
        }
    }

    #[test]
    fn a_detail_that_lies_two_pixels_off_makes_another_part() {
        // Beside a square that stays where it is.
        let detail = |left: usize, sigma, seed| {
            let mut frame = picture(20, sigma, seed);
            for y in 90..110 {
                let row = (y * SIDE + left) * 3;
                frame.rgb[row..row + 60].fill(20);
            }
            frame
        };
        for sigma in [0.0, 1.0, 3.0, 6.0] {
            let (own, other) = (detail(70, sigma, 1), detail(72, sigma, 2));
            assert!(!same(&own, &other), "{sigma}");
        }
    }

    #[test]
    fn a_burst_counts_once() {
        let mut distinct = Distinct::new();
        let mut new = |left, seed| {
            let frame = picture(left, 2.0, seed);
            distinct.is_new(BlockMeans::of(&frame), &frame)
        };
        let found: Vec<bool> = (0..9)
            .map(|i| new(20 + 10 * (i / 3) + i % 3, i as u64))
            .collect();
        assert_eq!(found, [true, false, false].repeat(3));
    }

    #[test]
    fn a_cap_and_an_evenly_lit_wall_show_nothing() {
        let plain = |level: f32, slope: f32, sigma: f32| {
            let mut frame = picture(0, sigma, 5);
            let noisy = picture(0, sigma, 6);
            for (at, value) in frame.rgb.iter_mut().enumerate() {
                let (x, y) = (at / 3 % SIDE, at / 3 / SIDE);
                let square = (0..40).contains(&x) && (30..70).contains(&y);
                let own = if square { 170.0 } else { 60.0 + y as f32 * 0.3 };
                let noise = f32::from(noisy.rgb[at]) - own;
                *value = (level + slope * x as f32 + noise).clamp(0.0, 255.0) as u8;
            }
            frame
        };
        for frame in [
            plain(0.0, 0.0, 1.0),
            plain(255.0, 0.0, 1.0),
            plain(90.0, 0.5, 2.0),
        ] {
            assert!(BlockMeans::of(&frame).shows_nothing(&frame));
        }
        let part = picture(20, 2.0, 7);
        assert!(!BlockMeans::of(&part).shows_nothing(&part));
    }
}
