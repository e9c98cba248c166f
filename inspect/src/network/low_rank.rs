//! A few directions in place of all channels of the three feature scales.

use ndarray::{Array1, Array2};

use crate::arrays::Arrays;

/// Channels of the stack: strides 4, 8 and 16 in that order.
pub const STACKED: usize = 24 + 40 + 112;

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

    /// `stacked` is `[cells, STACKED]`; writes `[cells, rank]`.
    pub fn project(&self, stacked: &Array2<f32>, out: &mut Array2<f32>) {
        ndarray::linalg::general_mat_mul(1.0, stacked, &self.matrix, 0.0, out);
        for mut row in out.rows_mut() {
            row += &self.offset;
        }
    }
}
