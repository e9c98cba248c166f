//! What good parts' pooled features look like.

use aecsad_inspect::branches::pooled::{LENGTH, Pooled, extremes};
use aecsad_inspect::branches::shared::reference::Reference;
use aecsad_inspect::branches::{Branch, BranchModel};
use ndarray::{Array1, Array2};

use super::statistics::Fitter;
use super::way::FitBranch;
use crate::estimators::shrinkage;

/// The one way to fit it.
#[derive(Clone, Copy, Debug)]
pub struct PooledWay;

impl FitBranch for PooledWay {
    fn branch(&self) -> Branch {
        Branch::Pooled
    }

    fn fit(&self, parts: &Fitter<'_>) -> Option<Box<dyn BranchModel>> {
        let train = parts.good().train;
        let mut samples = Array2::zeros((train.len(), LENGTH));
        for (percept, mut row) in train.iter().zip(samples.rows_mut()) {
            let mut vector = Array1::zeros(LENGTH);
            extremes(&percept.features, &mut vector);
            row.assign(&vector);
        }
        let reference = Reference::Gaussian(shrinkage::gaussian(&samples));
        Some(Box::new(Pooled::new(reference)))
    }
}
