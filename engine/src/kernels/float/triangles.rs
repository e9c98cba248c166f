//! Lower-triangular matrices, all of one size, times a vector each: how far a vector is from each of many Gaussians.

use crate::kernels::common::lanes::{Kernel, LANES, Lanes, run};

/// Blocks of rows that are summed side by side, so that no addition waits for the one before it.
const SIDE_BY_SIDE: usize = 4;
const ROWS: usize = SIDE_BY_SIDE * LANES;

/// Lower-triangular matrices of one size.
#[derive(Clone, Debug)]
pub struct Triangles {
    rank: usize,
    /// Matrix by matrix; in each, [`ROWS`] rows after the other, column by column up to the last that isn't 0 there.
    /// Rows beyond the rank are 0.
    values: Vec<f32>,
}

impl Triangles {
    /// Takes the lower triangles of several matrices. Values that don't fill a matrix are ignored.
    ///
    /// *Shapes*: `packed` is `[matrices, rank · (rank + 1) / 2]`, each matrix row by row up to the diagonal.
    pub fn new(rank: usize, packed: &[f32]) -> Self {
        let mut values = Vec::new();
        for matrix in packed.chunks_exact((rank * (rank + 1) / 2).max(1)) {
            for first in (0..rank).step_by(ROWS) {
                for column in 0..columns(rank, first) {
                    values.extend((first..first + ROWS).map(|row| {
                        match column <= row && row < rank {
                            true => matrix[row * (row + 1) / 2 + column],
                            false => 0.0,
                        }
                    }));
                }
            }
        }
        Triangles { rank, values }
    }

    /// The matrices as [`Triangles::new`] takes them.
    ///
    /// *Shapes*: `[matrices, rank · (rank + 1) / 2]`.
    pub fn packed(&self) -> Vec<f32> {
        let mut packed = Vec::new();
        for matrix in self.values.chunks_exact(self.size().max(1)) {
            let mut rest = matrix;
            for first in (0..self.rank).step_by(ROWS) {
                let (rows, next) = rest.split_at(ROWS * columns(self.rank, first));
                rest = next;
                for row in first..(first + ROWS).min(self.rank) {
                    packed.extend((0..=row).map(|column| rows[column * ROWS + row - first]));
                }
            }
        }
        packed
    }

    /// Values that a matrix takes.
    fn size(&self) -> usize {
        let groups = (0..self.rank).step_by(ROWS);
        groups.map(|first| ROWS * columns(self.rank, first)).sum()
    }

    fn matrix(&self, index: usize) -> &[f32] {
        let size = self.size();
        &self.values[index * size..][..size]
    }

    /// Squared length of matrix `index` times `vector`, or a value above `enough` once it is certain to be above.
    ///
    /// *Shapes*: `vector` is `[rank]`.
    ///
    /// # Panics
    /// Without such a matrix, or with a vector of another length.
    pub fn squared_length(&self, index: usize, vector: &[f32], enough: f32) -> f32 {
        assert_eq!(vector.len(), self.rank);
        let product = TriangleProduct {
            matrix: self.matrix(index),
            vector,
            enough,
            squared: std::cell::Cell::new(0.0),
        };
        run(&product);
        product.squared.get()
    }
}

/// Columns that are not 0 in all of the [`ROWS`] rows from `first` on.
fn columns(rank: usize, first: usize) -> usize {
    (first + ROWS).min(rank)
}

struct TriangleProduct<'a> {
    matrix: &'a [f32],
    vector: &'a [f32],
    enough: f32,
    squared: std::cell::Cell<f32>,
}

impl Kernel for TriangleProduct<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(&self) {
        let rank = self.vector.len();
        let mut accumulator = 0.0;
        let mut rest = self.matrix;
        for first in (0..rank).step_by(ROWS) {
            let count = columns(rank, first);
            let (rows, next) = rest.split_at(count * ROWS);
            rest = next;
            let mut squares = [0.0; LANES];
            // SAFETY: the CPU has the instructions of `L`, and so of its half; each column has `ROWS` values.
            unsafe {
                let mut accumulators = [<L::One as Lanes>::splat(0.0); SIDE_BY_SIDE];
                for (column, value) in rows.chunks_exact(ROWS).zip(self.vector) {
                    let value = <L::One as Lanes>::splat(*value);
                    for (block, accumulator) in accumulators.iter_mut().enumerate() {
                        let rows = <L::One as Lanes>::load(column.as_ptr().add(block * LANES));
                        *accumulator = accumulator.add_product(rows, value);
                    }
                }
                let mut squared = <L::One as Lanes>::splat(0.0);
                for accumulator in accumulators {
                    squared = squared.add_product(accumulator, accumulator);
                }
                squared.store(squares.as_mut_ptr());
            }
            accumulator += squares.iter().sum::<f32>();
            if accumulator > self.enough {
                break;
            }
        }
        self.squared.set(accumulator);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::common::lanes::{CHOSEN, Instructions};

    /// Entries of matrix `index`, and the vector.
    fn entry(index: usize, row: usize, column: usize) -> f32 {
        ((index * 31 + row * 7 + column * 3) % 11) as f32 - 5.0
    }

    #[test]
    fn is_the_length_of_the_product() {
        for instructions in Instructions::available() {
            CHOSEN.set(Some(instructions));
            for rank in [1, 7, 8, 31, 32, 33, 64, 70] {
                let lower =
                    |index| (0..rank).flat_map(move |r| (0..=r).map(move |c| entry(index, r, c)));
                let packed: Vec<f32> = (0..3).flat_map(lower).collect();
                let triangles = Triangles::new(rank, &packed);
                assert_eq!(triangles.packed(), packed);
                let vector: Vec<f32> = (0..rank).map(|i| (i % 5) as f32 - 2.0).collect();
                for index in 0..3 {
                    let product =
                        |r: usize| -> f32 { (0..=r).map(|c| entry(index, r, c) * vector[c]).sum() };
                    let expected: f32 = (0..rank).map(|r| product(r).powi(2)).sum();
                    let found = triangles.squared_length(index, &vector, f32::INFINITY);
                    assert!(
                        (found - expected).abs() <= 1e-4 * expected,
                        "{rank}: {found}, {expected}"
                    );
                    let enough = triangles.squared_length(index, &vector, expected / 9.0);
                    assert!(enough > expected / 9.0 || expected == 0.0);
                }
            }
        }
        CHOSEN.set(None);
    }
}
