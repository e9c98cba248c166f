//! The patch memory: a coreset of patches of good images (PatchCore, CVPR 2022, section 3.2).

use aecsad::score::low_rank::GRID;
use aecsad::score::patch_memory::{COARSE, PatchMemory, coarse, neighbourhood_means};
use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array2, Axis};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Patches among which the coreset is sought, drawn evenly from all images.
const POOL: usize = 24_000;
/// Directions kept of the 152 channels.
const RANK: usize = 64;
/// Dimensions of the random projection in which distances are compared.
const PROJECTED: usize = 24;

/// Keeps `size` patches of the stacks (`[GRID², STACKED]` each) such that none of the others is far from a kept one:
/// greedy k-centre, seeded.
pub fn fit(stacks: &[Array2<f32>], size: usize, seed: u64) -> PatchMemory {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let pool = draw(stacks, &mut random);
    let directions = strongest_directions(&pool);
    let patches = pool.dot(&directions);
    let kept = greedy_k_centre(&patches, size, &mut random);
    PatchMemory::new(directions, patches.select(Axis(0), &kept))
}

/// At most [`POOL`] patches, as many of each image, `[patches, COARSE]`.
fn draw(stacks: &[Array2<f32>], random: &mut ChaCha8Rng) -> Array2<f32> {
    let of_each = (POOL / stacks.len().max(1)).clamp(1, GRID * GRID);
    let mut pool = Array2::zeros((stacks.len() * of_each, COARSE));
    let mut means = Array2::zeros((GRID * GRID, COARSE));
    let mut cells: Vec<usize> = (0..GRID * GRID).collect();
    for (stack, mut rows) in stacks
        .iter()
        .zip(pool.axis_chunks_iter_mut(Axis(0), of_each))
    {
        neighbourhood_means(coarse(stack), &mut means);
        cells.shuffle(random);
        for (mut row, cell) in rows.rows_mut().into_iter().zip(&cells) {
            row.assign(&means.row(*cell));
        }
    }
    pool
}

/// The [`RANK`] directions in which patches differ most, `[COARSE, RANK]`. The mean needs no taking away afterwards:
/// distances don't see it.
fn strongest_directions(pool: &Array2<f32>) -> Array2<f32> {
    let count = pool.nrows().max(1) as f32;
    let mean = pool.sum_axis(Axis(0)) / count;
    let centred = pool - &mean;
    let covariance = centred.t().dot(&centred) / count;
    let eigen = SymmetricEigen::new(DMatrix::from_fn(COARSE, COARSE, |i, j| {
        f64::from(covariance[[i, j]])
    }));
    let mut order: Vec<usize> = (0..COARSE).collect();
    order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
    Array2::from_shape_fn((COARSE, RANK), |(channel, k)| {
        eigen.eigenvectors[(channel, order[k])] as f32
    })
}

/// Indices of `size` rows, each the farthest from those before it.
fn greedy_k_centre(patches: &Array2<f32>, size: usize, random: &mut ChaCha8Rng) -> Vec<usize> {
    let shape = (patches.ncols(), PROJECTED);
    let directions = Array2::from_shape_fn(shape, |_| random.random_range(-1.0f32..1.0));
    let projected = patches.dot(&directions);
    let mut nearest = vec![f32::INFINITY; patches.nrows()];
    let mut kept = Vec::with_capacity(size);
    let mut next = 0;
    while kept.len() < size.min(patches.nrows()) {
        kept.push(next);
        let centre = projected.row(next);
        let mut farthest = (-1.0, 0);
        for (i, (distance, row)) in nearest.iter_mut().zip(projected.rows()).enumerate() {
            let squared = row.iter().zip(centre).map(|(a, b)| (a - b).powi(2)).sum();
            *distance = distance.min(squared);
            if *distance > farthest.0 {
                farthest = (*distance, i);
            }
        }
        next = farthest.1;
    }
    kept
}
