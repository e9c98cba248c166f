//! What the rest of the part says a place should look like: a linear autoencoder over the whole registered part,
//! closed-form kin of the paper's global student. Parts that are each ordinary but do not belong together (the label
//! of one variant on the bottle of another) can't be rebuilt from one code.

use ndarray::{Array1, Array2, ArrayViewMut1};

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
        rebuilt.assign(vectors);
        let Some(left) = rebuilt.as_slice_mut() else {
            return;
        };
        let mut left = ArrayViewMut1::from(left);
        left -= &self.mean;
        for direction in self.basis.rows() {
            // What the directions before took away is at right angles to this one.
            let code = direction.dot(&left);
            left.scaled_add(-code, &direction);
        }
        self.residual.map(rebuilt, map);
    }
}
