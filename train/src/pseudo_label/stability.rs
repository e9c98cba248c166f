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
    let images = image.iter().max().map_or(0, |m| m + 1);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut sums = vec![0.0; max_clusters.saturating_sub(1)];
    for _ in 0..SPLITS {
        let mut drawn = index::sample(&mut rng, image.len(), image.len().min(REGIONS)).into_vec();
        drawn.sort_unstable();
        let mut chosen = vec![false; images];
        index::sample(&mut rng, images, images / 2)
            .into_iter()
            .for_each(|i| chosen[i] = true);
        let half = |side: bool| {
            let rows = drawn.iter().copied().filter(|&p| chosen[image[p]] == side);
            let rows: Vec<usize> = rows.collect();
            let points = points.select(Axis(0), &rows);
            let tree = ward(points.view());
            Half { points, tree }
        };
        let (one, other) = rayon::join(|| half(true), || half(false));
        if one.points.is_empty() || other.points.is_empty() {
            return vec![0.0; sums.len()];
        }
        for (sum, clusters) in sums.iter_mut().zip(2..) {
            let both = agreement(&one, &other, clusters) + agreement(&other, &one, clusters);
            *sum += both / (2 * SPLITS) as f32;
        }
    }
    sums
}

/// How well the clusters of `judged` are singled out by the nearest centroid of `judge`.
fn agreement(judged: &Half, judge: &Half, clusters: usize) -> f32 {
    let middles = centroids(judge.points.view(), &cut(&judge.tree, clusters));
    let assigned: Vec<usize> = judged
        .points
        .rows()
        .into_iter()
        .map(|point| nearest(middles.view(), point))
        .collect();
    mean_jaccard(&cut(&judged.tree, clusters), &assigned)
}

/// Mean over the clusters of `a` of the best Jaccard index with a cluster of `b`.
fn mean_jaccard(a: &[usize], b: &[usize]) -> f32 {
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
    let present: Vec<usize> = (0..rows).filter(|&i| in_a[i] > 0.0).collect();
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
