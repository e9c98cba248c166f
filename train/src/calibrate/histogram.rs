//! What good class histograms look like: one Gaussian, or neighbours where the product comes in variants.

use aecsad_inspect::score::class_histogram::length;
use aecsad_inspect::score::reference::{NEIGHBOURS, Reference};
use aecsad_inspect::score::scorer::{HistogramModel, LayoutModel, histogram};
use aecsad_inspect::score::shrunk_gaussian::ShrunkGaussian;
use ndarray::{Array1, Array2, Array3, ArrayView1, Axis, s};

use super::shrinkage;

/// Cells a side of the grid over which shares are taken beside the whole.
pub const GRID: usize = 2;

/// One way to look at class histograms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Cells a side of the grid.
    pub grid: usize,
    /// Nearest good histograms instead of one Gaussian.
    pub variants: bool,
}

impl std::fmt::Display for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let model = if self.variants {
            "nearest good histograms"
        } else {
            "one Gaussian"
        };
        write!(f, "{model} of shares, {0}×{0} cells", self.grid)
    }
}

/// `parts` are the class probabilities of D_L, registered: `[classes, 64, 64]` each.
pub fn fit(parts: &[Array3<f32>], classes: usize, view: View) -> HistogramModel {
    let samples = histograms(parts, classes, view.grid);
    let reference = if view.variants {
        neighbours(&samples)
    } else {
        Reference::Gaussian(shrinkage::gaussian(&samples))
    };
    HistogramModel {
        classes,
        grid: view.grid,
        reference,
    }
}

/// The mean normal layout (paper, eq. 3).
pub fn fit_layout(parts: &[Array3<f32>], classes: usize, grid: usize) -> LayoutModel {
    let samples = histograms(parts, classes, grid);
    let cells = samples.slice(s![.., classes - 1..]);
    let mean = cells.mean_axis(Axis(0)).unwrap_or_default();
    LayoutModel {
        classes,
        grid,
        mean,
    }
}

fn histograms(parts: &[Array3<f32>], classes: usize, grid: usize) -> Array2<f32> {
    let mut samples = Array2::zeros((parts.len(), length(classes, grid)));
    let mut buffer = Vec::new();
    for (part, mut row) in parts.iter().zip(samples.rows_mut()) {
        let vector = histogram(part.view(), grid, &mut buffer);
        row.assign(&ArrayView1::from(vector));
    }
    samples
}

/// Whitening by how much a good vector differs from its nearest good neighbours: variants far apart don't widen it.
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
