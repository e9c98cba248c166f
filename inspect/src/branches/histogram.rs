//! Class histogram (paper, section III-E): how far the shares of a part's components are from those of good parts.

use ndarray::ArrayView1;

use super::shared::aligned_part::AlignedPart;
use super::shared::class_shares::{histogram, length};
use super::shared::reference::Reference;
use super::statistics::{ArraySource, StatisticsError};
use super::{Branch, BranchModel};
use crate::arrays::Arrays;

/// Class histograms and what good ones look like.
#[derive(Clone, Debug)]
pub struct HistogramModel {
    pub classes: usize,
    pub grid: usize,
    pub reference: Reference,
}

/// The branch: the model and the latest part's shares.
#[derive(Clone, Debug)]
pub struct Histogram {
    model: HistogramModel,
    shares: Vec<f32>,
}

impl Histogram {
    pub fn new(model: HistogramModel) -> Self {
        Histogram {
            model,
            shares: Vec::new(),
        }
    }
}

impl BranchModel for Histogram {
    fn branch(&self) -> Branch {
        Branch::Histogram
    }

    fn score(&mut self, part: &mut AlignedPart<'_>) -> f32 {
        let probabilities = part.probabilities().view();
        let vector = histogram(probabilities, self.model.grid, &mut self.shares);
        self.model.reference.distance(ArrayView1::from(vector))
    }

    fn classes(&self) -> Option<usize> {
        Some(self.model.classes)
    }

    fn write(&self, arrays: &mut Arrays) {
        let HistogramModel {
            classes,
            grid,
            reference,
        } = &self.model;
        let sizes = ndarray::array![*classes as f32, *grid as f32, 0.0];
        arrays.insert("histogram.sizes", sizes);
        reference.write(arrays, "histogram");
    }

    fn boxed(&self) -> Box<dyn BranchModel> {
        Box::new(self.clone())
    }
}

/// # Errors
/// If the arrays are there and can't be used.
pub fn read(source: &ArraySource<'_>) -> Result<Option<Box<dyn BranchModel>>, StatisticsError> {
    source.branch("histogram.sizes", || {
        let (classes, grid) = source.sizes("histogram.sizes")?;
        let reference = source.reference("histogram", length(classes, grid))?;
        Ok(Histogram::new(HistogramModel {
            classes,
            grid,
            reference,
        }))
    })
}
