//! How burn's layers become ONNX nodes: weights read out, batch normalisation folded into the kernel before it.

use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, PaddingConfig2d};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::onnx::OnnxConvolution;

/// The values of a tensor of any shape, row-major.
pub fn values<B: Backend, const D: usize>(tensor: &Tensor<B, D>) -> Vec<f32> {
    tensor.to_data().iter::<f32>().collect()
}

/// A convolution as it stands, padded explicitly or not at all.
pub fn convolution<B: Backend>(layer: &Conv2d<B>) -> OnnxConvolution {
    let weight = layer.weight.val();
    let weight_shape = weight.dims();
    let padding = match layer.padding {
        PaddingConfig2d::Explicit(top, left, bottom, right) => [top, left, bottom, right],
        PaddingConfig2d::Valid => [0; 4],
        PaddingConfig2d::Same => unreachable!("no network here pads by its input's size"),
    };
    OnnxConvolution {
        weight: values(&weight),
        weight_shape,
        bias: match &layer.bias {
            Some(bias) => values(&bias.val()),
            None => vec![0.0; weight_shape[0]],
        },
        stride: layer.stride,
        padding,
        dilation: layer.dilation,
    }
}

/// A convolution and the batch normalisation behind it, as one convolution.
pub fn normalised_convolution<B: Backend>(
    layer: &Conv2d<B>,
    norm: &BatchNorm<B>,
) -> OnnxConvolution {
    let gamma = values(&norm.gamma.val());
    let beta = values(&norm.beta.val());
    let mean = values(&norm.running_mean.value());
    let variance = values(&norm.running_var.value());
    let scale: Vec<f32> = gamma
        .iter()
        .zip(&variance)
        .map(|(gamma, variance)| gamma / (variance + norm.epsilon as f32).sqrt())
        .collect();
    let shift: Vec<f32> = (0..scale.len())
        .map(|channel| beta[channel] - mean[channel] * scale[channel])
        .collect();
    let mut folded = convolution(layer);
    folded.rescale(&scale, &shift);
    folded
}
