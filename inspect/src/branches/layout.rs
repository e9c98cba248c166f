//! Component layout (paper, eq. 3): how far each class's shares over the cells of a grid are from the mean normal
//! layout.

use super::shared::aligned_part::AlignedPart;
use super::shared::class_shares::{histogram, length};
use super::statistics::{ArraySource, StatisticsError};
use super::{Branch, BranchModel};
use crate::arrays::Arrays;
use ndarray::{Array1, ArrayView1};

/// `layout` and `mean` are [`histogram`]s without their first, whole-map part: cell by cell,
/// `classes` values each. The mean over the classes of the Euclidean norm over the cells.
///
/// *Shapes*: both are `[cells·classes]`.
pub fn deviation(layout: ArrayView1<'_, f32>, mean: &Array1<f32>, classes: usize) -> f32 {
    if classes == 0 {
        return 0.0;
    }
    let mut total = 0.0;
    for class in 0..classes {
        let squared: f32 = (class..layout.len().min(mean.len()))
            .step_by(classes)
            .map(|i| (layout[i] - mean[i]).powi(2))
            .sum();
        total += squared.sqrt();
    }
    total / classes as f32
}

/// The mean normal layout, `[grid²·(classes − 1)]`.
#[derive(Clone, Debug)]
pub struct LayoutModel {
    pub classes: usize,
    pub grid: usize,
    pub mean: Array1<f32>,
}

/// The branch: the model and the latest part's shares.
#[derive(Clone, Debug)]
pub struct Layout {
    model: LayoutModel,
    shares: Vec<f32>,
}

impl Layout {
    pub fn new(model: LayoutModel) -> Self {
        Layout {
            model,
            shares: Vec::new(),
        }
    }
}

impl BranchModel for Layout {
    fn branch(&self) -> Branch {
        Branch::Layout
    }

    fn score(&mut self, part: &mut AlignedPart<'_>) -> f32 {
        let probabilities = part.probabilities().view();
        let vector = histogram(probabilities, self.model.grid, &mut self.shares);
        let kept = self.model.classes.saturating_sub(1);
        deviation(ArrayView1::from(&vector[kept..]), &self.model.mean, kept)
    }

    fn classes(&self) -> Option<usize> {
        Some(self.model.classes)
    }

    fn write(&self, arrays: &mut Arrays) {
        let LayoutModel {
            classes,
            grid,
            mean,
        } = &self.model;
        let sizes = ndarray::array![*classes as f32, *grid as f32, 0.0];
        arrays.insert("layout.sizes", sizes);
        arrays.insert("layout.mean", mean.clone());
    }

    fn boxed(&self) -> Box<dyn BranchModel> {
        Box::new(self.clone())
    }
}

/// # Errors
/// If the arrays are there and can't be used.
pub fn read(source: &ArraySource<'_>) -> Result<Option<Box<dyn BranchModel>>, StatisticsError> {
    source.branch("layout.sizes", || {
        let (classes, grid) = source.sizes("layout.sizes")?;
        let length = length(classes, grid) - (classes - 1);
        let mean = source.exact("layout.mean", &[length])?;
        Ok(Layout::new(LayoutModel {
            classes,
            grid,
            mean,
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn one_class_moved_from_a_cell_to_the_next() {
        // Two cells, two classes: class 0 moves, class 1 stays.
        let mean = array![1.0, 0.5, 0.0, 0.5];
        let moved = array![0.0, 0.5, 1.0, 0.5];
        let expected = 2.0f32.sqrt() / 2.0;
        assert!((deviation(moved.view(), &mean, 2) - expected).abs() < 1e-6);
        assert_eq!(deviation(mean.view(), &mean, 2), 0.0);
    }
}
