//! The fine view of a part: the encoder at the view's own size, projected onto a few directions at each cell of stride
//! 8. All channels of a large view would take fifty times the memory that the branches read.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, ArrayView3, s};

use super::low_rank::{LowRank, STACKED};
use super::{Encoder, Features, NetworkError};
use crate::frame::Size;

/// Pixels that a cell is wide and high.
pub const STRIDE: u32 = 8;
/// Channels at strides 4 and 8, the first of the stack.
const SHALLOW: usize = Encoder::LITE0[0] + Encoder::LITE0[1];

/// One part in the fine view.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FineMap {
    pub rows: usize,
    pub columns: usize,
    /// `[rows·columns, rank]`
    pub vectors: Array2<f32>,
}

/// The encoder at the fine view's size, and the directions that are kept.
pub struct FineView {
    encoder: Encoder,
    low_rank: LowRank,
    features: Features,
    stack: Stack,
}

impl FineView {
    /// `low_rank` belongs to an encoder with EfficientNet-Lite0's channels.
    pub fn new(encoder: Encoder, low_rank: LowRank) -> Self {
        FineView {
            encoder,
            low_rank,
            features: Features::empty(),
            stack: Stack::default(),
        }
    }

    /// Another one, to run beside this on another thread; the weights are shared.
    pub fn fork(&self) -> Result<Self, NetworkError> {
        Ok(FineView::new(self.encoder.fork()?, self.low_rank.clone()))
    }

    /// `tensor` is `[3, height, width]` at the view's size. Writes into `map`.
    pub fn see(&mut self, tensor: &[f32], map: &mut FineMap) -> Result<(), NetworkError> {
        self.encoder.encode(tensor, &mut self.features)?;
        self.stack.project(&self.features, &self.low_rank, map);
        Ok(())
    }
}

/// Rows and columns of cells in a view of `size`.
pub fn cells(size: Size) -> (usize, usize) {
    let Size { width, height } = size;
    ((height / STRIDE) as usize, (width / STRIDE) as usize)
}

/// The three scales on the cells of stride 8. Stride 4 is averaged, stride 16 interpolated (half-pixel centres).
#[derive(Default)]
pub struct Stack {
    /// `[SHALLOW, cells]`: strides 4 and 8.
    shallow: Array2<f32>,
    /// `[cells of stride 16, rank]`
    deep: Array2<f32>,
}

impl Stack {
    /// The stack of all cells as training needs it to find directions: `[rows·columns, STACKED]`.
    pub fn of(features: &Features) -> Array2<f32> {
        let every_channel = LowRank {
            matrix: Array2::eye(STACKED),
            offset: ndarray::Array1::zeros(STACKED),
        };
        let mut map = FineMap::default();
        Stack::default().project(features, &every_channel, &mut map);
        map.vectors
    }

    /// Projection and interpolation can change places, and there is less to interpolate after it.
    fn project(&mut self, features: &Features, low_rank: &LowRank, map: &mut FineMap) {
        let (_, rows, columns) = features.stride8.dim();
        (map.rows, map.columns) = (rows, columns);
        bring_to(&mut map.vectors, rows * columns, low_rank.rank());
        for mut vector in map.vectors.rows_mut() {
            vector.assign(&low_rank.offset);
        }
        bring_to(&mut self.shallow, SHALLOW, rows * columns);
        self.average(features.stride4.view(), columns);
        let (channels, cells) = (features.stride8.dim().0, rows * columns);
        if let Ok(stride8) = features
            .stride8
            .view()
            .into_shape_with_order((channels, cells))
        {
            let after = self.shallow.nrows() - channels;
            self.shallow.slice_mut(s![after.., ..]).assign(&stride8);
        }
        let matrix = low_rank.matrix.slice(s![..SHALLOW, ..]);
        general_mat_mul(1.0, &self.shallow.t(), &matrix, 1.0, &mut map.vectors);

        let (channels, deep_rows, deep_columns) = features.stride16.dim();
        let deep_cells = deep_rows * deep_columns;
        bring_to(&mut self.deep, deep_cells, low_rank.rank());
        if let Ok(stride16) = features
            .stride16
            .view()
            .into_shape_with_order((channels, deep_cells))
        {
            let matrix = low_rank.matrix.slice(s![SHALLOW.., ..]);
            general_mat_mul(1.0, &stride16.t(), &matrix, 0.0, &mut self.deep);
        }
        add_enlarged(self.deep.view(), (deep_rows, deep_columns), map);
        repeat_inner_cells(map);
    }

    fn average(&mut self, stride4: ArrayView3<'_, f32>, columns: usize) {
        for (channel, mut out) in stride4.outer_iter().zip(self.shallow.rows_mut()) {
            for (cell, out) in out.iter_mut().enumerate() {
                let (y, x) = (2 * (cell / columns), 2 * (cell % columns));
                let sum = channel[[y, x]]
                    + channel[[y, x + 1]]
                    + channel[[y + 1, x]]
                    + channel[[y + 1, x + 1]];
                *out = sum / 4.0;
            }
        }
    }
}

/// Adds a map of half the rows and columns, interpolated.
fn add_enlarged(deep: ArrayView2<'_, f32>, (rows, columns): (usize, usize), map: &mut FineMap) {
    // A cell's centre lies a quarter of a large cell off the centre of the large cell that it is in.
    let neighbours = |at: usize, length: usize| {
        let near = at / 2;
        let far = match at % 2 {
            0 => near.saturating_sub(1),
            _ => (near + 1).min(length - 1),
        };
        [(near, 0.75), (far, 0.25)]
    };
    for (cell, mut vector) in map.vectors.rows_mut().into_iter().enumerate() {
        for (y, share_y) in neighbours(cell / map.columns, rows) {
            for (x, share_x) in neighbours(cell % map.columns, columns) {
                vector.scaled_add(share_y * share_x, &deep.row(y * columns + x));
            }
        }
    }
}

/// The outermost cells, which the padding of the convolutions reaches most, repeat their inner neighbours.
fn repeat_inner_cells(map: &mut FineMap) {
    let (rows, columns) = (map.rows, map.columns);
    if rows < 3 || columns < 3 {
        return;
    }
    for cell in 0..rows * columns {
        let (y, x) = (cell / columns, cell % columns);
        let inner = y.clamp(1, rows - 2) * columns + x.clamp(1, columns - 2);
        if inner != cell {
            let (from, mut to) = map.vectors.multi_slice_mut((s![inner, ..], s![cell, ..]));
            to.assign(&from);
        }
    }
}

fn bring_to(array: &mut Array2<f32>, rows: usize, columns: usize) {
    if array.dim() != (rows, columns) {
        *array = Array2::zeros((rows, columns));
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    /// A ramp along x in the first channel of each scale, as an image of 64×48 pixels would give it.
    fn ramp() -> Features {
        let map = |channels: usize, stride: usize| {
            Array3::from_shape_fn((channels, 48 / stride, 64 / stride), |(c, _, x)| {
                if c == 0 {
                    (x as f32 + 0.5) * stride as f32
                } else {
                    0.0
                }
            })
        };
        Features {
            stride4: map(24, 4),
            stride8: map(40, 8),
            stride16: map(112, 16),
        }
    }

    #[test]
    fn all_scales_meet_in_the_middle_of_a_cell() {
        let stack = Stack::of(&ramp());
        assert_eq!(stack.dim(), (6 * 8, STACKED));
        for x in 1..7 {
            let centre = (x as f32 + 0.5) * 8.0;
            for channel in [0, 24, 64] {
                let found = stack[[2 * 8 + x, channel]];
                assert!((found - centre).abs() < 1e-4, "{channel} {x}: {found}");
            }
        }
        assert_eq!(stack.row(0), stack.row(8 + 1));
        assert_eq!(stack.row(47), stack.row(4 * 8 + 6));
    }

    #[test]
    fn projected_is_as_stacked_and_multiplied() {
        let features = ramp();
        let low_rank = LowRank {
            matrix: Array2::from_shape_fn((STACKED, 3), |(i, j)| ((i + 2 * j) % 5) as f32 - 1.0),
            offset: ndarray::array![1.0, -2.0, 0.5],
        };
        let mut map = FineMap::default();
        Stack::default().project(&features, &low_rank, &mut map);
        let expected = Stack::of(&features).dot(&low_rank.matrix) + &low_rank.offset;
        let difference = (&map.vectors - &expected).mapv(f32::abs);
        assert!(difference.iter().all(|d| *d < 1e-3), "{difference}");
        assert_eq!((map.rows, map.columns), (6, 8));
    }
}
