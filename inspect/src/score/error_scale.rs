//! Student errors made comparable: some positions are hard for a student on every good part, and raw squared error
//! is ruled by them. Each position is measured against its own good parts.

use ndarray::Array2;

/// Mean and deviation of the root error at each position, over good parts.
#[derive(Clone, Debug)]
pub struct ErrorScale {
    /// `[side, side]`
    pub mean: Array2<f32>,
    /// `[side, side]`, bounded from below.
    pub std: Array2<f32>,
}

impl ErrorScale {
    /// `(√error − mean) / std` at each position, in place.
    pub fn apply(&self, map: &mut [f32]) {
        for ((value, mean), std) in map.iter_mut().zip(&self.mean).zip(&self.std) {
            *value = (value.max(0.0).sqrt() - mean) / std;
        }
    }
}
