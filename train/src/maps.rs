//! The resolution at which the networks meet: every map behind the encoder has 64×64 cells for a 256×256 image.

use burn::tensor::Tensor;

use crate::engine::Kernels;

/// Cells along each side.
pub const MAP_SIZE: usize = 64;

/// Bilinear to `size`×`size` cells with half-pixel centres, as the exported graphs do it.
///
/// *Shapes*: `[B, C, H, W]` to `[B, C, size, size]`.
pub fn resize<B: Kernels>(map: Tensor<B, 4>, size: usize) -> Tensor<B, 4> {
    if map.dims()[2..] == [size, size] {
        return map;
    }
    B::resize(map, size)
}
