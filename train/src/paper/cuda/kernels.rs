//! The operations that cost most, on a GPU: by cuDNN where it is installed, by burn's kernels elsewhere; and a resize that
//! has a gradient.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::backend::Backend;
use burn::tensor::ops::{ConvOptions, FloatTensor, ModuleOps};
use burn::tensor::{Tensor, TensorPrimitive};

use super::gradients::resize_gradient;
use super::{Gpu, GpuTraining, burn_convolution, cudnn};
use crate::engine::normalise::normalise_rectified;
use crate::engine::{Kernels, attend};

impl Kernels for Gpu {
    fn convolve(layer: &Conv2d<Self>, map: Tensor<Self, 4>) -> Tensor<Self, 4> {
        convolution(layer, map, false)
    }

    fn convolve_rectified(layer: &Conv2d<Self>, map: Tensor<Self, 4>) -> Tensor<Self, 4> {
        convolution(layer, map, true)
    }
}

fn convolution(layer: &Conv2d<Gpu>, map: Tensor<Gpu, 4>, rectified: bool) -> Tensor<Gpu, 4> {
    match options(layer) {
        Some(options) => {
            let bias = layer.bias.as_ref().map(|bias| part(bias.val()));
            let way = cudnn::LayerOptions { options, rectified };
            whole(product(&way, part(map), part(layer.weight.val()), bias))
        }
        None if rectified => relu(layer.forward(map)),
        None => layer.forward(map),
    }
}

impl Kernels for GpuTraining {
    fn convolve(layer: &Conv2d<Self>, map: Tensor<Self, 4>) -> Tensor<Self, 4> {
        convolution_to_learn(layer, map, false)
    }

    fn convolve_rectified(layer: &Conv2d<Self>, map: Tensor<Self, 4>) -> Tensor<Self, 4> {
        convolution_to_learn(layer, map, true)
    }

    fn normalise_rectified(norm: &BatchNorm<Self>, map: Tensor<Self, 4>) -> Tensor<Self, 4> {
        normalise_rectified(norm, map)
    }

    fn halve(map: Tensor<Self, 4>) -> Tensor<Self, 4> {
        let map = part(map);
        let step = Halve
            .prepare::<NoCheckpointing>([map.node.clone()])
            .compute_bound()
            .stateful();
        let halved = |map: FloatTensor<Gpu>| {
            cudnn::halved(&map).unwrap_or_else(|| part(Gpu::halve(whole(map))))
        };
        whole(match step {
            OpsKind::Tracked(mut step) => {
                let kept = step.checkpoint(&map);
                let output = halved(map.primitive);
                step.finish((kept, output.clone()), output)
            }
            OpsKind::UnTracked(step) => step.finish(halved(map.primitive)),
        })
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

pub fn whole<B: Backend>(map: FloatTensor<B>) -> Tensor<B, 4> {
    Tensor::from_primitive(TensorPrimitive::Float(map))
}

pub fn part<B: Backend, const D: usize>(values: Tensor<B, D>) -> FloatTensor<B> {
    values.into_primitive().tensor()
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

fn product(
    layer: &cudnn::LayerOptions,
    map: FloatTensor<Gpu>,
    weight: FloatTensor<Gpu>,
    bias: Option<FloatTensor<Gpu>>,
) -> FloatTensor<Gpu> {
    cudnn::forward(layer, &map, &weight, bias.as_ref())
        .unwrap_or_else(|| burn_convolution::forward(layer, map, weight, bias))
}

fn convolution_to_learn(
    layer: &Conv2d<GpuTraining>,
    map: Tensor<GpuTraining, 4>,
    rectified: bool,
) -> Tensor<GpuTraining, 4> {
    let Some(options) = options(layer) else {
        let output = layer.forward(map);
        return if rectified { relu(output) } else { output };
    };
    let way = cudnn::LayerOptions { options, rectified };
    let device = map.device();
    let (map, weight) = (part(map), part(layer.weight.val()));
    let bias = match &layer.bias {
        Some(bias) => part(bias.val()),
        None => part(Tensor::<GpuTraining, 1>::empty([1], &device)),
    };
    let has_bias = layer.bias.is_some();
    let nodes = [&map, &weight, &bias].map(|tensor| tensor.node.clone());
    let step = ConvolutionBackward
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful();
    let bias = has_bias.then_some(bias.primitive);
    whole(match step {
        OpsKind::Tracked(mut step) => {
            let inputs = [step.checkpoint(&map), step.checkpoint(&weight)];
            let output = product(&way, map.primitive, weight.primitive, bias);
            let kept = way.rectified.then(|| output.clone());
            step.finish((inputs, kept, way), output)
        }
        OpsKind::UnTracked(step) => {
            step.finish(product(&way, map.primitive, weight.primitive, bias))
        }
    })
}

/// The gradients of [`product`] by the map, the weights and the bias. The state is where the first two are kept, the output
/// of a layer that rectifies, and the layer.
#[derive(Debug)]
struct ConvolutionBackward;

impl Backward<Gpu, 3> for ConvolutionBackward {
    type State = ([NodeId; 2], Option<FloatTensor<Gpu>>, cudnn::LayerOptions);

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let mut gradient = gradients.consume::<Gpu>(&ops.node);
        let (inputs, output, layer) = ops.state;
        let [map, weight] =
            inputs.map(|input| -> FloatTensor<Gpu> { checkpointer.retrieve_node_output(input) });
        let wanted = [0, 1, 2].map(|i: usize| ops.parents[i].is_some());
        let found = cudnn::backward(
            &layer,
            [&map, &weight],
            output.as_ref(),
            &mut gradient,
            wanted,
        )
        .unwrap_or_else(|| {
            burn_convolution::backward(&layer, [map, weight], output, gradient, wanted)
        });
        for (node, found) in ops.parents.into_iter().zip(found) {
            if let (Some(node), Some(found)) = (node, found) {
                gradients.register::<Gpu>(node.id, found);
            }
        }
    }
}

/// The gradient of [`Kernels::halve`]; the state is where its map is kept, and the output.
#[derive(Debug)]
struct Halve;

impl Backward<Gpu, 1> for Halve {
    type State = (NodeId, FloatTensor<Gpu>);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<Gpu>(&ops.node);
        let (map, output) = ops.state;
        let map: FloatTensor<Gpu> = checkpointer.retrieve_node_output(map);
        if let [Some(node)] = ops.parents {
            let of_map = cudnn::halved_backward([&map, &output, &gradient]).unwrap_or_else(|| {
                Gpu::avg_pool2d_backward(map, gradient, [2, 2], [2, 2], [1, 1], true, false)
            });
            gradients.register::<Gpu>(node.id, of_map);
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
