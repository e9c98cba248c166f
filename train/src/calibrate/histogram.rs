//! What good class histograms look like: one Gaussian, or neighbours where the product comes in variants.

use aecsad::score::class_histogram::{histogram, length};
use aecsad::score::reference::{NEIGHBOURS, Reference};
use aecsad::score::scorer::{HistogramModel, LayoutModel};
use aecsad::score::shrunk_gaussian::ShrunkGaussian;
use ndarray::{Array1, Array2, ArrayView1, Axis, s};

use super::shrinkage;

/// Cells a side of the grid over which shares are taken beside the whole.
pub const GRID: usize = 2;

/// `maps` are the class maps of D_L as the trained network sees them, registered.
pub fn fit(maps: &[Array2<u8>], classes: usize, grid: usize, variants: bool) -> HistogramModel {
    let samples = histograms(maps, classes, grid);
    let reference = if variants {
        neighbours(&samples)
    } else {
        Reference::Gaussian(shrinkage::gaussian(&samples))
    };
    HistogramModel { classes, grid, reference }
}

/// The mean normal layout (paper, eq. 3).
pub fn fit_layout(maps: &[Array2<u8>], classes: usize, grid: usize) -> LayoutModel {
    let samples = histograms(maps, classes, grid);
    let cells = samples.slice(s![.., classes - 1..]);
    let mean = cells.mean_axis(Axis(0)).unwrap_or_default();
    LayoutModel { classes, grid, mean }
}

fn histograms(maps: &[Array2<u8>], classes: usize, grid: usize) -> Array2<f32> {
    let mut samples = Array2::zeros((maps.len(), length(classes, grid)));
    for (map, mut row) in maps.iter().zip(samples.rows_mut()) {
        if let Some(row) = row.as_slice_mut() {
            histogram(map.view(), classes, grid, row);
        }
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
