//! Fits the Gaussian of each position from good images.

use aecsad::score::low_rank::GRID;
use aecsad::score::position_gaussian::PositionGaussian;
use ndarray::{Array2, ArrayView2};

/// Fits one Gaussian a position. `samples` are `[GRID², rank]` each, at least two; every position also learns from
/// its neighbours up to `reach` cells away, so that a part may lie a little off. To each covariance's diagonal goes
/// `ridge` × the mean variance over all positions, which bounds what a direction that never varied can score.
pub fn fit(samples: &[ArrayView2<'_, f32>], reach: usize, ridge: f32) -> PositionGaussian {
    let rank = samples[0].ncols();
    let cells = GRID * GRID;
    let mut mean = Array2::<f32>::zeros((cells, rank));
    let mut covariances = Vec::with_capacity(cells);
    for position in 0..cells {
        let near = neighbours(position, reach);
        let count = (near.len() * samples.len()) as f64;
        let mut centre = nalgebra::DVector::<f64>::zeros(rank);
        for vector in near
            .iter()
            .flat_map(|&p| samples.iter().map(move |s| s.row(p)))
        {
            for (c, x) in centre.iter_mut().zip(vector) {
                *c += *x as f64 / count;
            }
        }
        let mut deviations = nalgebra::DMatrix::<f64>::zeros(rank, near.len() * samples.len());
        let vectors = near
            .iter()
            .flat_map(|&p| samples.iter().map(move |s| s.row(p)));
        for (mut column, vector) in deviations.column_iter_mut().zip(vectors) {
            for (i, x) in vector.iter().enumerate() {
                column[i] = *x as f64 - centre[i];
            }
        }
        covariances.push(&deviations * deviations.transpose() / count);
        for (m, c) in mean.row_mut(position).iter_mut().zip(centre.iter()) {
            *m = *c as f32;
        }
    }
    let total: f64 = covariances.iter().map(|c| c.trace()).sum();
    let floor = ridge as f64 * total / (cells * rank) as f64 + 1e-6;
    let mut whitening = Array2::<f32>::zeros((cells, rank * (rank + 1) / 2));
    for (position, mut covariance) in covariances.into_iter().enumerate() {
        for i in 0..rank {
            covariance[(i, i)] += floor;
        }
        let inverse = nalgebra::Cholesky::new(covariance)
            .and_then(|c| {
                c.l()
                    .solve_lower_triangular(&nalgebra::DMatrix::identity(rank, rank))
            })
            .unwrap_or_else(|| nalgebra::DMatrix::identity(rank, rank) / floor.sqrt());
        let mut packed = whitening.row_mut(position);
        let lower = (0..rank).flat_map(|i| (0..=i).map(move |j| (i, j)));
        for (w, (i, j)) in packed.iter_mut().zip(lower) {
            *w = inverse[(i, j)] as f32;
        }
    }
    PositionGaussian { mean, whitening }
}

fn neighbours(position: usize, reach: usize) -> Vec<usize> {
    let (y, x) = (position / GRID, position % GRID);
    let span = |v: usize| v.saturating_sub(reach)..=(v + reach).min(GRID - 1);
    span(y)
        .flat_map(|ny| span(x).map(move |nx| ny * GRID + nx))
        .collect()
}
