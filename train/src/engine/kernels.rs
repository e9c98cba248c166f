//! The most expensive operations of training, as the networks call them. A backend may replace burn's own composition
//! of one by something faster, or may be the only one to have it.

use burn::nn::BatchNorm;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::module::{avg_pool2d, interpolate};
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};

use super::normalise::normalise_rectified;
use super::{Cpu, CpuTraining, attend};

/// A backend, and its ways of convolving and resizing.
pub trait Kernels: Backend {
    /// What [`Conv2d::forward`] computes.
    fn convolve(layer: &Conv2d<Self>, map: Tensor<Self, 4>) -> Tensor<Self, 4> {
        layer.forward(map)
    }

    /// The same, then ReLU.
    fn convolve_rectified(layer: &Conv2d<Self>, map: Tensor<Self, 4>) -> Tensor<Self, 4> {
        relu(Self::convolve(layer, map))
    }

    /// What [`BatchNorm::forward`] computes, then ReLU.
    fn normalise_rectified(norm: &BatchNorm<Self>, map: Tensor<Self, 4>) -> Tensor<Self, 4> {
        relu(norm.forward(map))
    }

    /// The mean of two by two cells, with a cell of zeros around the map that is counted in: `[B, C, H, W]` to
    /// `[B, C, H/2 + 1, W/2 + 1]`.
    fn halve(map: Tensor<Self, 4>) -> Tensor<Self, 4> {
        avg_pool2d(map, [2, 2], [2, 2], [1, 1], true, false)
    }

    /// Bilinear to `size`×`size` cells with half-pixel centres.
    fn resize(map: Tensor<Self, 4>, size: usize) -> Tensor<Self, 4> {
        let options = InterpolateOptions::new(InterpolateMode::Bilinear).with_align_corners(false);
        interpolate(map, [size, size], options)
    }

    /// `values · softmax(queriesᵀ · keys)ᵀ`, the softmax over keys.
    ///
    /// # Shapes
    /// - queries and keys: `[B, D, cells]`
    /// - values and output: `[B, C, cells]`
    fn attend(inputs: [Tensor<Self, 3>; 3]) -> Tensor<Self, 3> {
        attend::attend(inputs)
    }
}

/// A backend that trains, and runs what it has trained.
pub trait Training: AutodiffBackend<InnerBackend: Kernels> + Kernels {}

impl<B: AutodiffBackend<InnerBackend: Kernels> + Kernels> Training for B {}

impl Kernels for Cpu {}
impl Kernels for CpuTraining {
    fn normalise_rectified(norm: &BatchNorm<Self>, map: Tensor<Self, 4>) -> Tensor<Self, 4> {
        normalise_rectified(norm, map)
    }

    fn attend(inputs: [Tensor<Self, 3>; 3]) -> Tensor<Self, 3> {
        attend::attend_and_forget(inputs)
    }
}
