//! The directions in which patches of good parts vary: standardise each channel, then principal components.

use aecsad_inspect::branches::shared::low_rank::LowRank;
use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2};

/// From the vectors of good images (`[cells, channels]` each) to the `rank` strongest directions, whitened.
pub fn fit(stacks: &[Array2<f32>], rank: usize) -> LowRank {
    let channels = stacks.first().map_or(0, |s| s.ncols());
    let count = stacks.iter().map(|s| s.nrows()).sum::<usize>() as f64;
    let mut mean = Array1::<f64>::zeros(channels);
    let mut square = DMatrix::<f64>::zeros(channels, channels);
    for stack in stacks {
        for row in stack.rows() {
            for (m, v) in mean.iter_mut().zip(row) {
                *m += *v as f64 / count;
            }
        }
        // f32 products of one image, summed over images in f64
        let product = stack.t().dot(stack);
        for ((i, j), v) in product.indexed_iter() {
            square[(i, j)] += *v as f64 / count;
        }
    }
    let std: Vec<f64> = (0..channels)
        .map(|c| (square[(c, c)] - mean[c] * mean[c]).max(0.0).sqrt() + 1e-6)
        .collect();
    let correlation = DMatrix::from_fn(channels, channels, |i, j| {
        (square[(i, j)] - mean[i] * mean[j]) / (std[i] * std[j])
    });
    let eigen = SymmetricEigen::new(correlation);
    let mut order: Vec<usize> = (0..channels).collect();
    order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
    let mut matrix = Array2::<f32>::zeros((channels, rank));
    let mut offset = Array1::<f32>::zeros(rank);
    for (k, &source) in order.iter().take(rank).enumerate() {
        let vector = eigen.eigenvectors.column(source);
        let scale = (eigen.eigenvalues[source].max(0.0) + 1e-4).sqrt();
        let mut shift = 0.0;
        for c in 0..channels {
            let weight = vector[c] / (std[c] * scale);
            matrix[[c, k]] = weight as f32;
            shift -= weight * mean[c];
        }
        offset[k] = shift as f32;
    }
    LowRank { matrix, offset }
}
