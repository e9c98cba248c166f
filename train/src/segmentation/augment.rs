//! Changed copies of labelled images. The logical synthetic anomalies of CSAD (LSA): a component is cut out, turned
//! and pasted elsewhere, image and label alike, so that the decoder learns what a component looks like and not where
//! it lies. And, for products that may lie any way round, flips and quarter turns.

use aecsad_inspect::frame::Frame;
use ndarray::Array2;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::{IGNORE, pieces};

/// Cells that a piece must have to be worth moving.
const LEAST_CELLS: usize = 4;
/// Places that are tried for a piece before it stays where it is.
const ATTEMPTS: usize = 20;

/// Which changes a product allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Symmetry {
    /// It always lies the same way round
    #[default]
    None,
    /// Its mirror images are good parts too
    Flips,
    /// So are its quarter turns
    Turns,
}

/// What is done to a labelled image each time it is looked at.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Augmentation {
    /// Pieces moved in each image: one number up to this is drawn. 0 moves none.
    pub moved: usize,
    /// A piece is moved at least so far, in sides of the image. CSAD's text says 0.2, its code 0.1.
    pub distance: f32,
    /// And its centre stays so far from the border.
    pub border: f32,
    pub symmetry: Symmetry,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            moved: 2,
            distance: 0.1,
            border: 0.1,
            symmetry: Symmetry::None,
        }
    }
}

impl Augmentation {
    /// A changed copy. `mask` is square and covers the whole, equally square frame.
    ///
    /// *Shapes*: `mask` and the returned mask are `[cells, cells]`.
    pub fn apply(
        &self,
        frame: &Frame,
        mask: &Array2<u8>,
        noise: &mut impl Rng,
    ) -> (Frame, Array2<u8>) {
        let mut changed = (frame.clone(), mask.clone());
        if self.moved > 0 {
            for _ in 0..noise.random_range(1..=self.moved) {
                self.move_a_piece(&mut changed, noise);
            }
        }
        self.symmetry.apply(changed, noise)
    }

    fn move_a_piece(&self, (frame, mask): &mut (Frame, Array2<u8>), noise: &mut impl Rng) {
        let side = mask.ncols();
        let mut found: Vec<(u8, Vec<usize>)> = Vec::new();
        pieces::for_each(
            mask,
            &mut pieces::PieceScratch::default(),
            |class, cells| {
                if class != IGNORE && cells.len() >= LEAST_CELLS {
                    found.push((class, cells.to_vec()));
                }
            },
        );
        if found.is_empty() {
            return;
        }
        let (class, cells) = found.swap_remove(noise.random_range(0..found.len()));
        let Some(to) = self.elsewhere(centre(&cells, side), noise) else {
            return;
        };
        let turn = Rotation::new(centre(&cells, side), to, noise.random_range(0.0..360.0));
        let mut of_piece = Array2::from_elem(mask.dim(), false);
        cells
            .iter()
            .for_each(|&cell| of_piece[[cell / side, cell % side]] = true);
        let inside = |(x, y): (f32, f32)| {
            let cell = |v: f32| (v * side as f32).floor();
            let (column, row) = (cell(x), cell(y));
            let there = (0.0..side as f32).contains(&row) && (0.0..side as f32).contains(&column);
            there && of_piece[[row as usize, column as usize]]
        };

        let original = frame.clone();
        let width = frame.width as usize;
        for (index, pixel) in frame.rgb.chunks_exact_mut(3).enumerate() {
            let from = turn.source(middle(index, width));
            if inside(from) {
                pixel.copy_from_slice(&sample(&original, from));
            }
        }
        for (index, cell) in mask.iter_mut().enumerate() {
            if inside(turn.source(middle(index, side))) {
                *cell = class;
            }
        }
    }

    /// A place for a piece that lies at `from`.
    fn elsewhere(&self, from: (f32, f32), noise: &mut impl Rng) -> Option<(f32, f32)> {
        (0..ATTEMPTS)
            .map(|_| {
                let mut place = || noise.random_range(self.border..1.0 - self.border);
                (place(), place())
            })
            .find(|to| (to.0 - from.0).hypot(to.1 - from.1) >= self.distance)
    }
}

impl Symmetry {
    fn apply(
        self,
        (frame, mask): (Frame, Array2<u8>),
        noise: &mut impl Rng,
    ) -> (Frame, Array2<u8>) {
        let (mirrored, upside_down, swapped) = match self {
            Symmetry::None => return (frame, mask),
            Symmetry::Flips => (noise.random(), noise.random(), false),
            Symmetry::Turns => (noise.random(), noise.random(), noise.random()),
        };
        let source = |row: usize, column: usize, side: usize| {
            let (row, column) = if swapped {
                (column, row)
            } else {
                (row, column)
            };
            let turned = |v: usize, back: bool| if back { side - 1 - v } else { v };
            (turned(row, upside_down), turned(column, mirrored))
        };
        let side = frame.width as usize;
        let mut rgb = Vec::with_capacity(frame.rgb.len());
        for index in 0..side * side {
            let (row, column) = source(index / side, index % side, side);
            let at = 3 * (row * side + column);
            rgb.extend_from_slice(&frame.rgb[at..at + 3]);
        }
        let cells = mask.ncols();
        let mask =
            Array2::from_shape_fn(mask.dim(), |(row, column)| mask[source(row, column, cells)]);
        (Frame { rgb, ..frame }, mask)
    }
}

/// Where a piece was and where it is now; all places in sides of the image, x to the right and y down.
struct Rotation {
    from: (f32, f32),
    to: (f32, f32),
    cos: f32,
    sin: f32,
}

impl Rotation {
    fn new(from: (f32, f32), to: (f32, f32), degrees: f32) -> Self {
        let (sin, cos) = degrees.to_radians().sin_cos();
        Self { from, to, cos, sin }
    }

    /// Where what is now at a place was before.
    fn source(&self, (x, y): (f32, f32)) -> (f32, f32) {
        let (dx, dy) = (x - self.to.0, y - self.to.1);
        (
            self.from.0 + self.cos * dx + self.sin * dy,
            self.from.1 - self.sin * dx + self.cos * dy,
        )
    }
}

fn middle(index: usize, side: usize) -> (f32, f32) {
    let of = |i: usize| (i as f32 + 0.5) / side as f32;
    (of(index % side), of(index / side))
}

fn centre(cells: &[usize], side: usize) -> (f32, f32) {
    let count = cells.len() as f32;
    cells.iter().fold((0.0, 0.0), |sum, &cell| {
        let (x, y) = middle(cell, side);
        (sum.0 + x / count, sum.1 + y / count)
    })
}

/// The colour at a place, bilinear.
fn sample(frame: &Frame, (x, y): (f32, f32)) -> [u8; 3] {
    let (width, height) = (frame.width as usize, frame.height as usize);
    let along = |v: f32, cells: usize| {
        let place = (v * cells as f32 - 0.5).clamp(0.0, (cells - 1) as f32);
        let below = place.floor() as usize;
        (below, (below + 1).min(cells - 1), place - below as f32)
    };
    let (left, right, over) = along(x, width);
    let (top, bottom, down) = along(y, height);
    std::array::from_fn(|channel| {
        let at = |row: usize, column: usize| frame.rgb[3 * (row * width + column) + channel] as f32;
        let upper = at(top, left) * (1.0 - over) + at(top, right) * over;
        let lower = at(bottom, left) * (1.0 - over) + at(bottom, right) * over;
        (upper * (1.0 - down) + lower * down).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::engine::noise_source;

    /// A red square of class 1 on grey, 64 pixels and 16 cells wide, in an image of 256 pixels.
    fn part() -> (Frame, Array2<u8>) {
        let inside = |y: usize, x: usize| (64..128).contains(&y) && (32..96).contains(&x);
        let rgb = (0..256 * 256)
            .flat_map(|i| match inside(i / 256, i % 256) {
                true => [200, 0, 0],
                false => [90, 90, 90],
            })
            .collect();
        let frame = Frame {
            width: 256,
            height: 256,
            rgb,
            captured: Instant::now(),
        };
        let mask = Array2::from_shape_fn((64, 64), |(y, x)| inside(4 * y + 2, 4 * x + 2) as u8);
        (frame, mask)
    }

    fn red(frame: &Frame) -> usize {
        frame.rgb.chunks_exact(3).filter(|p| p[0] > 150).count()
    }

    #[test]
    fn a_piece_is_pasted_elsewhere_in_image_and_label_alike() {
        let (frame, mask) = part();
        let augmentation = Augmentation {
            moved: 1,
            distance: 0.4,
            ..Augmentation::default()
        };
        for step in 0..10 {
            let mut noise = noise_source(1, step, 0);
            let (changed, label) = augmentation.apply(&frame, &mask, &mut noise);
            let cells = label.iter().filter(|&&class| class == 1).count();
            assert!(
                (330..=560).contains(&cells),
                "{cells} of 256 cells and a copy"
            );
            let agrees = label
                .indexed_iter()
                .filter(|((y, x), class)| {
                    let pixel = 3 * ((4 * y + 2) * 256 + 4 * x + 2);
                    (changed.rgb[pixel] > 150) == (**class == 1)
                })
                .count();
            assert!(
                agrees > 4096 - 30,
                "label and image agree in {agrees} cells"
            );
        }
    }

    #[test]
    fn without_a_piece_nothing_moves() {
        let (frame, mut mask) = part();
        mask.mapv_inplace(|class| if class == 1 { IGNORE } else { 0 });
        let mut noise = noise_source(2, 0, 0);
        let (changed, label) = Augmentation::default().apply(&frame, &mask, &mut noise);
        assert!(changed.rgb == frame.rgb && label == mask);
    }

    #[test]
    fn turns_keep_every_pixel_and_its_label() {
        let (frame, mask) = part();
        let augmentation = Augmentation {
            moved: 0,
            symmetry: Symmetry::Turns,
            ..Augmentation::default()
        };
        let mut places = std::collections::BTreeSet::new();
        for step in 0..40 {
            let mut noise = noise_source(3, step, 0);
            let (turned, label) = augmentation.apply(&frame, &mask, &mut noise);
            assert_eq!(red(&turned), red(&frame));
            let first = label.iter().position(|&class| class == 1).unwrap();
            let pixel = 3 * ((4 * (first / 64) + 2) * 256 + 4 * (first % 64) + 2);
            assert_eq!(turned.rgb[pixel], 200);
            places.insert(first);
        }
        assert_eq!(places.len(), 8, "four flips, each also swapped");
    }
}
