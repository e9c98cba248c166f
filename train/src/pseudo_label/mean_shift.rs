//! MeanShift, by which the paper groups regions: each region climbs to where regions are densest within a bandwidth, and
//! those that arrive at one place are a cluster. The bandwidth decides how many clusters there are.

use ndarray::{Array2, Axis};
use rustyml::machine_learning::{MeanShift, estimate_bandwidth};

use super::stability;
use super::usability::FOUND_AGAIN;

/// Bandwidths that are tried: the mean distance to the neighbour within which this share of all regions lies.
const NEIGHBOURS: [f64; 4] = [0.02, 0.05, 0.1, 0.2];
/// Regions that climb: the time goes with their square.
const MOST_REGIONS: usize = 2000;
/// The same in each half of the images when clusters are looked for again.
const MOST_IN_A_HALF: usize = 1000;

/// What MeanShift makes of some regions.
#[derive(Clone, Debug)]
pub struct Shifted {
    /// `[clusters, columns]`
    pub centres: Array2<f32>,
    /// The radius within which regions pull at each other.
    pub bandwidth: f32,
    /// Agreement of the clusters with those of half of the images.
    pub found_again: f32,
}

/// Clusters with the bandwidth given, or else with the smallest of a few from the regions at which they are real. Where
/// they never are, with the one at which they are found again best. None where regions don't differ.
///
/// *Shapes*: `points` is `[regions, columns]`; `image`, the image that each is from, `[regions]`.
pub fn mean_shift(
    points: &Array2<f32>,
    image: &[usize],
    bandwidth: Option<f32>,
    seed: u64,
) -> Option<Shifted> {
    let sample = spread(points, MOST_REGIONS);
    let tried = match bandwidth {
        Some(bandwidth) => vec![bandwidth],
        None => from_regions(&sample, seed),
    };
    let mut best: Option<(f32, f32)> = None;
    for bandwidth in tried {
        let found_again = stability::of_centres(points, image, seed, |half| {
            let rows = spread(half, MOST_IN_A_HALF);
            climb(&rows, bandwidth).unwrap_or(Array2::zeros((0, rows.ncols())))
        });
        if best.is_none_or(|(_, before)| found_again > before) {
            best = Some((bandwidth, found_again));
        }
        if found_again >= FOUND_AGAIN {
            break;
        }
    }
    let (bandwidth, found_again) = best?;
    Some(Shifted {
        centres: climb(&sample, bandwidth)?,
        bandwidth,
        found_again,
    })
}

/// The smallest bandwidth first.
fn from_regions(points: &Array2<f32>, seed: u64) -> Vec<f32> {
    let points = points.mapv(f64::from);
    let of = |share: &f64| estimate_bandwidth(&points, Some(*share), None, Some(seed)).ok();
    let bandwidths = NEIGHBOURS.iter().filter_map(of).map(|b| b as f32);
    bandwidths.filter(|b| *b > 0.0).collect()
}

/// Where the points arrive, the places that draw most first. None without points, or without a bandwidth.
fn climb(points: &Array2<f32>, bandwidth: f32) -> Option<Array2<f32>> {
    let mut shift = MeanShift::new(f64::from(bandwidth)).ok()?;
    shift.fit(&points.mapv(f64::from)).ok()?;
    let centres = shift.get_cluster_centers()?;
    Some(centres.mapv(|value| value as f32))
}

/// So many of the points at most, evenly spread over all.
fn spread(points: &Array2<f32>, most: usize) -> Array2<f32> {
    let count = points.nrows();
    let taken = count.min(most);
    let indices: Vec<usize> = (0..taken).map(|i| i * count / taken).collect();
    points.select(Axis(0), &indices)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::cluster::nearest;
    use super::*;

    /// Three regions in each of 60 images, around three places, or one place for all.
    fn regions(places: usize) -> (Array2<f32>, Vec<usize>) {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let points = Array2::from_shape_fn((180, 5), |(i, d)| {
            let middle = if i % places == d { 4.0 } else { 0.0 };
            middle + rng.random_range(-0.5..0.5)
        });
        (points, (0..180).map(|i| i / 3).collect())
    }

    #[test]
    fn the_bandwidth_from_the_regions_finds_the_three_places() {
        let (points, image) = regions(3);
        let shifted = mean_shift(&points, &image, None, 1).unwrap();
        let label = |row: usize| nearest(shifted.centres.view(), points.row(row));
        assert!((3..180).all(|row| label(row) == label(row % 3)));
        assert!(label(0) != label(1) && label(1) != label(2) && label(0) != label(2));
        assert!(shifted.found_again > 0.9, "{}", shifted.found_again);
    }

    #[test]
    fn a_bandwidth_that_is_given_is_used() {
        let (points, image) = regions(3);
        let shifted = mean_shift(&points, &image, Some(50.0), 1).unwrap();
        assert_eq!((shifted.centres.nrows(), shifted.bandwidth), (1, 50.0));
    }

    #[test]
    fn regions_that_do_not_differ_have_no_clusters() {
        assert!(mean_shift(&Array2::zeros((30, 4)), &[0; 30], None, 1).is_none());
        assert!(mean_shift(&Array2::zeros((0, 4)), &[], None, 1).is_none());
    }
}
