//! Nearest neighbour among patches of good images, wherever they lie: what looks like nothing ever seen is strange
//! (PatchCore, CVPR 2022). Needs no fixed places, and so carries the structural decision where parts lie freely.
//!
//! A patch is the mean of 3×3 cells of strides 8 and 16 in their own scale: unlike the other branches' vectors it is not
//! whitened, because nearness here means looking alike and weak directions are mostly noise.

use ndarray::{Array1, Array2, ArrayView2, s};

use super::low_rank::{GRID, STACKED};
use crate::network::Features;

/// First column of the stack that a patch reads: stride 4 is left out.
const FIRST: usize = Features::STRIDE4.0;
/// Columns of the stack that a patch reads.
pub const COARSE: usize = STACKED - FIRST;

/// A coreset of patch vectors and the directions in which they are described.
#[derive(Clone, Debug)]
pub struct PatchMemory {
    /// `[COARSE, rank]`: the strongest directions of good patches, orthonormal.
    directions: Array2<f32>,
    /// `[patches, rank]`
    patches: Array2<f32>,
    /// `|patch|²` of each.
    squared: Array1<f32>,
}

/// The buffers that [`PatchMemory::map`] needs.
pub struct Scratch {
    /// `[GRID², rank]` each.
    cells: Array2<f32>,
    means: Array2<f32>,
    /// `[GRID², patches]`
    products: Array2<f32>,
}

impl PatchMemory {
    /// `directions` is `[COARSE, rank]`, `patches` is `[patches, rank]`.
    pub fn new(directions: Array2<f32>, patches: Array2<f32>) -> Self {
        let squared = patches.rows().into_iter().map(|p| p.dot(&p)).collect();
        PatchMemory {
            directions,
            patches,
            squared,
        }
    }

    pub fn directions(&self) -> &Array2<f32> {
        &self.directions
    }

    pub fn patches(&self) -> &Array2<f32> {
        &self.patches
    }

    pub fn scratch(&self) -> Scratch {
        let cells = Array2::zeros((GRID * GRID, self.directions.ncols()));
        Scratch {
            means: cells.clone(),
            cells,
            products: Array2::zeros((GRID * GRID, self.patches.nrows())),
        }
    }

    /// Euclidean distance of each cell's patch to the nearest remembered one. `stacked` is `[GRID², STACKED]`, `map` has
    /// GRID² values.
    pub fn map(&self, stacked: &Array2<f32>, scratch: &mut Scratch, map: &mut [f32]) {
        let columns = coarse(stacked);
        ndarray::linalg::general_mat_mul(1.0, &columns, &self.directions, 0.0, &mut scratch.cells);
        neighbourhood_means(scratch.cells.view(), &mut scratch.means);
        let vectors = &scratch.means;
        let transposed = self.patches.t();
        ndarray::linalg::general_mat_mul(-2.0, vectors, &transposed, 0.0, &mut scratch.products);
        let rows = scratch.products.rows().into_iter().zip(vectors.rows());
        for (distance, (products, vector)) in map.iter_mut().zip(rows) {
            let nearest = products
                .iter()
                .zip(&self.squared)
                .fold(f32::INFINITY, |least, (p, s)| least.min(p + s));
            *distance = (nearest + vector.dot(&vector)).max(0.0).sqrt();
        }
    }
}

/// The columns of a stack (`[GRID², STACKED]`) that a patch reads, `[GRID², COARSE]`.
pub fn coarse(stacked: &Array2<f32>) -> ArrayView2<'_, f32> {
    stacked.slice(s![.., FIRST..])
}

/// Mean of each cell and its neighbours, fewer at the edge. Both are `[GRID², rank]`.
pub fn neighbourhood_means(cells: ArrayView2<'_, f32>, means: &mut Array2<f32>) {
    let around = |i: usize| i.saturating_sub(1)..(i + 2).min(GRID);
    for (cell, mut mean) in means.rows_mut().into_iter().enumerate() {
        let (rows, columns) = (around(cell / GRID), around(cell % GRID));
        let share = 1.0 / (rows.len() * columns.len()) as f32;
        mean.fill(0.0);
        for row in rows {
            for column in columns.clone() {
                mean.scaled_add(share, &cells.row(row * GRID + column));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A memory that looks at the first two coarse columns.
    fn memory(patches: Array2<f32>) -> PatchMemory {
        let directions = Array2::from_shape_fn((COARSE, 2), |(from, to)| (from == to) as u8 as f32);
        PatchMemory::new(directions, patches)
    }

    #[test]
    fn finds_the_nearest_patch() {
        let memory = memory(ndarray::array![[0.0, 0.0], [3.0, 4.0]]);
        let mut stacked = Array2::zeros((GRID * GRID, STACKED));
        stacked.column_mut(FIRST).fill(3.0);
        stacked.column_mut(FIRST + 1).fill(3.0);
        stacked.column_mut(0).fill(1e6);
        let mut map = [9.0; GRID * GRID];
        memory.map(&stacked, &mut memory.scratch(), &mut map);
        assert!(
            map.iter().all(|d| (d - 1.0).abs() < 1e-3),
            "{:?}",
            &map[..4]
        );
    }

    #[test]
    fn a_patch_is_the_mean_of_its_neighbourhood() {
        let mut cells = Array2::zeros((GRID * GRID, 1));
        cells[[0, 0]] = 36.0;
        let mut means = cells.clone();
        neighbourhood_means(cells.view(), &mut means);
        let found = [0, 1, 2, GRID, GRID + 1].map(|i| means[[i, 0]]);
        assert_eq!(found, [9.0, 6.0, 0.0, 6.0, 4.0]);
    }
}
