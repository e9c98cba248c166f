//! What the rest of the part says a place should look like: a linear autoencoder over the whole registered part,
//! closed-form kin of the paper's global student. Parts that are each ordinary but do not belong together (the label
//! of one variant on the bottle of another) can't be rebuilt from one code.

use ndarray::{Array1, Array2};

use super::position_gaussian::PositionGaussian;

/// Mean part, the directions in which parts differ as a whole, and a Gaussian a position of what they leave over.
#[derive(Clone, Debug)]
pub struct Context {
    /// `[GRID²·rank]`
    pub mean: Array1<f32>,
    /// `[codes, GRID²·rank]`, orthonormal rows.
    pub basis: Array2<f32>,
    pub residual: PositionGaussian,
}

impl Context {
    /// Mahalanobis distance of what the code of the part leaves over, at each position. `vectors` is `[GRID², rank]`;
    /// `rebuilt`, of the same shape, and `map`, of GRID² values, are written.
    pub fn map(&self, vectors: &Array2<f32>, rebuilt: &mut Array2<f32>, map: &mut [f32]) {
        let (Some(part), Some(mean)) = (vectors.as_slice(), self.mean.as_slice()) else {
            return;
        };
        rebuilt.assign(vectors);
        let Some(left) = rebuilt.as_slice_mut() else {
            return;
        };
        for (l, m) in left.iter_mut().zip(mean) {
            *l -= m;
        }
        for direction in self.basis.rows() {
            let code: f32 = part
                .iter()
                .zip(mean)
                .zip(direction)
                .map(|((v, m), d)| (v - m) * d)
                .sum();
            for (l, d) in left.iter_mut().zip(direction) {
                *l -= code * d;
            }
        }
        self.residual.map(rebuilt, map);
    }
}
