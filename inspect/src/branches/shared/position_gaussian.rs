//! A Gaussian of a vector at each position of a view.

use ndarray::Array2;

use super::low_rank::GRID;
use super::packed;
use crate::arrays::Arrays;

/// Largest rank that [`PositionGaussian::map`] takes.
pub const MAX_RANK: usize = 64;

/// Where positions lie. Neighbouring ones may share a covariance: a fine view has more positions than good parts can tell
/// covariances of, and a bundle can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positions {
    pub rows: usize,
    pub columns: usize,
    /// A covariance counts for a square of so many positions a side.
    pub block: usize,
}

impl Positions {
    /// Those of the whole view, each with a covariance of its own.
    pub const WHOLE: Positions = Positions {
        rows: GRID,
        columns: GRID,
        block: 1,
    };

    /// Those of a fine view, with about as many covariances as the whole view has.
    pub fn fine((rows, columns): (usize, usize)) -> Self {
        Positions {
            rows,
            columns,
            block: rows.max(columns).div_ceil(GRID).max(1),
        }
    }

    pub fn count(self) -> usize {
        self.rows * self.columns
    }

    /// Rows and columns of covariances.
    pub fn blocks(self) -> (usize, usize) {
        (
            self.rows.div_ceil(self.block),
            self.columns.div_ceil(self.block),
        )
    }

    /// The positions that covariance `block` counts for.
    pub fn of_block(self, block: usize) -> impl Iterator<Item = usize> {
        let (top, left) = (block / self.blocks().1, block % self.blocks().1);
        let range = |first: usize, end: usize| {
            let first = first * self.block;
            first..(first + self.block).min(end)
        };
        let columns = range(left, self.columns);
        range(top, self.rows).flat_map(move |y| columns.clone().map(move |x| y * self.columns + x))
    }
}

/// A mean for each position and a covariance for each block of them.
#[derive(Clone, Debug)]
pub struct PositionGaussian {
    positions: Positions,
    /// `[positions, rank]`
    mean: Array2<f32>,
    /// `[blocks, rank·(rank + 1)/2]`, packed as [`packed`] reads it: `Wᵀ·W = Σ⁻¹`.
    whitening: Array2<f32>,
}

impl PositionGaussian {
    /// *Shapes*: `mean` is `[positions, rank]`, `whitening` `[blocks, rank·(rank + 1)/2]`, each row the lower triangle of a
    /// matrix `W` with `Wᵀ·W = Σ⁻¹`. None if they don't agree, or if the rank is above [`MAX_RANK`].
    pub fn new(positions: Positions, mean: Array2<f32>, whitening: Array2<f32>) -> Option<Self> {
        let rank = mean.ncols();
        let (rows, columns) = positions.blocks();
        let agree = mean.nrows() == positions.count()
            && whitening.dim() == (rows * columns, packed::length(rank));
        (agree && rank <= MAX_RANK).then(|| PositionGaussian {
            positions,
            mean,
            whitening: whitening.as_standard_layout().into_owned(),
        })
    }

    pub fn positions(&self) -> Positions {
        self.positions
    }

    /// Positions and rank.
    pub fn shape(&self) -> (usize, usize) {
        self.mean.dim()
    }

    /// Mahalanobis distance of each position's vector.
    ///
    /// *Shapes*: `vectors` is `[positions, rank]`, `map` has a value for each.
    pub fn map(&self, vectors: &Array2<f32>, map: &mut [f32]) {
        let rank = self.mean.ncols();
        let mut centred = [0.0f32; MAX_RANK];
        let centred = &mut centred[..rank];
        // Block by block, so that a covariance is read once.
        for (block, whitening) in self.whitening.rows().into_iter().enumerate() {
            let whitening = whitening.to_slice().unwrap_or(&[]);
            for position in self.positions.of_block(block) {
                let (vector, mean) = (vectors.row(position), self.mean.row(position));
                for (c, (x, m)) in centred.iter_mut().zip(vector.iter().zip(mean)) {
                    *c = x - m;
                }
                map[position] = packed::squared_norm(whitening, centred).sqrt();
            }
        }
    }

    /// Writes the arrays `NAME.mean` and `NAME.whitening`.
    pub fn write(&self, arrays: &mut Arrays, name: &str) {
        arrays.insert(format!("{name}.mean"), self.mean.clone());
        arrays.insert(format!("{name}.whitening"), self.whitening.clone());
    }
}
