//! Attention whose affinities are computed again for the gradient instead of kept: with the 64×64 cells of the largest
//! map and 16 images each copy of them takes 1 GiB, and a step kept several. No more than [`AT_ONCE`] of them stand in
//! memory.

use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorPrimitive};

/// Affinities that are computed together: 256 MiB, of a few images.
const AT_ONCE: usize = 1 << 26;

/// See [`Kernels::attend`](super::Kernels::attend).
///
/// *Shapes*: queries and keys are `[B, depth, cells]`, values and the result `[B, channels, cells]`.
pub fn attend<B: Backend>(inputs: [Tensor<B, 3>; 3]) -> Tensor<B, 3> {
    let [answers] = few_images(AT_ONCE, inputs, |[queries, keys, values]| {
        [values.matmul(weights(queries, keys).swap_dims(1, 2))]
    });
    answers
}

/// As [`attend`], keeping only its inputs for the gradient.
pub fn attend_and_forget<B: Backend>(
    inputs: [Tensor<Autodiff<B>, 3>; 3],
) -> Tensor<Autodiff<B>, 3> {
    let inputs = inputs.map(|input| input.into_primitive().tensor());
    let nodes = [0, 1, 2].map(|i: usize| inputs[i].node.clone());
    let step = AttentionBackward
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful();
    let forward = |inputs: [FloatTensor<B>; 3]| part(attend::<B>(inputs.map(whole)));
    let answers = match step {
        OpsKind::Tracked(mut step) => {
            let kept = [0, 1, 2].map(|i: usize| step.checkpoint(&inputs[i]));
            step.finish(kept, forward(inputs.map(|input| input.primitive)))
        }
        OpsKind::UnTracked(step) => step.finish(forward(inputs.map(|input| input.primitive))),
    };
    Tensor::from_primitive(TensorPrimitive::Float(answers))
}

fn whole<B: Backend>(values: FloatTensor<B>) -> Tensor<B, 3> {
    Tensor::from_primitive(TensorPrimitive::Float(values))
}

fn part<B: Backend>(values: Tensor<B, 3>) -> FloatTensor<B> {
    values.into_primitive().tensor()
}

/// How much each query (second dimension) attends to each key (third): a softmax, step by step because the one that
/// burn has on CPUs is good to three digits.
fn weights<B: Backend>(queries: Tensor<B, 3>, keys: Tensor<B, 3>) -> Tensor<B, 3> {
    let affinities = queries.swap_dims(1, 2).matmul(keys);
    let largest = affinities.clone().detach().max_dim(2);
    let powers = (affinities - largest).exp();
    powers.clone() / powers.sum_dim(2)
}

/// `work` on so few images at a time that they have `at_once` affinities at most, or on one; the results joined again.
fn few_images<B: Backend, const IN: usize, const OUT: usize>(
    at_once: usize,
    inputs: [Tensor<B, 3>; IN],
    work: impl Fn([Tensor<B, 3>; IN]) -> [Tensor<B, 3>; OUT],
) -> [Tensor<B, 3>; OUT] {
    let [batch, _, cells] = inputs[0].dims();
    let images = (at_once / (cells * cells)).clamp(1, batch);
    if images == batch {
        return work(inputs);
    }
    let mut parts: [Vec<Tensor<B, 3>>; OUT] = std::array::from_fn(|_| Vec::new());
    for first in (0..batch).step_by(images) {
        let count = images.min(batch - first);
        let results = work(inputs.clone().map(|input| input.narrow(0, first, count)));
        for (part, result) in parts.iter_mut().zip(results) {
            part.push(result);
        }
    }
    parts.map(|part| Tensor::cat(part, 0))
}

/// The gradient of [`attend_and_forget`]; the state is where its inputs are kept.
#[derive(Debug)]
struct AttentionBackward;

impl<B: Backend> Backward<B, 3> for AttentionBackward {
    type State = [NodeId; 3];

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = whole::<B>(gradients.consume::<B>(&ops.node));
        let [queries, keys, values] = ops
            .state
            .map(|kept| whole::<B>(checkpointer.retrieve_node_output(kept)));
        let of_inputs = few_images(
            AT_ONCE,
            [queries, keys, values, gradient],
            |[queries, keys, values, gradient]| {
                let weights = weights(queries.clone(), keys.clone());
                let of_values = gradient.clone().matmul(weights.clone());
                let of_weights = gradient.swap_dims(1, 2).matmul(values);
                let common = (of_weights.clone() * weights.clone()).sum_dim(2);
                let of_affinities = (of_weights - common) * weights;
                let of_queries = keys.matmul(of_affinities.clone().swap_dims(1, 2));
                [of_queries, queries.matmul(of_affinities), of_values]
            },
        );
        for (node, of_input) in ops.parents.into_iter().zip(of_inputs) {
            if let Some(node) = node {
                gradients.register::<B>(node.id, part(of_input));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, Tolerance};

    use super::*;
    use crate::engine::{Cpu, CpuTraining};

    /// Three images of 70 cells, and all of them at once or one by one must be the same; so must the gradients that
    /// burn finds by keeping everything.
    #[test]
    fn answers_and_gradients_are_those_of_the_plain_formula() {
        let device = Default::default();
        CpuTraining::seed(&device, 5);
        let random = |depth| {
            Tensor::<CpuTraining, 3>::random(
                [3, depth, 70],
                Distribution::Normal(0.0, 1.0),
                &device,
            )
            .require_grad()
        };
        let inputs = [random(4), random(4), random(6)];
        let towards = random(6).detach();
        let results = |attended: Tensor<CpuTraining, 3>| -> Vec<Tensor<Cpu, 3>> {
            let gradients = (attended.clone() * towards.clone()).sum().backward();
            let of_inputs = inputs.iter().map(|input| input.grad(&gradients).unwrap());
            std::iter::once(attended.inner()).chain(of_inputs).collect()
        };
        let kept = results(attend(inputs.clone()));
        let forgotten = results(attend_and_forget(inputs.clone()));
        let [one_by_one] = few_images(1, inputs.clone(), |inputs| {
            assert_eq!(inputs[0].dims()[0], 1);
            [attend(inputs)]
        });
        let close = Tolerance::<f32>::absolute(1e-5);
        one_by_one
            .inner()
            .into_data()
            .assert_approx_eq(&kept[0].to_data(), close);
        for (kept, forgotten) in kept.into_iter().zip(forgotten) {
            forgotten
                .into_data()
                .assert_approx_eq(&kept.into_data(), close);
        }
    }
}
