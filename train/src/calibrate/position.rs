//! Fits the Gaussian of each position from good images.

use super::fine_position;
use super::statistics::Fitter;
use super::way::FitBranch;
use aecsad_inspect::branches::position::Position;
use aecsad_inspect::branches::shared::low_rank::GRID;
use aecsad_inspect::branches::shared::packed;
use aecsad_inspect::branches::shared::position_gaussian::{PositionGaussian, Positions};
use aecsad_inspect::branches::{Branch, BranchModel, View};
use nalgebra::{DMatrix, DVector};
use ndarray::{Array1, Array2, ArrayView2};
use rayon::prelude::*;

/// Fits one Gaussian a position. `samples` are `[GRID², rank]` each, at least two; every position also learns from
/// its neighbours up to `reach` cells away, so that a part may lie a little off. To each covariance's diagonal goes
/// `ridge` × the mean variance over all positions, which bounds what a direction that never varied can score.
pub fn fit(samples: &[ArrayView2<'_, f32>], reach: usize, ridge: f32) -> Option<PositionGaussian> {
    let rank = samples.first().map_or(0, |s| s.ncols());
    let cells = GRID * GRID;
    let moments: Vec<(DVector<f64>, DMatrix<f64>)> = (0..cells)
        .into_par_iter()
        .map(|position| moments(samples, &neighbours(position, reach), rank))
        .collect();
    let total: f64 = moments.iter().map(|(_, c)| c.trace()).sum();
    let floor = ridge as f64 * total / (cells * rank.max(1)) as f64 + 1e-6;
    let mut mean = Array2::<f32>::zeros((cells, rank));
    let mut whitening = Array2::<f32>::zeros((cells, packed::length(rank)));
    for (position, (centre, mut covariance)) in moments.into_iter().enumerate() {
        for (m, c) in mean.row_mut(position).iter_mut().zip(centre.iter()) {
            *m = *c as f32;
        }
        for i in 0..rank {
            covariance[(i, i)] += floor;
        }
        let (packed, _) = whiten(covariance, floor);
        whitening.row_mut(position).assign(&packed);
    }
    PositionGaussian::new(Positions::WHOLE, mean, whitening)
}

/// The packed whitening matrix of a covariance, and the logarithm of its determinant. One without an inverse is taken for
/// `floor` in each direction.
///
/// *Shapes*: `covariance` is `[rank, rank]`, the packed matrix `[rank·(rank + 1)/2]`.
pub fn whiten(covariance: DMatrix<f64>, floor: f64) -> (Array1<f32>, f64) {
    let rank = covariance.nrows();
    let identity = DMatrix::identity(rank, rank);
    let factor = nalgebra::Cholesky::new(covariance)
        .map_or_else(|| &identity * floor.sqrt(), |cholesky| cholesky.l());
    let log_determinant = 2.0 * factor.diagonal().iter().map(|d| d.ln()).sum::<f64>();
    let inverse = factor
        .solve_lower_triangular(&identity)
        .unwrap_or_else(|| identity / floor.sqrt());
    let lower = (0..rank).flat_map(|i| (0..=i).map(move |j| (i, j)));
    let packed = lower.map(|at| inverse[at] as f32).collect();
    (packed, log_determinant)
}

/// Mean and covariance of the vectors at `cells`, over all samples.
fn moments(
    samples: &[ArrayView2<'_, f32>],
    cells: &[usize],
    rank: usize,
) -> (DVector<f64>, DMatrix<f64>) {
    let vectors = || {
        cells
            .iter()
            .flat_map(|&c| samples.iter().map(move |s| s.row(c)))
    };
    let count = (cells.len() * samples.len()) as f64;
    let mut centre = DVector::<f64>::zeros(rank);
    for vector in vectors() {
        for (c, x) in centre.iter_mut().zip(vector) {
            *c += *x as f64 / count;
        }
    }
    let mut deviations = Array2::<f32>::zeros((cells.len() * samples.len(), rank));
    for (mut row, vector) in deviations.rows_mut().into_iter().zip(vectors()) {
        for ((d, x), c) in row.iter_mut().zip(vector).zip(centre.iter()) {
            *d = x - *c as f32;
        }
    }
    let product = deviations.t().dot(&deviations);
    let covariance = DMatrix::from_fn(rank, rank, |i, j| product[[i, j]] as f64 / count);
    (centre, covariance)
}

fn neighbours(position: usize, reach: usize) -> Vec<usize> {
    let (y, x) = (position / GRID, position % GRID);
    let span = |v: usize| v.saturating_sub(reach)..=(v + reach).min(GRID - 1);
    span(y)
        .flat_map(|ny| span(x).map(move |nx| ny * GRID + nx))
        .collect()
}

/// Added to each position's covariance, in mean variances.
pub(super) const RIDGE: f32 = 0.05;

/// A position's statistics are also learnt from neighbours up to `reach` cells away.
#[derive(Clone, Copy, Debug)]
pub struct PositionWay {
    pub reach: usize,
    pub view: View,
}

impl FitBranch for PositionWay {
    fn branch(&self) -> Branch {
        match self.view {
            View::Whole => Branch::Position,
            View::Fine => Branch::FinePosition,
        }
    }

    fn fit(&self, parts: &Fitter<'_>) -> Option<Box<dyn BranchModel>> {
        let gaussian = match self.view {
            View::Whole => fit(&parts.vectors(), self.reach, RIDGE)?,
            View::Fine => fine_position::fit(parts.good().train, parts.poses(), self.reach, RIDGE)?,
        };
        Some(Box::new(Position::new(gaussian, self.view)))
    }

    fn how(&self) -> String {
        format!("neighbours up to {} cells away", self.reach)
    }

    fn record(&self) -> String {
        format!("reach {}", self.reach)
    }
}
