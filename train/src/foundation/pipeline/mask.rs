//! Which pixels of a picture an object covers. A bit a pixel: an image has hundreds of candidates, and all of them are
//! compared with each other.

use serde::{Deserialize, Serialize};

/// A mask of a picture, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    width: usize,
    height: usize,
    words: Vec<u64>,
}

/// A mask as the lengths of its runs, row by row, beginning with those outside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runs {
    pub width: usize,
    pub height: usize,
    pub runs: Vec<u32>,
}

impl Mask {
    /// The pixels for which `covers` holds, by their index.
    pub fn new(width: usize, height: usize, mut covers: impl FnMut(usize) -> bool) -> Self {
        let mut mask = Self::empty(width, height);
        (0..width * height)
            .filter(|&pixel| covers(pixel))
            .for_each(|pixel| mask.set(pixel));
        mask
    }

    /// Those of a list of pixels.
    pub fn of_pixels((width, height): (usize, usize), pixels: &[u32]) -> Self {
        let mut mask = Self::empty(width, height);
        pixels.iter().for_each(|&pixel| mask.set(pixel as usize));
        mask
    }

    pub fn empty(width: usize, height: usize) -> Self {
        let words = vec![0; (width * height).div_ceil(64)];
        Self {
            width,
            height,
            words,
        }
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    pub fn covers(&self, pixel: usize) -> bool {
        self.words[pixel / 64] >> (pixel % 64) & 1 == 1
    }

    pub fn set(&mut self, pixel: usize) {
        self.words[pixel / 64] |= 1 << (pixel % 64);
    }

    fn clear(&mut self, pixel: usize) {
        self.words[pixel / 64] &= !(1 << (pixel % 64));
    }

    /// In pixels.
    pub fn area(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// Pixels that both cover; the masks are of one picture.
    pub fn shared(&self, other: &Mask) -> usize {
        let words = self.words.iter().zip(&other.words);
        words.map(|(a, b)| (a & b).count_ones() as usize).sum()
    }

    /// The paper's overlap: the shared pixels against those of the smaller mask; 0 where one is empty.
    pub fn overlap(&self, other: &Mask) -> f32 {
        let smaller = self.area().min(other.area());
        self.shared(other) as f32 / smaller.max(1) as f32
    }

    pub fn add(&mut self, other: &Mask) {
        let words = self.words.iter_mut().zip(&other.words);
        words.for_each(|(a, b)| *a |= b);
    }

    pub fn remove(&mut self, other: &Mask) {
        let words = self.words.iter_mut().zip(&other.words);
        words.for_each(|(a, b)| *a &= !b);
    }

    /// All pixels that this one doesn't cover.
    pub fn inverse(&self) -> Mask {
        Mask::new(self.width, self.height, |pixel| !self.covers(pixel))
    }

    /// Left, top, right and bottom pixel, all of them covered; none of an empty mask.
    pub fn bounds(&self) -> Option<[usize; 4]> {
        let mut bounds: Option<[usize; 4]> = None;
        for pixel in self.pixels() {
            let (x, y) = (pixel % self.width, pixel / self.width);
            bounds = Some(match bounds {
                None => [x, y, x, y],
                Some([l, t, r, b]) => [l.min(x), t.min(y), r.max(x), b.max(y)],
            });
        }
        bounds
    }

    /// The pixels that it covers, in order.
    pub fn pixels(&self) -> impl Iterator<Item = usize> {
        self.words.iter().enumerate().flat_map(|(index, &word)| {
            (0..64)
                .filter(move |bit| word >> bit & 1 == 1)
                .map(move |bit| 64 * index + bit)
        })
    }

    /// The pixels of each connected piece, in the order of the pieces' first pixels; with `diagonal` pixels touch at corners
    /// too. Lists and not masks: a mask can fall into thousands of pieces.
    pub fn pieces(&self, diagonal: bool) -> Vec<Vec<u32>> {
        let (width, height) = (self.width as isize, self.height as isize);
        let mut open = self.clone();
        let mut found = Vec::new();
        for seed in self.pixels() {
            if !open.covers(seed) {
                continue;
            }
            open.clear(seed);
            let mut piece = vec![seed as u32];
            let mut next = 0;
            while let Some(&pixel) = piece.get(next) {
                next += 1;
                let (x, y) = (pixel as isize % width, pixel as isize / width);
                for (dy, dx) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dy, dx))) {
                    let (nx, ny) = (x + dx, y + dy);
                    let touches = diagonal || dx == 0 || dy == 0;
                    if !touches || nx < 0 || ny < 0 || nx >= width || ny >= height {
                        continue;
                    }
                    let neighbour = (ny * width + nx) as usize;
                    if open.covers(neighbour) {
                        open.clear(neighbour);
                        piece.push(neighbour as u32);
                    }
                }
            }
            found.push(piece);
        }
        found
    }

    pub fn to_runs(&self) -> Runs {
        let mut runs = Vec::new();
        let (mut inside, mut length) = (false, 0);
        for pixel in 0..self.width * self.height {
            if self.covers(pixel) != inside {
                runs.push(length);
                (inside, length) = (!inside, 0);
            }
            length += 1;
        }
        runs.push(length);
        Runs {
            width: self.width,
            height: self.height,
            runs,
        }
    }

    /// None where the runs don't fill the picture.
    pub fn from_runs(runs: &Runs) -> Option<Self> {
        let pixels = runs.width.checked_mul(runs.height)?;
        let total: u64 = runs.runs.iter().map(|run| u64::from(*run)).sum();
        if total != pixels as u64 {
            return None;
        }
        let mut mask = Self::empty(runs.width, runs.height);
        let mut start = 0;
        for (index, &length) in runs.runs.iter().enumerate() {
            let end = start + length as usize;
            if index % 2 == 1 {
                (start..end).for_each(|pixel| mask.set(pixel));
            }
            start = end;
        }
        Some(mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(left: usize, top: usize, side: usize) -> Mask {
        Mask::new(50, 40, |pixel| {
            let (x, y) = (pixel % 50, pixel / 50);
            (left..left + side).contains(&x) && (top..top + side).contains(&y)
        })
    }

    #[test]
    fn overlap_counts_against_the_smaller_mask() {
        let (large, small) = (square(0, 0, 20), square(15, 15, 10));
        assert_eq!(large.shared(&small), 25);
        assert_eq!(large.overlap(&small), 0.25);
        assert_eq!(large.overlap(&Mask::empty(50, 40)), 0.0);
        assert_eq!(small.bounds(), Some([15, 15, 24, 24]));
    }

    #[test]
    fn runs_come_back_and_wrong_ones_are_none() {
        let mut mask = square(0, 0, 5);
        mask.add(&square(45, 35, 5));
        let runs = mask.to_runs();
        assert_eq!(Mask::from_runs(&runs), Some(mask));
        assert_eq!(Mask::from_runs(&Runs { width: 9, ..runs }), None);
    }

    #[test]
    fn squares_that_touch_at_a_corner_are_one_piece_only_with_diagonals() {
        let mut mask = square(0, 0, 5);
        mask.add(&square(5, 5, 5));
        assert_eq!(mask.pieces(false).len(), 2);
        assert_eq!(mask.pieces(true).len(), 1);
        assert_eq!(mask.inverse().area(), 50 * 40 - 50);
    }
}
