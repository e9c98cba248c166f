//! Fits the linear autoencoder over whole parts, and the spread of its residuals on parts that it was not fitted on.

use super::statistics::Fitter;
use super::way::FitBranch;
use aecsad_inspect::branches::context::Context;
use aecsad_inspect::branches::context::ContextBranch;
use aecsad_inspect::branches::{Branch, BranchModel};
use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::position;

/// The spread of what is left over is learnt on parts that the directions were not: with this many folds.
const FOLDS: usize = 4;
const RIDGE: f32 = 0.05;

/// `samples` are `[GRID², rank]` each, registered; `codes` directions are kept.
pub fn fit(samples: &[ArrayView2<'_, f32>], codes: usize) -> Option<Context> {
    let flat = flatten(samples);
    let mut left = Vec::with_capacity(samples.len());
    for fold in 0..FOLDS {
        let inside: Vec<usize> = (0..samples.len()).filter(|i| i % FOLDS != fold).collect();
        let (mean, basis) = directions(&flat.select(Axis(0), &inside), codes);
        for i in (0..samples.len()).filter(|i| i % FOLDS == fold) {
            let centred = &flat.row(i) - &mean;
            let rebuilt = basis.dot(&centred).dot(&basis);
            let shape = samples[i].raw_dim();
            if let Ok(vectors) = (centred - rebuilt).into_shape_with_order(shape) {
                left.push(vectors);
            }
        }
    }
    let left: Vec<ArrayView2<f32>> = left.iter().map(|l| l.view()).collect();
    let (mean, basis) = directions(&flat, codes);
    Some(Context {
        mean,
        basis,
        residual: position::fit(&left, 0, RIDGE)?,
    })
}

fn flatten(samples: &[ArrayView2<'_, f32>]) -> Array2<f32> {
    let length = samples.first().map_or(0, |s| s.len());
    let mut flat = Array2::zeros((samples.len(), length));
    for (sample, mut row) in samples.iter().zip(flat.rows_mut()) {
        for (to, from) in row.iter_mut().zip(sample) {
            *to = *from;
        }
    }
    flat
}

/// Mean and principal directions of the rows, through the small matrix of their products.
fn directions(flat: &Array2<f32>, codes: usize) -> (Array1<f32>, Array2<f32>) {
    let mean = flat.mean_axis(Axis(0)).unwrap_or_default();
    let centred = flat - &mean;
    let products = centred.dot(&centred.t());
    let count = flat.nrows();
    let eigen = SymmetricEigen::new(DMatrix::from_fn(count, count, |i, j| {
        products[[i, j]] as f64
    }));
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
    let kept: Vec<usize> = order
        .into_iter()
        .take(codes)
        .filter(|&k| eigen.eigenvalues[k] > 1e-6)
        .collect();
    let weights = Array2::from_shape_fn((kept.len(), count), |(k, i)| {
        (eigen.eigenvectors[(i, kept[k])] / eigen.eigenvalues[kept[k]].sqrt()) as f32
    });
    (mean, weights.dot(&centred))
}

/// So many numbers stand for the part as a whole.
#[derive(Clone, Copy, Debug)]
pub struct ContextWay {
    pub codes: usize,
}

impl FitBranch for ContextWay {
    fn branch(&self) -> Branch {
        Branch::Context
    }

    fn fit(&self, parts: &Fitter<'_>) -> Option<Box<dyn BranchModel>> {
        let context = fit(&parts.vectors(), self.codes)?;
        Some(Box::new(ContextBranch::new(context)))
    }

    fn how(&self) -> String {
        format!("a code of {} numbers", self.codes)
    }

    fn record(&self) -> String {
        format!("{} codes", self.codes)
    }
}

#[cfg(test)]
mod tests {
    use aecsad_inspect::branches::shared::low_rank::GRID;

    use super::*;

    /// Two variants, each part all 0 or all 1 with a little noise: a part that is half of each is the anomalous one.
    #[test]
    fn a_part_of_two_variants_cannot_be_rebuilt() {
        let cells = GRID * GRID;
        let noise = |i: usize, c: usize| ((i * 31 + c * 17) % 13) as f32 / 130.0;
        let part =
            |i: usize, level: f32| Array2::from_shape_fn((cells, 1), |(c, _)| level + noise(i, c));
        let good: Vec<Array2<f32>> = (0..24).map(|i| part(i, (i % 2) as f32)).collect();
        let views: Vec<ArrayView2<f32>> = good.iter().map(|g| g.view()).collect();
        let context = fit(&views, 2).unwrap();
        let mut rebuilt = Array2::zeros((cells, 1));
        let mut worst = |part: &Array2<f32>| {
            let mut map = vec![0.0; cells];
            context.map(part, &mut rebuilt, &mut map);
            map.into_iter().fold(0.0, f32::max)
        };
        let mixed = Array2::from_shape_fn((cells, 1), |(c, _)| {
            noise(7, c) + (c > cells / 2) as u8 as f32
        });
        let (ordinary, anomalous) = (worst(&part(40, 1.0)), worst(&mixed));
        assert!(anomalous > 2.0 * ordinary, "{anomalous} against {ordinary}");
    }
}
