//! The patch memory: a coreset of patches of good images (PatchCore, CVPR 2022, section 3.2).

use aecsad::score::patch_memory::PatchMemory;
use ndarray::{Array2, ArrayView2, Axis};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Patches among which the coreset is sought, drawn evenly from all.
const POOL: usize = 24_000;
/// Dimensions of the random projection in which distances are compared.
const PROJECTED: usize = 12;

/// Keeps `size` patches such that none of the others is far from a kept one: greedy k-centre, seeded.
pub fn fit(samples: &[ArrayView2<'_, f32>], size: usize, seed: u64) -> PatchMemory {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let rank = samples.first().map_or(0, |s| s.ncols());
    let mut places: Vec<(usize, usize)> = samples
        .iter()
        .enumerate()
        .flat_map(|(image, s)| (0..s.nrows()).map(move |cell| (image, cell)))
        .collect();
    places.shuffle(&mut random);
    places.truncate(POOL);
    let mut pool = Array2::zeros((places.len(), rank));
    for (mut row, (image, cell)) in pool.rows_mut().into_iter().zip(&places) {
        row.assign(&samples[*image].row(*cell));
    }
    let directions =
        Array2::from_shape_fn((rank, PROJECTED), |_| random.random_range(-1.0f32..1.0));
    let projected = pool.dot(&directions);
    let mut nearest = vec![f32::INFINITY; places.len()];
    let mut kept = Vec::with_capacity(size);
    let mut next = 0;
    while kept.len() < size.min(places.len()) {
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
    PatchMemory::new(pool.select(Axis(0), &kept))
}
