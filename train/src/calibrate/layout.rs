//! What good parts' layout of components looks like.

use aecsad_inspect::branches::layout::{Layout, LayoutModel};
use aecsad_inspect::branches::{Branch, BranchModel};
use ndarray::{Axis, s};

use super::histogram::{GRID, histograms};
use super::statistics::Fitter;
use super::way::FitBranch;

/// The mean normal layout (paper, eq. 3), the one way to fit it.
#[derive(Clone, Copy, Debug)]
pub struct LayoutWay;

impl FitBranch for LayoutWay {
    fn branch(&self) -> Branch {
        Branch::Layout
    }

    fn fit(&self, parts: &Fitter<'_>) -> Option<Box<dyn BranchModel>> {
        let classes = parts.good().classes?;
        let samples = histograms(parts.segmented(), classes, GRID);
        let cells = samples.slice(s![.., classes - 1..]);
        let mean = cells.mean_axis(Axis(0)).unwrap_or_default();
        Some(Box::new(Layout::new(LayoutModel {
            classes,
            grid: GRID,
            mean,
        })))
    }
}
