//! Class shares of a segmentation (paper, section III-E): over the whole image and over the cells of a grid. Shares
//! are summed from probabilities, not from the most probable class: a cell that a part half covers counts half.

use ndarray::ArrayView3;

/// Root shares of classes `1..classes` over the whole map, then over each cell of a `grid`×`grid` division in raster
/// order; background (class 0) is left out, the shares say it already. The root makes small parts count: its variance
/// barely depends on the share.
///
/// *Shapes*: `probabilities` is `[classes, rows, columns]`; `out` has [`length`] values.
pub fn shares(probabilities: ArrayView3<'_, f32>, grid: usize, out: &mut [f32]) {
    out.fill(0.0);
    let (classes, height, width) = probabilities.dim();
    let kept = classes.saturating_sub(1);
    let whole = 1.0 / (height * width) as f32;
    let cell_share = whole * (grid * grid) as f32;
    for (class, plane) in probabilities.outer_iter().enumerate().skip(1) {
        for ((y, x), probability) in plane.indexed_iter() {
            out[class - 1] += whole * probability;
            if grid > 1 {
                let cell = (y * grid / height) * grid + x * grid / width;
                out[kept * (1 + cell) + class - 1] += cell_share * probability;
            }
        }
    }
    for share in out.iter_mut() {
        *share = share.sqrt();
    }
}

/// Length of [`shares`].
pub fn length(classes: usize, grid: usize) -> usize {
    let cells = if grid > 1 { grid * grid } else { 0 };
    classes.saturating_sub(1) * (1 + cells)
}

/// The class histogram of a part: root shares over the whole and a grid. `vector` is the buffer that the result stands in.
///
/// *Shapes*: `probabilities` is `[classes, rows, columns]`; the result has [`length`] values.
pub fn histogram<'a>(
    probabilities: ArrayView3<'_, f32>,
    grid: usize,
    vector: &'a mut Vec<f32>,
) -> &'a [f32] {
    vector.resize(length(probabilities.dim().0, grid), 0.0);
    shares(probabilities, grid, vector);
    vector
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, array};

    #[test]
    fn shares_of_the_whole_and_of_each_quarter() {
        let map = array![[0u8, 1], [1, 2]];
        let mut probabilities = Array3::zeros((3, 2, 2));
        for ((y, x), class) in map.indexed_iter() {
            probabilities[[*class as usize, y, x]] = 1.0;
        }
        let mut out = vec![9.0; length(3, 2)];
        shares(probabilities.view(), 2, &mut out);
        let squared: Vec<f32> = out.iter().map(|s| s * s).collect();
        let expected = [0.5, 0.25, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0];
        for (found, expected) in squared.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{squared:?}");
        }
    }
}
