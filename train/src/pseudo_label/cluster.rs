//! Ward's linkage of region descriptors: regions of the same part end in the same one of a requested number of compact
//! clusters.

use kodama::{Dendrogram, Method, linkage};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

/// Ward's linkage of the rows of `points`; cut it with [`cut`].
///
/// *Shapes*: `points` is `[points, columns]`.
pub fn ward(points: ArrayView2<f32>) -> Dendrogram<f32> {
    let count = points.nrows();
    let mut distances = Vec::with_capacity(count * count.saturating_sub(1) / 2);
    for a in 0..count {
        for b in a + 1..count {
            distances.push(squared_distance(points.row(a), points.row(b)).sqrt());
        }
    }
    linkage(&mut distances, count, Method::Ward)
}

/// Cluster of each point when the tree is cut into `clusters` of them, numbered in the points' order.
pub fn cut(tree: &Dendrogram<f32>, clusters: usize) -> Vec<usize> {
    let count = tree.observations();
    let mut parent: Vec<usize> = (0..2 * count).collect();
    for (i, step) in tree.steps().iter().enumerate() {
        if i + clusters >= count {
            break;
        }
        parent[step.cluster1] = count + i;
        parent[step.cluster2] = count + i;
    }
    let mut number = vec![usize::MAX; 2 * count];
    let mut next = 0;
    (0..count)
        .map(|point| {
            let mut node = point;
            while parent[node] != node {
                node = parent[node];
            }
            if number[node] == usize::MAX {
                number[node] = next;
                next += 1;
            }
            number[node]
        })
        .collect()
}

/// The mean of each cluster, `[clusters, dimensions]`.
pub fn centroids(points: ArrayView2<f32>, labels: &[usize]) -> Array2<f32> {
    let clusters = labels.iter().max().map_or(0, |m| m + 1);
    let mut sums = Array2::zeros((clusters, points.ncols()));
    let mut sizes = vec![0.0f32; clusters];
    for (point, &label) in points.rows().into_iter().zip(labels) {
        let mut row = sums.row_mut(label);
        row += &point;
        sizes[label] += 1.0;
    }
    for (mut row, size) in sums.rows_mut().into_iter().zip(sizes) {
        row /= size.max(1.0);
    }
    sums
}

/// Index of the centroid nearest to `point`.
///
/// *Shapes*: `centroids` is `[centroids, columns]`, `point` `[columns]`.
pub fn nearest(centroids: ArrayView2<f32>, point: ArrayView1<f32>) -> usize {
    centroids
        .axis_iter(Axis(0))
        .map(|c| squared_distance(c, point))
        .enumerate()
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(0, |(i, _)| i)
}

/// The squared Euclidean distance.
///
/// *Shapes*: both are `[dimensions]`.
pub fn squared_distance(a: ArrayView1<f32>, b: ArrayView1<f32>) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_heaps_are_found_and_the_nearest_centroid_names_them() {
        let middles = [[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]];
        let points = Array2::from_shape_fn((30, 2), |(i, d)| {
            middles[i % 3][d] + ((i * 7 + d * 3) % 5) as f32 * 0.1
        });
        let labels = cut(&ward(points.view()), 3);
        assert!((0..30).all(|i| labels[i] == i % 3));
        let centroids = centroids(points.view(), &labels);
        assert!((0..30).all(|i| nearest(centroids.view(), points.row(i)) == i % 3));
    }

    #[test]
    fn as_many_clusters_as_points_or_one() {
        let points = Array2::from_shape_fn((4, 1), |(i, _)| i as f32);
        let tree = ward(points.view());
        assert_eq!(cut(&tree, 9), [0, 1, 2, 3]);
        assert_eq!(cut(&tree, 1), [0; 4]);
    }
}
