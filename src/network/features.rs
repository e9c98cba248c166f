//! What the frozen encoder says about one image: the only thing the networks behind it share.

use ndarray::Array3;

/// The encoder's feature maps of one image, each `[channels, height, width]`. A map's name is the number of image
/// pixels between two of its cells: for 256×256 and EfficientNet-Lite0 they are 24×64×64, 40×32×32, 112×16×16.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    pub stride4: Array3<f32>,
    pub stride8: Array3<f32>,
    pub stride16: Array3<f32>,
}
