//! How many classes a product has, by testing whether they are found again: the images are split in two halves, each
//! is clustered by itself, and a cluster counts as real if the other half's clusters single out nearly the same
//! regions (in the manner of prediction strength, Tibshirani and Walther 2005, with the Jaccard index of Hennig
//! 2007). What a texture is cut into changes with every half.

use kodama::Dendrogram;
use ndarray::{Array2, Axis};
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

use super::cluster::{centroids, cut, nearest, ward};

const SPLITS: usize = 8;
/// Regions of which a split has some: of more of them even what a texture is cut into would be found again.
const REGIONS: usize = 4000;

/// One half of the images' regions and their linkage.
struct Half {
    points: Array2<f32>,
    tree: Dendrogram<f32>,
}

/// Mean agreement of the halves at each number of clusters from 2 to `max_clusters` (first element: 2).
///
/// `points` are the descriptors to cluster, `image` the image each is from.
///
/// *Shapes*: `points` is `[regions, columns]`, `image` `[regions]`.
pub fn by_cluster_count(
    points: &Array2<f32>,
    image: &[usize],
    max_clusters: usize,
    seed: u64,
) -> Vec<f32> {
    let mut sums = vec![0.0; max_clusters.saturating_sub(1)];
    for halves in halves(points, image, seed) {
        let [one, other] = halves;
        let grow = |points: Array2<f32>| Half {
            tree: ward(points.view()),
            points,
        };
        let (one, other) = rayon::join(|| grow(one), || grow(other));
        if one.points.is_empty() || other.points.is_empty() {
            return vec![0.0; sums.len()];
        }
        for (sum, clusters) in sums.iter_mut().zip(2..) {
            let both = one.found_in(&other, clusters) + other.found_in(&one, clusters);
            *sum += both / (2 * SPLITS) as f32;
        }
    }
    sums
}

/// Mean agreement of the halves where `centres` makes `[clusters, columns]` of each half's descriptors. A cluster with fewer
/// regions than half of the half's images doesn't count: such a one becomes background.
///
/// *Shapes*: as for [`by_cluster_count`].
pub fn of_centres(
    points: &Array2<f32>,
    image: &[usize],
    seed: u64,
    centres: impl Fn(&Array2<f32>) -> Array2<f32>,
) -> f32 {
    let images = image.iter().max().map_or(0, |m| m + 1) as f32;
    let drawn = image.len().min(REGIONS) as f32 / image.len().max(1) as f32;
    let least = (0.25 * images * drawn).max(1.0);
    let mut sum = 0.0;
    for halves in halves(points, image, seed) {
        let [one, other] = halves.each_ref().map(&centres);
        if one.is_empty() || other.is_empty() {
            return 0.0;
        }
        for (points, (own, others)) in halves.iter().zip([(&one, &other), (&other, &one)]) {
            let (own, others) = (assigned(points, own), assigned(points, others));
            sum += mean_jaccard(&own, &others, least) / (2 * SPLITS) as f32;
        }
    }
    sum
}

/// The descriptors of two halves of the images, divided anew for each split.
fn halves(points: &Array2<f32>, image: &[usize], seed: u64) -> Vec<[Array2<f32>; 2]> {
    let images = image.iter().max().map_or(0, |m| m + 1);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut split = || {
        let mut drawn = index::sample(&mut rng, image.len(), image.len().min(REGIONS)).into_vec();
        drawn.sort_unstable();
        let mut chosen = vec![false; images];
        index::sample(&mut rng, images, images / 2)
            .into_iter()
            .for_each(|i| chosen[i] = true);
        [true, false].map(|side| {
            let rows = drawn.iter().copied().filter(|&p| chosen[image[p]] == side);
            points.select(Axis(0), &rows.collect::<Vec<usize>>())
        })
    };
    (0..SPLITS).map(|_| split()).collect()
}

impl Half {
    /// How well its clusters are singled out by the nearest centroid of another half's.
    fn found_in(&self, other: &Half, clusters: usize) -> f32 {
        let centroids = centroids(other.points.view(), &cut(&other.tree, clusters));
        let assigned = assigned(&self.points, &centroids);
        mean_jaccard(&cut(&self.tree, clusters), &assigned, 1.0)
    }
}

/// The nearest centre of each point.
fn assigned(points: &Array2<f32>, centres: &Array2<f32>) -> Vec<usize> {
    let points = points.rows().into_iter();
    points.map(|point| nearest(centres.view(), point)).collect()
}

/// Mean over the clusters of `a` that have so many members at least, of the best Jaccard index with a cluster of `b`.
fn mean_jaccard(a: &[usize], b: &[usize], least: f32) -> f32 {
    let size = |labels: &[usize]| labels.iter().max().map_or(0, |m| m + 1);
    let (rows, columns) = (size(a), size(b));
    let mut joint = Array2::<f32>::zeros((rows, columns));
    a.iter().zip(b).for_each(|(&i, &j)| joint[[i, j]] += 1.0);
    let (in_a, in_b) = (joint.sum_axis(Axis(1)), joint.sum_axis(Axis(0)));
    let best = |i: usize| {
        (0..columns)
            .map(|j| joint[[i, j]] / (in_a[i] + in_b[j] - joint[[i, j]]))
            .fold(0.0, f32::max)
    };
    let present: Vec<usize> = (0..rows).filter(|&i| in_a[i] >= least).collect();
    present.iter().map(|&i| best(i)).sum::<f32>() / present.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    /// Agreement on three points in each of 60 images, scattered by `spread` around three middles.
    fn agreement(spread: f32) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let points = Array2::from_shape_fn((180, 10), |(i, d)| {
            let middle = if i % 3 == d { 4.0 } else { 0.0 };
            middle + rng.random_range(-spread..spread)
        });
        let image: Vec<usize> = (0..180).map(|i| i / 3).collect();
        by_cluster_count(&points, &image, 8, 1)
    }

    #[test]
    fn real_clusters_are_found_again_and_splits_of_them_are_not() {
        let agreement = agreement(0.8);
        assert!(agreement[1] > 0.99, "{agreement:?}");
        assert!(agreement[5] < 0.75, "{agreement:?}");
    }

    #[test]
    fn a_cloud_has_no_clusters() {
        assert!(agreement(30.0).iter().all(|a| *a < 0.75));
    }
}
