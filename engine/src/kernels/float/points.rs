//! How far vectors are from each of many points. The points lie in panels of [`Points::PANEL`], coordinate by coordinate, and
//! stay packed so; a matrix product would pack them, and gathered vectors, for every part anew.

use std::ops::Range;

use crate::kernels::common::lanes::{Kernel, LANES, Lanes, run_wide};

/// Points of one space, in panels.
#[derive(Clone, Debug)]
pub struct Points {
    rank: usize,
    /// `[panels, rank, PANEL]`: −2 times each coordinate; 0 beyond the last point of a panel.
    panels: Vec<f32>,
    /// `[panels, PANEL]`: `|point|²`; infinite beyond the last point of a panel.
    squared: Vec<f32>,
}

impl Points {
    /// Points of a panel.
    pub const PANEL: usize = 2 * LANES;
    /// Vectors that are compared at once: each value of a panel is loaded once for all of them.
    pub const AT_ONCE: usize = 8;

    /// Points of so many coordinates.
    pub fn new(rank: usize) -> Self {
        Points {
            rank,
            panels: Vec::new(),
            squared: Vec::new(),
        }
    }

    /// Adds points, in panels of their own, and returns these panels' indices.
    ///
    /// *Shapes*: `points` is `[points, rank]`; values that don't fill a point are ignored.
    pub fn add(&mut self, points: &[f32]) -> Range<usize> {
        let first = self.count();
        for points in points.chunks(Self::PANEL * self.rank.max(1)) {
            let rows = || points.chunks_exact(self.rank.max(1));
            for axis in 0..self.rank {
                let coordinates = rows().map(|point| -2.0 * point[axis]);
                self.panels.extend(filled(coordinates, 0.0));
            }
            let squared = rows().map(|point| point.iter().map(|c| c * c).sum());
            self.squared.extend(filled(squared, f32::INFINITY));
        }
        first..self.count()
    }

    /// Coordinates of a point.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many panels there are.
    pub fn count(&self) -> usize {
        self.squared.len() / Self::PANEL
    }

    /// Writes the squared distances of some vectors to the points of some panels, but for each vector's own squared length.
    /// They are infinite beyond the last point of a panel.
    ///
    /// *Shapes*: each vector is `[rank]`, `distances` at least `[AT_ONCE, panels, PANEL]`.
    ///
    /// # Panics
    /// Without such panels, or with slices of other lengths.
    pub fn distances(
        &self,
        panels: Range<usize>,
        vectors: &[&[f32]; Self::AT_ONCE],
        distances: &mut [f32],
    ) {
        assert!(vectors.iter().all(|vector| vector.len() == self.rank));
        let size = self.rank * Self::PANEL;
        let count = Self::AT_ONCE * panels.len() * Self::PANEL;
        run_wide(&Distances {
            vectors,
            panels: &self.panels[panels.start * size..panels.end * size],
            squared: &self.squared[panels.start * Self::PANEL..panels.end * Self::PANEL],
            distances: distances[..count].as_mut_ptr(),
        });
    }
}

/// The values of one panel.
fn filled(values: impl Iterator<Item = f32>, rest: f32) -> impl Iterator<Item = f32> {
    values.chain(std::iter::repeat(rest)).take(Points::PANEL)
}

/// All vectors have as many values as a panel has coordinates; `distances` has room for `squared` of each vector.
struct Distances<'a> {
    vectors: &'a [&'a [f32]; Points::AT_ONCE],
    panels: &'a [f32],
    squared: &'a [f32],
    distances: *mut f32,
}

impl Kernel for Distances<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(&self) {
        let width = L::BLOCKS * LANES;
        let rank = self.vectors[0].len();
        for (index, squared) in self.squared.chunks_exact(Points::PANEL).enumerate() {
            let panel = &self.panels[index * rank * Points::PANEL..][..rank * Points::PANEL];
            for first in (0..Points::PANEL).step_by(width) {
                // SAFETY: the CPU has the instructions of `L`; lengths are as the fields say.
                unsafe {
                    let squared = L::load(squared.as_ptr().add(first));
                    let mut accumulators = [squared; Points::AT_ONCE];
                    for axis in 0..rank {
                        let of_points = L::load(panel.as_ptr().add(axis * Points::PANEL + first));
                        for (accumulator, vector) in accumulators.iter_mut().zip(self.vectors) {
                            let value = L::splat(*vector.get_unchecked(axis));
                            *accumulator = accumulator.add_product(of_points, value);
                        }
                    }
                    for (vector, accumulator) in accumulators.into_iter().enumerate() {
                        let of_vector = vector * self.squared.len();
                        let place = of_vector + index * Points::PANEL + first;
                        accumulator.store(self.distances.add(place));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::common::lanes::{CHOSEN, Instructions};

    fn coordinate(point: usize, axis: usize) -> f32 {
        ((point * 31 + axis * 7) % 11) as f32 - 5.0
    }

    #[test]
    fn the_distance_to_each_point_of_each_panel() {
        for instructions in Instructions::available() {
            CHOSEN.set(Some(instructions));
            for rank in [1, 3, 4, 7, 64, 70] {
                let vectors: [Vec<f32>; Points::AT_ONCE] = std::array::from_fn(|vector| {
                    (0..rank)
                        .map(|axis| coordinate(vector + 90, axis))
                        .collect()
                });
                let mut points = Points::new(rank);
                let mut first = 0;
                for count in [1, 16, 17, 40] {
                    let coordinates = |point| (0..rank).map(move |axis| coordinate(point, axis));
                    let group = (first..first + count).flat_map(coordinates);
                    let panels = points.add(&group.collect::<Vec<_>>());
                    assert_eq!(panels.len(), count.div_ceil(Points::PANEL));
                    let room = panels.len() * Points::PANEL;
                    let mut found = vec![f32::NAN; vectors.len() * room + 1];
                    points.distances(panels, &vectors.each_ref().map(Vec::as_slice), &mut found);
                    assert!(found.pop().unwrap().is_nan(), "written beyond the panels");
                    for (vector, found) in vectors.iter().zip(found.chunks(room)) {
                        let own: f32 = vector.iter().map(|v| v * v).sum();
                        for (point, found) in (first..).zip(&found[..count]) {
                            let apart =
                                coordinates(point).zip(vector).map(|(p, v)| (p - v).powi(2));
                            let expected = apart.sum::<f32>() - own;
                            assert!(
                                (found - expected).abs() < 1e-2,
                                "{rank}: {found}, {expected}"
                            );
                        }
                        assert!(found[count..].iter().all(|d| *d == f32::INFINITY));
                    }
                    first += count;
                }
            }
        }
        CHOSEN.set(None);
    }
}
