//! Component layout (paper, eq. 3): how far each class's shares over the cells of a grid are from the mean normal
//! layout.

use ndarray::{Array1, ArrayView1};

/// `layout` and `mean` are [`super::class_histogram::histogram`]s without their first, whole-map part: cell by cell,
/// `classes` values each. The mean over the classes of the Euclidean norm over the cells.
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

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn one_class_moved_from_a_cell_to_the_next() {
        // Two cells, two classes: class 0 moves, class 1 stays.
        let mean = array![1.0, 0.5, 0.0, 0.5];
        let moved = array![0.0, 0.5, 1.0, 0.5];
        let wanted = 2.0f32.sqrt() / 2.0;
        assert!((deviation(moved.view(), &mean, 2) - wanted).abs() < 1e-6);
        assert_eq!(deviation(mean.view(), &mean, 2), 0.0);
    }
}
