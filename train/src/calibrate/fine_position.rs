//! Fits the Gaussians of a fine view's positions: a mean each, a covariance for each block of them.

use aecsad_inspect::branches::shared::aligned_part::fine_through_pose;
use aecsad_inspect::branches::shared::packed;
use aecsad_inspect::branches::shared::position_gaussian::{PositionGaussian, Positions};
use aecsad_inspect::branches::shared::registration::Pose;
use aecsad_inspect::network::Percept;
use nalgebra::DMatrix;
use ndarray::{Array2, Array3, Axis};
use rayon::prelude::*;

use super::position::whiten;

/// None without parts that were seen in a fine view. `poses` say where each part lies. A position's mean is that of its
/// neighbours up to `reach` cells away as well; to each covariance's diagonal goes `ridge` × the mean variance.
pub fn fit(
    parts: &[Percept],
    poses: &[Pose],
    reach: usize,
    ridge: f32,
) -> Option<PositionGaussian> {
    let first = &parts.first()?.fine;
    let positions = Positions::fine((first.rows, first.columns));
    let rank = first.vectors.ncols();
    if positions.count() == 0 {
        return None;
    }
    let own = means(parts, poses, positions, rank);
    let mean = smoothed(&own, positions, reach);
    let mut covariances = covariances(parts, poses, positions, &own);
    add_spread_of_neighbours(&mut covariances, &own, &mean, positions, reach);
    let blocks = covariances.len_of(Axis(0));
    let trace: f64 = covariances
        .outer_iter()
        .map(|c| c.diag().iter().map(|v| f64::from(*v)).sum::<f64>())
        .sum();
    let floor = f64::from(ridge) * trace / (blocks * rank) as f64 + 1e-6;
    let mut whitening = Array2::zeros((blocks, packed::length(rank)));
    let rows = whitening.rows_mut().into_iter();
    let rows: Vec<_> = rows.zip(covariances.outer_iter()).collect();
    rows.into_par_iter().for_each(|(mut row, covariance)| {
        let covariance = DMatrix::from_fn(rank, rank, |i, j| {
            f64::from(covariance[[i, j]]) + if i == j { floor } else { 0.0 }
        });
        row.assign(&whiten(covariance, floor).0);
    });
    PositionGaussian::new(positions, mean, whitening)
}

/// `[positions, rank]`
fn means(parts: &[Percept], poses: &[Pose], positions: Positions, rank: usize) -> Array2<f32> {
    let mut sum = Array2::<f64>::zeros((positions.count(), rank));
    let mut registered = Array2::zeros((0, 0));
    for (part, pose) in parts.iter().zip(poses) {
        fine_through_pose(&part.fine, pose, &mut registered);
        sum.zip_mut_with(&registered, |sum, v| *sum += f64::from(*v));
    }
    sum.mapv(|sum| (sum / parts.len() as f64) as f32)
}

/// Each position's mean over its neighbours.
fn smoothed(own: &Array2<f32>, positions: Positions, reach: usize) -> Array2<f32> {
    let mut mean = Array2::zeros(own.raw_dim());
    for (position, mut row) in mean.rows_mut().into_iter().enumerate() {
        let near = neighbours(positions, position, reach);
        for neighbour in &near {
            row.scaled_add(1.0 / near.len() as f32, &own.row(*neighbour));
        }
    }
    mean
}

/// Of each block, around the positions' own means: `[blocks, rank, rank]`.
fn covariances(
    parts: &[Percept],
    poses: &[Pose],
    positions: Positions,
    own: &Array2<f32>,
) -> Array3<f32> {
    let rank = own.ncols();
    let (rows, columns) = positions.blocks();
    let members = members(positions);
    let zero = || Array3::<f32>::zeros((rows * columns, rank, rank));
    let share = parts.len().div_ceil(rayon::current_num_threads()).max(1);
    let sums = parts.par_chunks(share).zip(poses.par_chunks(share));
    let mut sum = sums
        .map(|(parts, poses)| {
            let mut sum = zero();
            let mut registered = Array2::zeros((0, 0));
            for (part, pose) in parts.iter().zip(poses) {
                fine_through_pose(&part.fine, pose, &mut registered);
                registered -= own;
                for (members, mut sum) in members.iter().zip(sum.outer_iter_mut()) {
                    let deviations = registered.select(Axis(0), members);
                    let scale = 1.0 / (members.len() * poses.len().max(1)) as f32;
                    sum.scaled_add(scale, &deviations.t().dot(&deviations));
                }
            }
            (sum, parts.len())
        })
        .collect::<Vec<_>>();
    let total = parts.len() as f32;
    let mut all = zero();
    for (sum, count) in sum.drain(..) {
        all.scaled_add(count as f32 / total, &sum);
    }
    all
}

/// What neighbours' means differ by belongs to what a part may show at a position.
fn add_spread_of_neighbours(
    covariances: &mut Array3<f32>,
    own: &Array2<f32>,
    mean: &Array2<f32>,
    positions: Positions,
    reach: usize,
) {
    if reach == 0 {
        return;
    }
    let rank = own.ncols();
    let blocks: Vec<_> = covariances.outer_iter_mut().collect();
    blocks
        .into_par_iter()
        .zip(members(positions))
        .for_each(|(mut covariance, members)| {
            let pairs: Vec<(usize, usize)> = members
                .iter()
                .flat_map(|p| {
                    neighbours(positions, *p, reach)
                        .into_iter()
                        .map(|q| (*p, q))
                })
                .collect();
            let mut differences = Array2::zeros((pairs.len(), rank));
            for (mut row, (position, neighbour)) in differences.rows_mut().into_iter().zip(&pairs) {
                row.assign(&(&own.row(*neighbour) - &mean.row(*position)));
            }
            let scale = 1.0 / pairs.len() as f32;
            covariance.scaled_add(scale, &differences.t().dot(&differences));
        });
}

/// The positions of each block.
fn members(positions: Positions) -> Vec<Vec<usize>> {
    let (rows, columns) = positions.blocks();
    let blocks = 0..rows * columns;
    blocks
        .map(|block| positions.of_block(block).collect())
        .collect()
}

fn neighbours(positions: Positions, position: usize, reach: usize) -> Vec<usize> {
    let (y, x) = (position / positions.columns, position % positions.columns);
    let span = |v: usize, cells: usize| v.saturating_sub(reach)..=(v + reach).min(cells - 1);
    span(y, positions.rows)
        .flat_map(|ny| span(x, positions.columns).map(move |nx| ny * positions.columns + nx))
        .collect()
}
