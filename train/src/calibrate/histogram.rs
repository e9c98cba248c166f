//! What good class histograms look like: one Gaussian, or neighbours where the product comes in variants.

use aecsad_inspect::branches::histogram::{Histogram, HistogramModel};
use aecsad_inspect::branches::shared::class_shares::{histogram, length};
use aecsad_inspect::branches::shared::reference::{NEIGHBOURS, Reference};
use aecsad_inspect::branches::shared::shrunk_gaussian::ShrunkGaussian;
use aecsad_inspect::branches::{Branch, BranchModel};
use ndarray::{Array1, Array2, Array3, ArrayView1};

use super::statistics::Fitter;
use super::way::FitBranch;
use crate::estimators::shrinkage;

/// Cells a side of the grid over which shares are taken beside the whole.
pub const GRID: usize = 2;

/// One way to look at class histograms.
#[derive(Clone, Copy, Debug)]
pub struct HistogramWay {
    /// Cells a side of the grid.
    grid: usize,
    /// Nearest good histograms instead of one Gaussian.
    variants: bool,
}

impl HistogramWay {
    /// One Gaussian.
    pub const fn gaussian(grid: usize) -> Self {
        HistogramWay {
            grid,
            variants: false,
        }
    }

    /// Nearest good histograms.
    pub const fn variants(grid: usize) -> Self {
        HistogramWay {
            grid,
            variants: true,
        }
    }
}

impl FitBranch for HistogramWay {
    fn branch(&self) -> Branch {
        Branch::Histogram
    }

    fn fit(&self, parts: &Fitter<'_>) -> Option<Box<dyn BranchModel>> {
        let classes = parts.good().classes?;
        let model = fit(parts.segmented(), classes, *self);
        Some(Box::new(Histogram::new(model)))
    }

    fn how(&self) -> String {
        let model = match self.variants {
            true => "nearest good histograms",
            false => "one Gaussian",
        };
        format!("{model} of shares, {0}×{0} cells", self.grid)
    }

    fn record(&self) -> String {
        let variants = if self.variants { " variants" } else { "" };
        format!("{0}x{0}{variants}", self.grid)
    }
}

/// `parts` are the class probabilities of D_L, registered: `[classes, 64, 64]` each.
pub fn fit(parts: &[Array3<f32>], classes: usize, way: HistogramWay) -> HistogramModel {
    let samples = histograms(parts, classes, way.grid);
    let reference = if way.variants {
        neighbours(&samples)
    } else {
        Reference::Gaussian(shrinkage::gaussian(&samples))
    };
    HistogramModel {
        classes,
        grid: way.grid,
        reference,
    }
}

/// Class histograms, `[parts, length]`.
pub fn histograms(parts: &[Array3<f32>], classes: usize, grid: usize) -> Array2<f32> {
    let mut samples = Array2::zeros((parts.len(), length(classes, grid)));
    let mut buffer = Vec::new();
    for (part, mut row) in parts.iter().zip(samples.rows_mut()) {
        let vector = histogram(part.view(), grid, &mut buffer);
        row.assign(&ArrayView1::from(vector));
    }
    samples
}

/// Whitening by how much a good vector differs from its nearest good neighbours: variants far apart don't widen it.
///
/// *Shapes*: `samples` is `[good parts, n]`.
pub fn neighbours(samples: &Array2<f32>) -> Reference {
    let dimensions = samples.ncols();
    let mut differences = Vec::new();
    for (i, x) in samples.rows().into_iter().enumerate() {
        let mut others: Vec<(f32, usize)> = samples
            .rows()
            .into_iter()
            .enumerate()
            .filter(|(j, _)| *j != i)
            .map(|(j, y)| (squared(x, y), j))
            .collect();
        others.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (_, j) in others.iter().take(NEIGHBOURS) {
            differences.push(&x - &samples.row(*j));
        }
    }
    let mut centred = Array2::zeros((differences.len(), dimensions));
    for (mut row, difference) in centred.rows_mut().into_iter().zip(&differences) {
        row.assign(difference);
    }
    let space = ShrunkGaussian {
        mean: Array1::zeros(dimensions),
        whitening: shrinkage::whitening(&centred),
    };
    let good = samples.dot(&space.whitening);
    Reference::Nearest { space, good }
}

fn squared(a: ArrayView1<'_, f32>, b: ArrayView1<'_, f32>) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}
