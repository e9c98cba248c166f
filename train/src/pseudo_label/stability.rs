//! How many classes a product has, by asking whether they are found again: regions of half of the images are
//! clustered anew, and a cluster counts as real if the new clustering holds nearly the same one (clusterwise
//! Jaccard index, Hennig 2007). What a texture is cut into changes with every half.

use ndarray::{Array2, Axis};
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

use super::cluster::{cut, ward};

const HALVES: usize = 6;

/// Mean Jaccard index of the clusters at each number of clusters from 2 to `max_clusters` (first element: 2).
///
/// `points` are the clustered descriptors, `image` the image each is from.
pub fn by_cluster_count(
    points: &Array2<f32>,
    image: &[usize],
    full: &kodama::Dendrogram<f32>,
    max_clusters: usize,
    seed: u64,
) -> Vec<f32> {
    let images = image.iter().max().map_or(0, |m| m + 1);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut sums = vec![0.0; max_clusters - 1];
    for _ in 0..HALVES {
        let mut chosen = vec![false; images];
        index::sample(&mut rng, images, images.div_ceil(2))
            .into_iter()
            .for_each(|i| chosen[i] = true);
        let half: Vec<usize> = (0..image.len()).filter(|&p| chosen[image[p]]).collect();
        let tree = ward(points.select(Axis(0), &half).view());
        for clusters in 2..=max_clusters {
            let before = cut(full, clusters);
            let before: Vec<usize> = half.iter().map(|&p| before[p]).collect();
            sums[clusters - 2] += mean_jaccard(&before, &cut(&tree, clusters)) / HALVES as f32;
        }
    }
    sums
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
