//! The mixture of patches: k-means finds their kinds, each gets a Gaussian of its own.

use super::statistics::Fitter;
use super::way::FitBranch;
use aecsad_inspect::branches::patch::Patch;
use aecsad_inspect::branches::patch::PatchMixture;
use aecsad_inspect::branches::shared::low_rank::{GRID, LowRank, STACKED, stack};
use aecsad_inspect::branches::shared::packed;
use aecsad_inspect::branches::shared::registration::Pose;
use aecsad_inspect::branches::{Branch, BranchModel, View};
use aecsad_inspect::network::Percept;
use nalgebra::DMatrix;
use ndarray::{Array1, Array2, ArrayViewMut2, Axis};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::k_means::{assign, k_means};
use super::position;
use crate::estimators::low_rank;

/// Patches that the Gaussians are learnt from, drawn evenly from all images.
const POOL: usize = 120_000;
/// As many in the fine view, whose cells show more kinds.
const FINE_POOL: usize = 320_000;
/// Of these, as many are enough to find the kinds.
const CLUSTERED: usize = 60_000;
/// Directions kept of the stacked features.
const RANK: usize = 64;
/// Kinds at most, in the whole view and in the fine one, and the patches that each needs on average.
const KINDS: usize = 256;
const FINE_KINDS: usize = 1024;
const PATCHES_A_KIND: usize = 300;
/// More kinds than these come in groups, of about as many kinds as there are groups.
const UNGROUPED: usize = 256;
/// A kind of so many patches believes half in its own covariance and half in that of all kinds.
const HALF_OWN: f64 = RANK as f64 / 2.0;
/// Added to each kind's covariance, in its mean variances.
const RIDGE: f64 = 0.02;

/// The mixture of these patches (`[patches, rank]`), of `most` kinds; None without any.
fn mixture(patches: &Array2<f32>, most: usize, seed: u64) -> Option<PatchMixture> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..patches.nrows()).collect();
    order.shuffle(&mut random);
    let clustered = patches.select(Axis(0), &order[..order.len().min(CLUSTERED)]);
    let kinds = (patches.nrows() / PATCHES_A_KIND).clamp(1, most);
    let centres = k_means(&clustered, kinds, &mut random);
    drop(clustered);
    let (centres, groups) = grouped(centres, &mut random);
    gaussians(patches, &centres, &groups)
}

/// The centres, those of a group side by side, and how many each group has.
fn grouped(centres: Array2<f32>, random: &mut ChaCha8Rng) -> (Array2<f32>, Vec<usize>) {
    let kinds = centres.nrows();
    if kinds <= UNGROUPED {
        return (centres, vec![kinds]);
    }
    let count = (kinds as f64).sqrt().round() as usize;
    let group_of = assign(&centres, &k_means(&centres, count, random));
    let mut order: Vec<usize> = (0..kinds).collect();
    order.sort_by_key(|kind| group_of[*kind]);
    let mut sizes = vec![0; count];
    for group in group_of {
        sizes[group] += 1;
    }
    sizes.retain(|size| *size > 0);
    (centres.select(Axis(0), &order), sizes)
}

/// In the whole view; None without parts.
pub fn fit(parts: &[Percept], seed: u64) -> Option<Patch> {
    if parts.is_empty() {
        return None;
    }
    let pool = [draw(parts, seed)];
    let low_rank = low_rank::fit(&pool, RANK);
    let patches = project(&pool[0], &low_rank);
    drop(pool);
    Patch::whole(mixture(&patches, KINDS, seed)?, low_rank)
}

/// The same kinds as `before`, which saw the same parts through other networks: clusters found anew would be others, and
/// scores differ by more than the networks do.
pub fn fit_again(parts: &[Percept], seed: u64, before: &Patch) -> Option<Patch> {
    let low_rank = before.low_rank()?.clone();
    let patches = project(&draw(parts, seed), &low_rank);
    Patch::whole(gaussians_again(&patches, before.mixture())?, low_rank)
}

/// In the fine view; None without parts that were seen in it.
pub fn fine(parts: &[Percept], seed: u64) -> Option<Patch> {
    fit_fine(parts, seed, None)
}

/// In the fine view, with the kinds of `before` where there is one; None without parts that were seen in it.
fn fit_fine(parts: &[Percept], seed: u64, before: Option<&Patch>) -> Option<Patch> {
    let first = &parts.first()?.fine;
    let cells = (first.rows, first.columns);
    let patches = draw_fine(parts, seed);
    let mixture = match before {
        _ if patches.is_empty() => None,
        Some(before) => gaussians_again(&patches, before.mixture()),
        None => mixture(&patches, FINE_KINDS, seed),
    };
    Some(Patch::fine(mixture?, cells))
}

fn project(stacked: &Array2<f32>, low_rank: &LowRank) -> Array2<f32> {
    let mut patches = Array2::zeros((stacked.nrows(), low_rank.rank()));
    low_rank.project(stacked, &mut patches);
    patches
}

/// At most [`FINE_POOL`] patches of the fine view, as many of each part, `[patches, rank]`.
fn draw_fine(parts: &[Percept], seed: u64) -> Array2<f32> {
    let (cells, rank) = parts.first().map_or((0, 0), |p| p.fine.vectors.dim());
    let of_each = (FINE_POOL / parts.len().max(1))
        .clamp(1, cells.max(1))
        .min(cells);
    let mut pool = Array2::zeros((parts.len() * of_each, rank));
    let rows = pool.axis_chunks_iter_mut(Axis(0), of_each.max(1));
    for (index, (mut rows, part)) in rows.into_iter().zip(parts).enumerate() {
        for (mut row, cell) in rows
            .rows_mut()
            .into_iter()
            .zip(cells_of(index, cells, seed))
        {
            row.assign(&part.fine.vectors.row(cell));
        }
    }
    pool
}

/// The cells of part `index` in an order that is random and the same each time.
fn cells_of(index: usize, cells: usize, seed: u64) -> Vec<usize> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(1 + index as u64);
    let mut order: Vec<usize> = (0..cells).collect();
    order.shuffle(&mut random);
    order
}

/// At most [`POOL`] patches, as many of each part, `[patches, STACKED]`.
fn draw(parts: &[Percept], seed: u64) -> Array2<f32> {
    let of_each = (POOL / parts.len().max(1)).clamp(1, GRID * GRID);
    let mut pool = Array2::zeros((parts.len() * of_each, STACKED));
    let rows: Vec<ArrayViewMut2<f32>> = pool.axis_chunks_iter_mut(Axis(0), of_each).collect();
    rows.into_par_iter()
        .zip(parts)
        .enumerate()
        .for_each(|(index, (mut rows, part))| {
            let cells = cells_of(index, GRID * GRID, seed);
            let mut stacked = Array2::zeros((GRID * GRID, STACKED));
            stack(&part.features, &Pose::default(), &mut stacked);
            for (mut row, cell) in rows.rows_mut().into_iter().zip(&cells) {
                row.assign(&stacked.row(*cell));
            }
        });
    pool
}

/// The rows of each kind, and how many kinds each group has; kinds of less than two rows are left out.
fn members(of_row: &[usize], groups: &[usize]) -> (Vec<Vec<usize>>, Vec<usize>) {
    let mut members = vec![Vec::new(); groups.iter().sum()];
    for (row, kind) in of_row.iter().enumerate() {
        members[*kind].push(row);
    }
    let mut first = 0;
    let mut kept = Vec::with_capacity(groups.len());
    for kinds in groups {
        let of_group = &members[first..first + kinds];
        kept.push(of_group.iter().filter(|rows| rows.len() > 1).count());
        first += kinds;
    }
    members.retain(|rows| rows.len() > 1);
    kept.retain(|kinds| *kinds > 0);
    (members, kept)
}

/// Mean and covariance of the rows.
fn moments(patches: &Array2<f32>) -> (Array1<f32>, DMatrix<f64>) {
    let mean = patches.mean_axis(Axis(0)).unwrap_or_default();
    let centred = patches - &mean;
    let products = centred.t().dot(&centred);
    let count = patches.nrows() as f64;
    let shape = products.dim();
    let covariance = DMatrix::from_fn(shape.0, shape.1, |i, j| f64::from(products[[i, j]]) / count);
    (mean, covariance)
}

/// The kinds of `before`, each with a Gaussian of these patches.
fn gaussians_again(patches: &Array2<f32>, before: &PatchMixture) -> Option<PatchMixture> {
    gaussians(patches, before.means(), &before.groups())
}

/// One Gaussian for each centre's patches; `groups` says how many centres each group has.
fn gaussians(
    patches: &Array2<f32>,
    centres: &Array2<f32>,
    groups: &[usize],
) -> Option<PatchMixture> {
    let rank = patches.ncols();
    let (members, groups) = members(&assign(patches, centres), groups);
    let (means, covariances): (Vec<Array1<f32>>, Vec<DMatrix<f64>>) = members
        .par_iter()
        .map(|rows| moments(&patches.select(Axis(0), rows)))
        .unzip();
    let total = members.iter().map(Vec::len).sum::<usize>() as f64;
    let mut of_all = DMatrix::<f64>::zeros(rank, rank);
    for (rows, covariance) in members.iter().zip(&covariances) {
        of_all += covariance * (rows.len() as f64 / total);
    }
    let mut all_means = Array2::zeros((means.len(), rank));
    let mut whitening = Array2::zeros((means.len(), packed::length(rank)));
    let mut rarity = Array1::zeros(means.len());
    for (kind, covariance) in covariances.into_iter().enumerate() {
        let count = members[kind].len() as f64;
        let own = count / (count + HALF_OWN);
        let mut covariance = covariance * own + &of_all * (1.0 - own);
        let floor = RIDGE * covariance.trace() / rank as f64 + 1e-6;
        for i in 0..rank {
            covariance[(i, i)] += floor;
        }
        let (packed, log_determinant) = position::whiten(covariance, floor);
        all_means.row_mut(kind).assign(&means[kind]);
        whitening.row_mut(kind).assign(&packed);
        rarity[kind] = (log_determinant - 2.0 * (count / total).ln()) as f32;
    }
    PatchMixture::new(all_means, whitening, rarity, &groups)
}

/// The mixture in one view; again with the kinds that the same parts had as other networks saw them.
#[derive(Clone, Copy, Debug)]
pub struct PatchWay {
    pub view: View,
}

impl FitBranch for PatchWay {
    fn branch(&self) -> Branch {
        match self.view {
            View::Whole => Branch::Patch,
            View::Fine => Branch::FinePatch,
        }
    }

    fn fit(&self, parts: &Fitter<'_>) -> Option<Box<dyn BranchModel>> {
        let good = parts.good();
        let before = good
            .before
            .and_then(|before| before.of::<Patch>(self.branch()));
        let patch = match (self.view, before) {
            (View::Fine, before) => fit_fine(good.train, good.seed, before)?,
            (View::Whole, Some(before)) => fit_again(good.train, good.seed, before)?,
            (View::Whole, None) => fit(good.train, good.seed)?,
        };
        Some(Box::new(patch))
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    /// A part of two kinds of places, left and right, and noise.
    fn part(noise: &mut ChaCha8Rng) -> Percept {
        let mut percept = Percept::empty();
        let features = &mut percept.features;
        for map in [
            &mut features.stride4,
            &mut features.stride8,
            &mut features.stride16,
        ] {
            let side = map.dim().2;
            for ((_, _, x), value) in map.indexed_iter_mut() {
                *value = f32::from(u8::from(x >= side / 2)) * 4.0 + noise.random_range(-0.5..0.5);
            }
        }
        percept
    }

    fn map(patch: &Patch, part: &Percept) -> Vec<f32> {
        let mut stacked = Array2::zeros((GRID * GRID, STACKED));
        stack(&part.features, &Pose::default(), &mut stacked);
        let vectors = project(&stacked, patch.low_rank().unwrap());
        let mut map = vec![0.0; GRID * GRID];
        let mixture = patch.mixture();
        mixture.map(&vectors, &mut mixture.scratch(map.len()), &mut map);
        map
    }

    #[test]
    fn many_kinds_are_grouped_and_none_is_lost() {
        let centres = |count: usize| {
            Array2::from_shape_fn((count, 2), |(i, axis)| ((i * 7 + axis * 3) % 301) as f32)
        };
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let (few, groups) = grouped(centres(UNGROUPED), &mut random);
        assert_eq!((few, groups), (centres(UNGROUPED), vec![UNGROUPED]));
        let (many, groups) = grouped(centres(300), &mut random);
        assert_eq!(groups.iter().sum::<usize>(), 300);
        assert!(groups.len() > 10 && !groups.contains(&0));
        let sorted = |centres: &Array2<f32>| {
            let mut firsts: Vec<u32> = centres.column(0).iter().map(|v| *v as u32).collect();
            firsts.sort_unstable();
            firsts
        };
        assert_eq!(sorted(&many), sorted(&centres(300)));
    }

    #[test]
    fn a_kind_without_patches_leaves_its_group() {
        let (kept, groups) = members(&[0, 0, 2, 2, 2, 3], &[2, 1, 1]);
        assert_eq!(kept, [vec![0, 1], vec![2, 3, 4]]);
        assert_eq!(groups, [1, 1]);
    }

    #[test]
    fn what_is_of_no_kind_is_anomalous_and_fitted_again_as_anomalous() {
        let mut noise = ChaCha8Rng::seed_from_u64(2);
        let good: Vec<Percept> = (0..6).map(|_| part(&mut noise)).collect();
        let mixture = fit(&good, 1).unwrap();
        let mut odd = part(&mut noise);
        odd.features
            .stride8
            .slice_mut(ndarray::s![.., 10, 5])
            .fill(2.0);
        let anomalous = map(&mixture, &odd);
        let cell = 10 * GRID + 5;
        let others = (0..GRID * GRID)
            .filter(|c| *c != cell)
            .map(|c| anomalous[c]);
        let next = others.fold(0.0, f32::max);
        assert!(
            anomalous[cell] > 1.2 * next,
            "{} and {next}",
            anomalous[cell]
        );

        let again = fit_again(&good, 1, &mixture).unwrap();
        let directions = |patch: &Patch| patch.low_rank().unwrap().matrix.clone();
        assert_eq!(directions(&again), directions(&mixture));
        let difference = map(&again, &odd)[cell] / anomalous[cell] - 1.0;
        assert!(difference.abs() < 0.2, "{difference}");
        assert!(fit(&[], 1).is_none());
    }
}
