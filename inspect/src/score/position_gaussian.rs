//! A full Gaussian of the low-rank vector at each position of the grid. Strong where parts lie in fixed places;
//! registration brings them there.

use ndarray::Array2;

use super::low_rank::GRID;
use super::packed;

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
