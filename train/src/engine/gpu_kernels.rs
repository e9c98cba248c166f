//! Convolutions on a GPU as implicit matrix products on its tensor cores, in TF32; and a resize that has a gradient.
//!
//! burn's own choice would be to try eight kernels for each shape that it meets, one of them by trying two dozen matrix
//! products. On an H100 fifteen layers of the backbone took it 170 s, nearly all of it spent in the compiler. For one image
//! the product that is chosen here took as long as the best of them to 1.6 times as long, longest for kernels of 3×3
//! (1.2 to 1.6); in the middle 1.14 times.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2d;
use burn::tensor::backend::Backend;
use burn::tensor::ops::{ConvOptions, FloatTensor};
use burn::tensor::{Tensor, TensorMetadata, TensorPrimitive};
use burn_cubecl::kernel::conv::{
    ConvStrategy, conv_data_backward, conv_forward, conv_weight_backward,
};

use super::gradients::{resize_gradient, surrounded};
use super::{Gpu, GpuTraining, Kernels, attend};

impl Kernels for Gpu {
    fn convolve(layer: &Conv2d<Self>, map: Tensor<Self, 4>) -> Tensor<Self, 4> {
        let Some(options) = options(layer) else {
            return layer.forward(map);
        };
        let weight = layer.weight.val();
        biased(layer, whole(product(part(map), part(weight), &options)))
    }
}

impl Kernels for GpuTraining {
    fn convolve(layer: &Conv2d<Self>, map: Tensor<Self, 4>) -> Tensor<Self, 4> {
        let Some(options) = options(layer) else {
            return layer.forward(map);
        };
        let (map, weight) = (part(map), part(layer.weight.val()));
        let nodes = [map.node.clone(), weight.node.clone()];
        let step = Product
            .prepare::<NoCheckpointing>(nodes)
            .compute_bound()
            .stateful();
        let product = match step {
            OpsKind::Tracked(mut step) => {
                let inputs = [step.checkpoint(&map), step.checkpoint(&weight)];
                let output = product(map.primitive, weight.primitive, &options);
                step.finish((inputs, options), output)
            }
            OpsKind::UnTracked(step) => {
                step.finish(product(map.primitive, weight.primitive, &options))
            }
        };
        biased(layer, whole(product))
    }

    fn attend(inputs: [Tensor<Self, 3>; 3]) -> Tensor<Self, 3> {
        attend::attend_and_forget(inputs)
    }

    fn resize(map: Tensor<Self, 4>, size: usize) -> Tensor<Self, 4> {
        let [_, _, height, width] = map.dims();
        let map = part(map);
        let resized = |map| part(Gpu::resize(whole(map), size));
        let step = Resize
            .prepare::<NoCheckpointing>([map.node.clone()])
            .compute_bound()
            .stateful();
        whole(match step {
            OpsKind::Tracked(step) => step.finish([height, width], resized(map.primitive)),
            OpsKind::UnTracked(step) => step.finish(resized(map.primitive)),
        })
    }
}

fn whole<B: Backend>(map: FloatTensor<B>) -> Tensor<B, 4> {
    Tensor::from_primitive(TensorPrimitive::Float(map))
}

fn part<B: Backend>(map: Tensor<B, 4>) -> FloatTensor<B> {
    map.into_primitive().tensor()
}

/// How `layer` convolves, where that is something these kernels do: one group, the same padding on opposite sides.
fn options<B: Backend>(layer: &Conv2d<B>) -> Option<ConvOptions<2>> {
    let padding = match layer.padding {
        PaddingConfig2d::Valid => [0, 0],
        PaddingConfig2d::Explicit(top, left, bottom, right) if (top, left) == (bottom, right) => {
            [top, left]
        }
        _ => return None,
    };
    (layer.groups == 1).then(|| ConvOptions::new(layer.stride, padding, layer.dilation, 1))
}

fn biased<B: Backend>(layer: &Conv2d<B>, product: Tensor<B, 4>) -> Tensor<B, 4> {
    match &layer.bias {
        Some(bias) => {
            let channels = bias.dims()[0];
            product + bias.val().reshape([1, channels, 1, 1])
        }
        None => product,
    }
}

/// What `kernel` makes with its tensor-core strategy; shapes that it can't take go the plain way.
fn either<E: std::fmt::Debug>(
    kernel: impl Fn(ConvStrategy) -> Result<FloatTensor<Gpu>, E>,
) -> FloatTensor<Gpu> {
    kernel(ConvStrategy::ImplicitGemm)
        .or_else(|_| kernel(ConvStrategy::Direct))
        .expect("a direct convolution takes any shape")
}

fn product(
    map: FloatTensor<Gpu>,
    weight: FloatTensor<Gpu>,
    options: &ConvOptions<2>,
) -> FloatTensor<Gpu> {
    either(|strategy| conv_forward(map.clone(), weight.clone(), None, options.clone(), strategy))
}

/// The gradients of [`product`] by the map and by the weights.
#[derive(Debug)]
struct Product;

impl Backward<Gpu, 2> for Product {
    type State = ([NodeId; 2], ConvOptions<2>);

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let [map_node, weight_node] = ops.parents;
        let gradient = gradients.consume::<Gpu>(&ops.node);
        let ([map, weight], options) = ops.state;
        let map: FloatTensor<Gpu> = checkpointer.retrieve_node_output(map);
        let weight: FloatTensor<Gpu> = checkpointer.retrieve_node_output(weight);
        if let Some(node) = map_node {
            let [_, _, height, width] = weight.shape().dims();
            let (gradient, options) =
                surrounded(whole::<Gpu>(gradient.clone()), [height, width], &options);
            let gradient = part(gradient);
            let of_map = either(|strategy| {
                let (gradient, weight) = (gradient.clone(), weight.clone());
                conv_data_backward(gradient, weight, map.shape(), options.clone(), strategy)
            });
            gradients.register::<Gpu>(node.id, of_map);
        }
        if let Some(node) = weight_node {
            let of_weight = either(|strategy| {
                let (map, gradient) = (map.clone(), gradient.clone());
                conv_weight_backward(map, gradient, weight.shape(), options.clone(), strategy)
            });
            gradients.register::<Gpu>(node.id, of_weight);
        }
    }
}

/// The gradient of [`Kernels::resize`]; the state is the size before.
#[derive(Debug)]
struct Resize;

impl Backward<Gpu, 1> for Resize {
    type State = [usize; 2];

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = whole::<Gpu>(gradients.consume::<Gpu>(&ops.node));
        if let [Some(node)] = ops.parents {
            gradients.register::<Gpu>(node.id, part(resize_gradient(gradient, ops.state)));
        }
    }
}
