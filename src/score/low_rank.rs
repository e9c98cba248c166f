//! The three feature scales as one map of short vectors: stacked on a common grid, standardised and projected onto
//! the directions in which good parts vary. Position, patch and pooled scores all read this map.

use ndarray::{Array1, Array2, ArrayView3};

use crate::network::Features;

/// Side of the common grid; stride 8 sees it natively.
pub const GRID: usize = 32;
/// Channels of the stack: strides 4, 8 and 16 in that order.
pub const STACKED: usize = 24 + 40 + 112;

/// Writes the stack as `[GRID², STACKED]`, position-major. Stride 4 is averaged 2×2, stride 16 is interpolated
/// bilinearly (half-pixel centres). The outermost cells, which the padding of the convolutions reaches most, repeat
/// their inner neighbours.
pub fn stack(features: &Features, out: &mut Array2<f32>) {
    let mut first = 0;
    for scale in features.scales() {
        write_scale(scale, first, out);
        first += scale.shape()[0];
    }
    for y in 0..GRID {
        for x in 0..GRID {
            let (inner_y, inner_x) = (y.clamp(1, GRID - 2), x.clamp(1, GRID - 2));
            if (inner_y, inner_x) != (y, x) {
                let source = inner_y * GRID + inner_x;
                for c in 0..STACKED {
                    out[[y * GRID + x, c]] = out[[source, c]];
                }
            }
        }
    }
}

fn write_scale(scale: ArrayView3<'_, f32>, first: usize, out: &mut Array2<f32>) {
    let (channels, side, _) = scale.dim();
    for y in 0..GRID {
        let (y0, ty) = source_cell(y, side);
        for x in 0..GRID {
            let (x0, tx) = source_cell(x, side);
            for c in 0..channels {
                let top = scale[[c, y0, x0]] * (1.0 - tx) + scale[[c, y0, x0 + 1]] * tx;
                let bottom = scale[[c, y0 + 1, x0]] * (1.0 - tx) + scale[[c, y0 + 1, x0 + 1]] * tx;
                out[[y * GRID + x, first + c]] = top * (1.0 - ty) + bottom * ty;
            }
        }
    }
}

/// The left of the two cells to blend, and the right one's share. At twice the grid this is the plain 2×2 mean.
fn source_cell(cell: usize, side: usize) -> (usize, f32) {
    let centre =
        ((cell as f32 + 0.5) * side as f32 / GRID as f32 - 0.5).clamp(0.0, (side - 1) as f32);
    let left = (centre as usize).min(side - 2);
    (left, centre - left as f32)
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

    /// `stacked` is `[GRID², STACKED]`; writes `[GRID², rank]`.
    pub fn project(&self, stacked: &Array2<f32>, out: &mut Array2<f32>) {
        ndarray::linalg::general_mat_mul(1.0, stacked, &self.matrix, 0.0, out);
        for mut row in out.rows_mut() {
            row += &self.offset;
        }
    }
}
