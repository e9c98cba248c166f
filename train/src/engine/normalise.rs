//! Batch normalisation (Ioffe and Szegedy, 2015) with the ReLU behind it, as one operation with a gradient of its own.
//! As burn composes it, a step keeps six maps of every layer for the gradient and passes over them thirty times; this
//! operation keeps two.

use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::nn::BatchNorm;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorPrimitive};

use super::Cpu;

/// What normalises on a backend. None is said of what it has no better way for than the tensors' own operations.
pub trait Normalise: Backend {
    /// From a map, scale and shift.
    fn forward(_: [&FloatTensor<Self>; 3], _epsilon: f64) -> Option<Normalised<Self>> {
        None
    }

    /// The gradients by map, scale and shift, from the map, the scale, what [`forward`](Self::forward) said, and the
    /// gradient at its output.
    fn backward(
        _: [&FloatTensor<Self>; 2],
        _: &Normalised<Self>,
        _gradient: &mut FloatTensor<Self>,
        _epsilon: f64,
    ) -> Option<[FloatTensor<Self>; 3]> {
        None
    }
}

impl Normalise for Cpu {}

/// What normalising comes to, and what its gradient needs.
#[derive(Clone, Debug)]
pub struct Normalised<B: Backend> {
    /// `[B, C, H, W]`, nothing below 0.
    pub output: FloatTensor<B>,
    /// Of each channel over the batch, `[C]`.
    pub mean: FloatTensor<B>,
    /// 1/√(variance + ε), `[C]`.
    pub sharpness: FloatTensor<B>,
}

/// What [`BatchNorm::forward`] computes while it learns, statistics for later included, then ReLU.
///
/// # Shapes
/// - input and output: `[B, C, H, W]`
pub fn normalise_rectified<B: Normalise>(
    norm: &BatchNorm<Autodiff<B>>,
    map: Tensor<Autodiff<B>, 4>,
) -> Tensor<Autodiff<B>, 4> {
    let epsilon = norm.epsilon;
    let map = map.into_primitive().tensor();
    let [scale, shift] = [&norm.gamma, &norm.beta].map(|of| of.val().into_primitive().tensor());
    let nodes = [&map, &scale, &shift].map(|tensor| tensor.node.clone());
    let step = NormaliseBackward
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful();
    let forward = |map, scale, shift| {
        let result = B::forward([&map, &scale, &shift], epsilon);
        result.unwrap_or_else(|| by_tensors::<B>(whole(map), whole(scale), whole(shift), epsilon))
    };
    let (result, output) = match step {
        OpsKind::Tracked(mut step) => {
            let inputs = [step.checkpoint(&map), step.checkpoint(&scale)];
            let result = forward(map.primitive, scale.primitive, shift.primitive);
            let state = (inputs, result.clone(), epsilon);
            let output = result.output.clone();
            (result, step.finish(state, output))
        }
        OpsKind::UnTracked(step) => {
            let result = forward(map.primitive, scale.primitive, shift.primitive);
            let output = result.output.clone();
            (result, step.finish(output))
        }
    };
    remember(norm, result);
    whole(output)
}

/// Moves the statistics that a trained network normalises by towards those of this batch.
fn remember<B: Backend>(norm: &BatchNorm<Autodiff<B>>, found: Normalised<B>) {
    let mean: Tensor<B, 1> = whole(found.mean);
    let sharpness: Tensor<B, 1> = whole(found.sharpness);
    let variance = sharpness
        .powi_scalar(-2)
        .sub_scalar(norm.epsilon)
        .clamp_min(0.0);
    for (state, of_batch) in [(&norm.running_mean, mean), (&norm.running_var, variance)] {
        let kept = state.value_sync().inner().mul_scalar(1.0 - norm.momentum);
        let next = kept + of_batch.mul_scalar(norm.momentum);
        state.update(Tensor::from_inner(next));
    }
}

/// Normalises each channel, scales, shifts and rectifies, by the tensors' own operations.
///
/// *Shapes*: `map` is `[B, C, H, W]`, `scale` and `shift` are `[C]`.
pub fn by_tensors<B: Backend>(
    map: Tensor<B, 4>,
    scale: Tensor<B, 1>,
    shift: Tensor<B, 1>,
    epsilon: f64,
) -> Normalised<B> {
    let [batch, _, height, width] = map.dims();
    let cells = (batch * height * width) as f64;
    let mean = sums(map.clone()).div_scalar(cells);
    let deviation = map - each(mean.clone());
    let variance = sums(deviation.clone().square()).div_scalar(cells);
    let sharpness = variance.add_scalar(epsilon).sqrt().recip();
    let output = deviation * each(scale * sharpness.clone()) + each(shift);
    Normalised {
        output: part(burn::tensor::activation::relu(output)),
        mean: part(mean),
        sharpness: part(sharpness),
    }
}

/// The gradients of [`by_tensors`].
///
/// *Shapes*: `map` and `gradient` are `[B, C, H, W]`, `scale` is `[C]`; the gradients are those by map, scale and shift.
pub fn backward_by_tensors<B: Backend>(
    map: Tensor<B, 4>,
    scale: Tensor<B, 1>,
    result: Normalised<B>,
    gradient: Tensor<B, 4>,
) -> [FloatTensor<B>; 3] {
    let [batch, _, height, width] = map.dims();
    let cells = (batch * height * width) as f64;
    let (mean, sharpness) = (whole(result.mean), whole::<B, 1>(result.sharpness));
    let output = whole::<B, 4>(result.output);
    let gradient = gradient.mask_fill(output.lower_equal_elem(0.0), 0.0);
    let unit = (map - each(mean)) * each(sharpness.clone());
    let of_shift = sums(gradient.clone());
    let of_scale = sums(gradient.clone() * unit.clone());
    let common = each(of_shift.clone().div_scalar(cells));
    let along = unit * each(of_scale.clone().div_scalar(cells));
    let of_map = (gradient - common - along) * each(scale * sharpness);
    [part(of_map), part(of_scale), part(of_shift)]
}

/// Of each channel, `[C]`.
fn sums<B: Backend>(map: Tensor<B, 4>) -> Tensor<B, 1> {
    let [batch, channels, height, width] = map.dims();
    let of_images = map.reshape([batch, channels, height * width]).sum_dim(2);
    of_images.sum_dim(0).reshape([channels])
}

/// One value a channel, for every cell.
fn each<B: Backend>(values: Tensor<B, 1>) -> Tensor<B, 4> {
    let channels = values.dims()[0];
    values.reshape([1, channels, 1, 1])
}

pub fn whole<B: Backend, const D: usize>(values: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(values))
}

pub fn part<B: Backend, const D: usize>(values: Tensor<B, D>) -> FloatTensor<B> {
    values.into_primitive().tensor()
}

/// The gradient of [`normalise_rectified`]; the state is where map and scale are kept, what came out, and ε.
#[derive(Debug)]
struct NormaliseBackward;

impl<B: Normalise> Backward<B, 3> for NormaliseBackward {
    type State = ([NodeId; 2], Normalised<B>, f64);

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let mut gradient = gradients.consume::<B>(&ops.node);
        let (inputs, result, epsilon) = ops.state;
        let [map, scale] =
            inputs.map(|input| -> FloatTensor<B> { checkpointer.retrieve_node_output(input) });
        let found =
            B::backward([&map, &scale], &result, &mut gradient, epsilon).unwrap_or_else(|| {
                backward_by_tensors::<B>(whole(map), whole(scale), result, whole(gradient))
            });
        for (node, found) in ops.parents.into_iter().zip(found) {
            if let Some(node) = node {
                gradients.register::<B>(node.id, found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use burn::nn::BatchNormConfig;
    use burn::tensor::activation::relu;
    use burn::tensor::{Distribution, Tolerance};

    use super::*;
    use crate::engine::CpuTraining;

    /// Outputs, gradients and remembered statistics are those of burn's composition, on maps far from 0 too.
    #[test]
    fn it_is_burn_s_batch_normalisation_with_a_rectifier() {
        type T<const D: usize> = Tensor<CpuTraining, D>;
        let device = Default::default();
        CpuTraining::seed(&device, 3);
        let random = |shape| T::<4>::random(shape, Distribution::Normal(5.0, 3.0), &device);
        let values = |centre| T::<1>::random([4], Distribution::Normal(centre, 0.5), &device);
        let (gamma, beta) = (values(1.0), values(0.0));
        let (map, towards) = (random([3, 4, 6, 5]), random([3, 4, 6, 5]));
        let results = |forward: &dyn Fn(&BatchNorm<CpuTraining>, T<4>) -> T<4>| {
            let mut norm = BatchNormConfig::new(4).init::<CpuTraining>(&device);
            norm.gamma = Param::from_tensor(gamma.clone());
            norm.beta = Param::from_tensor(beta.clone());
            let map = map.clone().require_grad();
            let output = forward(&norm, map.clone());
            let gradients = (output.clone() * towards.clone()).sum().backward();
            [
                output.into_data(),
                map.grad(&gradients).unwrap().into_data(),
                norm.gamma.val().grad(&gradients).unwrap().into_data(),
                norm.beta.val().grad(&gradients).unwrap().into_data(),
                norm.running_mean.value_sync().into_data(),
                norm.running_var.value_sync().into_data(),
            ]
        };
        let expected = results(&|norm, map| relu(norm.forward(map)));
        let found = results(&|norm, map| normalise_rectified(norm, map));
        for (expected, found) in expected.into_iter().zip(found) {
            found.assert_approx_eq::<f32>(&expected, Tolerance::rel_abs(1e-4, 1e-4));
        }
    }
}
