//! A full Gaussian of the low-rank vector at each position of the grid. Strong where parts lie in fixed places;
//! registration brings them there.

use super::shared::aligned_part::AlignedPart;
use super::shared::map::{Map, MapBuffer};
use super::statistics::{Source, StatisticsError};
use super::{Branch, BranchModel};
use crate::arrays::Arrays;
use ndarray::Array2;

use super::shared::low_rank::GRID;
use super::shared::packed;

/// One Gaussian a position, kept as mean and packed whitening matrix.
#[derive(Clone, Debug)]
pub struct PositionGaussian {
    /// `[GRID², rank]`
    pub mean: Array2<f32>,
    /// `[GRID², rank·(rank + 1)/2]`, packed as [`packed`] reads it: `Wᵀ·W = Σ⁻¹`.
    pub whitening: Array2<f32>,
}

impl PositionGaussian {
    /// Mahalanobis distance of each position's vector. `vectors` is `[GRID², rank]`, `map` has GRID² values.
    pub fn map(&self, vectors: &Array2<f32>, map: &mut [f32]) {
        let rank = self.mean.ncols();
        let mut centred = [0.0f32; 64];
        let centred = &mut centred[..rank];
        for (position, distance) in map.iter_mut().enumerate().take(GRID * GRID) {
            let (vector, mean) = (vectors.row(position), self.mean.row(position));
            for (c, (x, m)) in centred.iter_mut().zip(vector.iter().zip(mean)) {
                *c = x - m;
            }
            let packed = self.whitening.row(position);
            let packed = packed.as_slice().unwrap_or(&[]);
            *distance = packed::squared_norm(packed, centred).sqrt();
        }
    }
}

/// Largest rank that [`PositionGaussian::map`] takes.
pub const MAX_RANK: usize = 64;

/// The branch: the Gaussians and the latest part's map.
#[derive(Clone, Debug)]
pub struct Position {
    gaussian: PositionGaussian,
    map: MapBuffer,
}

impl Position {
    pub fn new(gaussian: PositionGaussian) -> Self {
        Position {
            gaussian,
            map: MapBuffer::new(GRID),
        }
    }
}

impl BranchModel for Position {
    fn branch(&self) -> Branch {
        Branch::Position
    }

    fn score(&mut self, part: &mut AlignedPart<'_>) -> f32 {
        self.map.pose = part.pose();
        self.gaussian.map(part.vectors(), &mut self.map.values);
        self.map.score()
    }

    fn map(&self) -> Option<Map<'_>> {
        Some(self.map.map())
    }

    fn write(&self, arrays: &mut Arrays) {
        arrays.insert("position.mean", self.gaussian.mean.clone());
        arrays.insert("position.whitening", self.gaussian.whitening.clone());
    }

    fn boxed(&self) -> Box<dyn BranchModel> {
        Box::new(self.clone())
    }
}

/// # Errors
/// If the arrays are there and can't be used.
pub fn read(source: &Source<'_>) -> Result<Option<Box<dyn BranchModel>>, StatisticsError> {
    source.branch("position.mean", || {
        let gaussian = source.position_gaussian("position")?;
        Ok(Position::new(gaussian))
    })
}
