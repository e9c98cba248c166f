//! How far each image lies off the others, place by place, before anything is learnt from them: the distance of its
//! patches to those of its k-th nearest image (Ramaswamy, Rastogi & Shim, SIGMOD 2000). A patch that one image in ten
//! shares is ordinary, so a variant of the product is not out of distribution, and four bad parts among
//! sixty are.

use aecsad_inspect::branches::shared::low_rank::{GRID, STACKED, stack};
use aecsad_inspect::branches::shared::map::top_mean;
use aecsad_inspect::branches::shared::registration::Pose;
use aecsad_inspect::decision::trimmed_z::quantile;
use aecsad_inspect::network::Features;
use ndarray::Array2;
use rayon::prelude::*;

use crate::estimators::low_rank;

/// Directions kept of the stacked features.
const RANK: usize = 40;
/// An image is compared with so many others at most, evenly spread: the time goes with their number.
const MOST_COMPARED: usize = 150;
/// Share of the images that must show a patch for it to be ordinary.
const ORDINARY_SHARE: f64 = 0.1;
const LEAST_ORDINARY: usize = 2;
/// A part may lie off by so many cells.
const REACH: usize = 1;
/// So many of the 30×30 inner cells make the distance, the furthest ones.
const TOP: usize = 9;

/// One number an image; larger is further off. It is about 1 for an image like the others.
///
/// *Shapes*: the result is `[images]`.
pub fn distances(images: &[&Features]) -> Vec<f32> {
    let stacks: Vec<Array2<f32>> = images
        .par_iter()
        .map(|features| {
            let mut stacked = Array2::zeros((GRID * GRID, STACKED));
            stack(features, &Pose::default(), &mut stacked);
            stacked
        })
        .collect();
    let low_rank = low_rank::fit(&stacks, RANK);
    let vectors: Vec<Array2<f32>> = stacks
        .par_iter()
        .map(|stacked| {
            let mut vectors = Array2::zeros((GRID * GRID, RANK));
            low_rank.project(stacked, &mut vectors);
            vectors
        })
        .collect();
    drop(stacks);
    let compared = images.len().min(MOST_COMPARED);
    let compared: Vec<usize> = (0..compared).map(|i| i * images.len() / compared).collect();
    let ordinary = (ORDINARY_SHARE * compared.len() as f64).ceil() as usize;
    let ordinary = ordinary.max(LEAST_ORDINARY);
    let maps: Vec<Vec<f32>> = (0..images.len())
        .into_par_iter()
        .map(|own| {
            let others = compared.iter().filter(|other| **other != own);
            let others: Vec<&Array2<f32>> = others.map(|other| &vectors[*other]).collect();
            (0..GRID * GRID)
                .map(|cell| kth_nearest(&vectors[own], cell, &others, ordinary))
                .collect()
        })
        .collect();
    let usual = usual(&maps);
    let overall = median(usual.clone());
    let mut sorted = Vec::new();
    maps.into_iter()
        .map(|map| {
            let cells = map.iter().zip(&usual);
            let relative: Vec<f32> = cells
                .map(|(d, usual)| d / (usual + 0.5 * overall))
                .collect();
            top_mean(&relative, GRID, TOP, &mut sorted)
        })
        .collect()
}

/// The distance of one cell's vector to the nearest in its place and around it, in the `ordinary`-th nearest of the others.
fn kth_nearest(own: &Array2<f32>, cell: usize, others: &[&Array2<f32>], ordinary: usize) -> f32 {
    let vector = own.row(cell);
    let vector = vector.as_slice().unwrap_or_default();
    let (y, x) = (cell / GRID, cell % GRID);
    let around = |at: usize| at.saturating_sub(REACH)..=(at + REACH).min(GRID - 1);
    let mut nearest: Vec<f32> = others
        .iter()
        .map(|other| {
            let places = around(y).flat_map(|y| around(x).map(move |x| y * GRID + x));
            let squares = places.map(|place| {
                let other = other.row(place);
                let pairs = vector.iter().zip(other.as_slice().unwrap_or_default());
                pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f32>()
            });
            squares.fold(f32::INFINITY, f32::min)
        })
        .collect();
    let at = (ordinary - 1).min(nearest.len().saturating_sub(1));
    match nearest.is_empty() {
        true => 0.0,
        false => nearest.select_nth_unstable_by(at, f32::total_cmp).1.sqrt(),
    }
}

/// The median over the images, cell by cell.
fn usual(maps: &[Vec<f32>]) -> Vec<f32> {
    (0..GRID * GRID)
        .map(|cell| median(maps.iter().map(|map| map[cell]).collect()))
        .collect()
}

fn median(values: Vec<f32>) -> f32 {
    let mut values: Vec<f64> = values.into_iter().map(f64::from).collect();
    values.sort_by(f64::total_cmp);
    quantile(&values, 0.5) as f32
}

#[cfg(test)]
mod tests {
    use rand::{Rng, RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Noise, and in the middle of stride 8 a level of its own.
    fn image(level: f32, noise: &mut impl Rng) -> Features {
        let mut features = aecsad_inspect::network::Percept::empty().features;
        for map in [
            &mut features.stride4,
            &mut features.stride8,
            &mut features.stride16,
        ] {
            map.mapv_inplace(|_| noise.random_range(-1.0..1.0));
        }
        let mut middle = features.stride8.slice_mut(ndarray::s![.., 14..18, 14..18]);
        middle.mapv_inplace(|value| value + level);
        features
    }

    #[test]
    fn four_bad_parts_of_sixty_lie_far_off_and_a_variant_does_not() {
        let mut noise = ChaCha8Rng::seed_from_u64(1);
        let mut images: Vec<Features> = (0..44).map(|_| image(0.0, &mut noise)).collect();
        images.extend((0..12).map(|_| image(4.0, &mut noise)));
        images.extend((0..4).map(|_| image(-4.0, &mut noise)));
        let distances = distances(&images.iter().collect::<Vec<_>>());
        let largest = distances[..56].iter().copied().fold(0.0, f32::max);
        let smallest = distances[56..].iter().copied().fold(f32::MAX, f32::min);
        assert!(smallest > 1.5 * largest, "{smallest} against {largest}");
    }
}
