//! What the frozen encoder says about one image. Scores, decoders and training all read it, so it is computed once.

use ndarray::Array3;

/// Feature maps of one 256×256 image, channels first, `[channels, rows, columns]`.
#[derive(Clone, Debug)]
pub struct Features {
    /// `[24, 64, 64]`
    pub stride4: Array3<f32>,
    /// `[40, 32, 32]`
    pub stride8: Array3<f32>,
    /// `[112, 16, 16]`
    pub stride16: Array3<f32>,
}
