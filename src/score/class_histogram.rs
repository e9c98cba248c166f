//! Class shares of a segmentation map: over the whole image and over the cells of a grid (paper, section III-E).

use ndarray::ArrayView2;

/// Shares of classes `1..classes` over the whole map, then over each cell of a `grid`×`grid` division in raster
/// order; background (class 0) is left out, the shares say it already. `classes` above every label in `map`.
/// The square root makes small parts count: its variance hardly depends on the share.
pub fn histogram(map: ArrayView2<'_, u8>, classes: usize, grid: usize, out: &mut [f32]) {
    out.fill(0.0);
    let (height, width) = map.dim();
    let kept = classes.saturating_sub(1);
    let whole = 1.0 / (height * width) as f32;
    let cell_share = whole * (grid * grid) as f32;
    for ((y, x), &class) in map.indexed_iter() {
        let class = class as usize;
        if class == 0 || class >= classes {
            continue;
        }
        out[class - 1] += whole;
        if grid > 1 {
            let cell = (y * grid / height) * grid + x * grid / width;
            out[kept * (1 + cell) + class - 1] += cell_share;
        }
    }
    for share in out.iter_mut() {
        *share = share.sqrt();
    }
}

/// Length of [`histogram`]'s output.
pub fn length(classes: usize, grid: usize) -> usize {
    let cells = if grid > 1 { grid * grid } else { 0 };
    classes.saturating_sub(1) * (1 + cells)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn counts_classes_over_the_whole_and_each_quarter() {
        let map = array![[0u8, 1], [1, 2]];
        let mut out = vec![9.0; length(3, 2)];
        histogram(map.view(), 3, 2, &mut out);
        let squared: Vec<f32> = out.iter().map(|s| s * s).collect();
        let wanted = [0.5, 0.25, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0];
        for (found, wanted) in squared.iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-6, "{squared:?}");
        }
    }
}
