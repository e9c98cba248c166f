//! A Gaussian with a shrunk covariance, which can always be inverted, and its Mahalanobis distance (paper, eq. 2).

use ndarray::{Array1, Array2, ArrayView1};

/// Mean and whitening of vectors of length `n`; fitted in training with Ledoit–Wolf shrinkage.
#[derive(Clone, Debug)]
pub struct ShrunkGaussian {
    /// `[n]`
    pub mean: Array1<f32>,
    /// `[n, k]`, `k ≤ n`: `|(x − mean)·whitening|` is the Mahalanobis distance.
    pub whitening: Array2<f32>,
}

impl ShrunkGaussian {
    /// *Shapes*: `x` is `[n]`.
    pub fn distance(&self, x: ArrayView1<'_, f32>) -> f32 {
        let whitened = self.whiten(x);
        whitened.dot(&whitened).sqrt()
    }

    /// *Shapes*: `x` is `[n]`, the result `[k]`.
    pub fn whiten(&self, x: ArrayView1<'_, f32>) -> Array1<f32> {
        (&x - &self.mean).dot(&self.whitening)
    }
}
