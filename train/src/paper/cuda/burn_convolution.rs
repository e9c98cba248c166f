//! Convolutions by burn's kernels: implicit matrix products on the GPU's tensor cores, in TF32.
//!
//! By itself, burn would try eight kernels for each shape, one of them with two dozen matrix products. On an H100 that
//! took 170 s for fifteen layers of the backbone, nearly all of it in the compiler. For one image, the kernel chosen
//! here takes 1 to 1.6 times as long as the best of them: 1.2 to 1.6 for kernels of 3×3, in the median 1.14.

use burn::tensor::activation::relu;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorMetadata, TensorPrimitive};
use burn_cubecl::kernel::conv::{
    ConvStrategy, conv_data_backward, conv_forward, conv_weight_backward,
};

use super::Gpu;
use super::cudnn::LayerOptions;
use super::gradients::surrounded;
use super::kernels::{part, whole};

/// The layer's output.
pub fn forward(
    layer: &LayerOptions,
    map: FloatTensor<Gpu>,
    weight: FloatTensor<Gpu>,
    bias: Option<FloatTensor<Gpu>>,
) -> FloatTensor<Gpu> {
    let options = &layer.options;
    let output = either(|strategy| {
        conv_forward(map.clone(), weight.clone(), None, options.clone(), strategy)
    });
    let mut output = whole::<Gpu>(output);
    if let Some(bias) = bias {
        let bias = Tensor::<Gpu, 1>::from_primitive(TensorPrimitive::Float(bias));
        let channels = bias.dims()[0];
        output = output + bias.reshape([1, channels, 1, 1]);
    }
    part(if layer.rectified {
        relu(output)
    } else {
        output
    })
}

/// Gradients by map, weights and bias, those that are `wanted`; `output` is that of a layer that rectifies.
pub fn backward(
    layer: &LayerOptions,
    [map, weight]: [FloatTensor<Gpu>; 2],
    output: Option<FloatTensor<Gpu>>,
    mut gradient: FloatTensor<Gpu>,
    wanted: [bool; 3],
) -> [Option<FloatTensor<Gpu>>; 3] {
    let options = &layer.options;
    if let Some(output) = output {
        let nothing = whole::<Gpu>(output).lower_equal_elem(0.0);
        gradient = part(whole::<Gpu>(gradient).mask_fill(nothing, 0.0));
    }
    let of_map = || {
        let [_, _, height, width] = weight.shape().dims();
        let whole_gradient = whole::<Gpu>(gradient.clone());
        let (gradient, options) = surrounded(whole_gradient, [height, width], options);
        let gradient = part(gradient);
        either(|strategy| {
            let (gradient, weight) = (gradient.clone(), weight.clone());
            conv_data_backward(gradient, weight, map.shape(), options.clone(), strategy)
        })
    };
    let of_weight = || {
        either(|strategy| {
            let (map, gradient) = (map.clone(), gradient.clone());
            conv_weight_backward(map, gradient, weight.shape(), options.clone(), strategy)
        })
    };
    let of_bias = || {
        let sums = whole::<Gpu>(gradient.clone())
            .sum_dim(0)
            .sum_dim(2)
            .sum_dim(3);
        let channels = sums.dims()[1];
        part(sums.reshape([channels]))
    };
    [
        wanted[0].then(of_map),
        wanted[1].then(of_weight),
        wanted[2].then(of_bias),
    ]
}

/// What `kernel` makes with its tensor-core strategy; shapes that it can't take go the plain way.
fn either<E: std::fmt::Debug>(
    kernel: impl Fn(ConvStrategy) -> Result<FloatTensor<Gpu>, E>,
) -> FloatTensor<Gpu> {
    kernel(ConvStrategy::ImplicitGemm)
        .or_else(|_| kernel(ConvStrategy::Direct))
        .expect("a direct convolution takes any shape")
}
