//! Nearest neighbour among patches of good images, wherever they lie: what looks like nothing ever seen is strange.
//! Needs no fixed places, and so carries the structural decision where parts lie freely.

use ndarray::{Array1, Array2};

/// A coreset of patch vectors.
#[derive(Clone, Debug)]
pub struct PatchMemory {
    /// `[patches, rank]`
    patches: Array2<f32>,
    /// `|patch|²` of each.
    squared: Array1<f32>,
}

impl PatchMemory {
    pub fn new(patches: Array2<f32>) -> Self {
        let squared = patches.rows().into_iter().map(|p| p.dot(&p)).collect();
        PatchMemory { patches, squared }
    }

    pub fn patches(&self) -> &Array2<f32> {
        &self.patches
    }

    /// Room for [`PatchMemory::map`], for `queries` vectors.
    pub fn scratch(&self, queries: usize) -> Array2<f32> {
        Array2::zeros((queries, self.patches.nrows()))
    }

    /// Euclidean distance of each row of `vectors` (`[queries, rank]`) to the nearest patch.
    pub fn map(&self, vectors: &Array2<f32>, scratch: &mut Array2<f32>, map: &mut [f32]) {
        ndarray::linalg::general_mat_mul(-2.0, vectors, &self.patches.t(), 0.0, scratch);
        let rows = scratch.rows().into_iter().zip(vectors.rows());
        for (distance, (products, vector)) in map.iter_mut().zip(rows) {
            let nearest = products
                .iter()
                .zip(&self.squared)
                .fold(f32::INFINITY, |least, (p, s)| least.min(p + s));
            *distance = (nearest + vector.dot(&vector)).max(0.0).sqrt();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn finds_the_nearest_patch() {
        let memory = PatchMemory::new(array![[0.0, 0.0], [3.0, 4.0]]);
        let queries = array![[3.0, 3.0], [0.0, 0.0], [-6.0, -8.0]];
        let mut map = [9.0; 3];
        memory.map(&queries, &mut memory.scratch(3), &mut map);
        for (found, wanted) in map.iter().zip([1.0, 0.0, 10.0]) {
            assert!((found - wanted).abs() < 1e-3, "{found} is not {wanted}");
        }
    }
}
