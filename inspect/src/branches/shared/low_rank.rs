//! The three feature scales as one map of short vectors: stacked on a common grid, standardised and projected onto
//! the directions in which good parts vary. Position, patch and pooled scores all read this map.

use ndarray::{Array1, Array2};

use super::registration::{Bilinear, Pose};
use crate::arrays::Arrays;
use crate::network::Features;

/// Side of the common grid; stride 8 sees it natively.
pub const GRID: usize = 32;
/// Channels of the stack: strides 4, 8 and 16 in that order.
pub const STACKED: usize = 24 + 40 + 112;

/// Writes the stack as `[GRID², STACKED]`, position-major, seen through `pose`. The outermost cells of the frame,
/// which the padding of the convolutions reaches most, repeat their inner neighbours.
pub fn stack(features: &Features, pose: &Pose, out: &mut Array2<f32>) {
    let inner = |v: f32| v.clamp(1.5 / GRID as f32, 1.0 - 1.5 / GRID as f32);
    let scales = features.scales();
    let scales = scales.each_ref().map(|scale| scale.as_standard_layout());
    for (cell, mut vector) in out.rows_mut().into_iter().enumerate() {
        let centre = |i: usize| (i as f32 + 0.5) / GRID as f32;
        let (x, y) = pose.to_frame(centre(cell % GRID), centre(cell / GRID));
        let mut values = vector.iter_mut();
        for scale in &scales {
            let (_, side, _) = scale.dim();
            let at = Bilinear::new(inner(x), inner(y), side);
            let planes = scale
                .as_slice()
                .unwrap_or_default()
                .chunks_exact(side * side);
            for (plane, value) in planes.zip(&mut values) {
                *value = at.sample(plane);
            }
        }
    }
}

/// Standardise and project, as one affine map from the stack to `rank` whitened directions.
#[derive(Clone, Debug)]
pub struct LowRank {
    /// `[STACKED, rank]`
    pub matrix: Array2<f32>,
    /// `[rank]`, added after the product.
    pub offset: Array1<f32>,
}

impl LowRank {
    pub fn rank(&self) -> usize {
        self.matrix.ncols()
    }

    /// Adds its arrays under `name`.
    pub fn write(&self, arrays: &mut Arrays, name: &str) {
        arrays.insert(format!("{name}.matrix"), self.matrix.clone());
        arrays.insert(format!("{name}.offset"), self.offset.clone());
    }

    /// `stacked` is `[GRID², STACKED]`; writes `[GRID², rank]`.
    pub fn project(&self, stacked: &Array2<f32>, out: &mut Array2<f32>) {
        ndarray::linalg::general_mat_mul(1.0, stacked, &self.matrix, 0.0, out);
        for mut row in out.rows_mut() {
            row += &self.offset;
        }
    }
}
