//! Centres of clusters: seeded by distance (k-means++, SODA 2007), then Lloyd's rounds.

use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::{Rng, RngExt};
use rayon::prelude::*;

/// Later rounds move patches between neighbouring clusters and change no score by more than another seed does.
const ROUNDS: usize = 10;
/// Rows whose distances are held at once.
const CHUNK: usize = 2048;

/// `count` centres of the rows of `points`, fewer where there are fewer different rows: `[centres, columns]`.
pub fn k_means(points: &Array2<f32>, count: usize, random: &mut impl Rng) -> Array2<f32> {
    let mut centres = points.select(Axis(0), &scattered(points, count, random));
    for _ in 0..ROUNDS {
        let of_row = assign(points, &centres);
        let mut sums = Array2::<f32>::zeros(centres.raw_dim());
        let mut counts = vec![0u32; centres.nrows()];
        for (point, centre) in points.rows().into_iter().zip(of_row) {
            sums.row_mut(centre).scaled_add(1.0, &point);
            counts[centre] += 1;
        }
        for (centre, count) in counts.into_iter().enumerate().filter(|(_, n)| *n > 0) {
            let mean = &sums.row(centre) / count as f32;
            centres.row_mut(centre).assign(&mean);
        }
    }
    centres
}

/// The nearest centre of each row.
///
/// *Shapes*: `points` is `[points, columns]`, `centres` `[centres, columns]`; the result has one index for each
/// point.
pub fn assign(points: &Array2<f32>, centres: &Array2<f32>) -> Vec<usize> {
    let squared: Array1<f32> = centres.rows().into_iter().map(|c| c.dot(&c)).collect();
    let chunks: Vec<ArrayView2<f32>> = points.axis_chunks_iter(Axis(0), CHUNK).collect();
    let nearest = |points: &ArrayView2<f32>| -> Vec<usize> {
        let products = points.dot(&centres.t());
        let rows = products.rows().into_iter();
        rows.map(|products| {
            let distances = products.iter().zip(&squared).map(|(p, s)| s - 2.0 * p);
            let nearest = distances.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
            nearest.map_or(0, |(centre, _)| centre)
        })
        .collect()
    };
    chunks.par_iter().flat_map_iter(nearest).collect()
}

/// Rows that lie apart: each drawn with a chance that grows with the squared distance to those before it.
fn scattered(points: &Array2<f32>, count: usize, random: &mut impl Rng) -> Vec<usize> {
    if points.is_empty() {
        return Vec::new();
    }
    let mut kept = vec![random.random_range(0..points.nrows())];
    let mut apart = vec![f32::INFINITY; points.nrows()];
    while kept.len() < count {
        let last = points.row(kept[kept.len() - 1]);
        apart.par_iter_mut().enumerate().for_each(|(row, apart)| {
            let pairs = points.row(row).into_iter().zip(&last);
            *apart = apart.min(pairs.map(|(a, b)| (a - b).powi(2)).sum());
        });
        let total: f64 = apart.iter().map(|a| f64::from(*a)).sum();
        if total <= 0.0 {
            break;
        }
        let mut left = random.random_range(0.0..total);
        let drawn = apart.iter().position(|a| {
            left -= f64::from(*a);
            left < 0.0
        });
        // Rounding may leave a hair at the end.
        kept.push(drawn.unwrap_or(points.nrows() - 1));
    }
    kept
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn heaps_are_found_however_large() {
        let heaps = [(0.0, 0.0, 500), (10.0, 0.0, 20), (0.0, 10.0, 5)];
        let rows: Vec<f32> = heaps
            .iter()
            .flat_map(|&(x, y, count)| {
                (0..count).flat_map(move |i| [x + (i % 5) as f32 * 0.1, y + (i % 3) as f32 * 0.1])
            })
            .collect();
        let points = Array2::from_shape_vec((525, 2), rows).unwrap();
        for seed in 0..5 {
            let centres = k_means(&points, 3, &mut ChaCha8Rng::seed_from_u64(seed));
            let of_row = assign(&points, &centres);
            assert_eq!(of_row.len(), 525);
            assert!(of_row[..500].iter().all(|c| *c == of_row[0]));
            assert!(of_row[500..520].iter().all(|c| *c == of_row[500]));
            assert!(of_row[520..].iter().all(|c| *c == of_row[520]));
            assert!(of_row[0] != of_row[500] && of_row[500] != of_row[520]);
        }
    }

    #[test]
    fn no_more_centres_than_different_rows() {
        let points = Array2::from_shape_fn((90, 4), |(row, _)| (row % 2) as f32);
        let centres = k_means(&points, 10, &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(centres.nrows(), 2);
        let none = k_means(
            &Array2::zeros((0, 4)),
            10,
            &mut ChaCha8Rng::seed_from_u64(1),
        );
        assert_eq!(none.dim(), (0, 4));
    }
}
