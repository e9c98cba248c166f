//! A convolution with its bias and ReLU, forward and backward.

use burn::tensor::ops::ConvOptions;
use cudarc::cudnn::sys;

use super::descriptors::Descriptors;
use super::plan::{ConvolutionPass, Plan, Problem, factors};
use super::{Address, Cudnn, Error, Values, contiguous, room, with};

/// What a layer computes.
#[derive(Clone, Debug)]
pub struct LayerOptions {
    pub options: ConvOptions<2>,
    /// A ReLU follows.
    pub rectified: bool,
}

/// The layer's output, `[B, K, H', W']`, of a map `[B, C, H, W]`, weights `[K, C, h, w]` and a bias `[K]`; None where burn must
/// compute it.
pub fn forward(
    layer: &LayerOptions,
    map: &Values,
    weight: &Values,
    bias: Option<&Values>,
) -> Option<Values> {
    let problem = layer.problem(
        ConvolutionPass::Output,
        map.meta.shape().dims(),
        weight.meta.shape().dims(),
    )?;
    with(map.device.index, |cudnn| {
        let (map, weight) = (contiguous(map), contiguous(weight));
        let output = room(&map, problem.output);
        let bias = bias.map(contiguous);
        let descriptors = Descriptors::new(&problem)?;
        let tensors = [&map, &weight, &output, bias.as_ref().unwrap_or(&output)];
        cudnn.between(tensors, |cudnn, [map, weight, output, added]| {
            // SAFETY: `between` gives the addresses of tensors of the problem's shapes.
            unsafe { cudnn.product(&problem, &descriptors, [map, weight, output])? };
            let (one, _) = factors();
            let Descriptors {
                output: shape,
                bias: of_bias,
                rectifier,
                ..
            } = descriptors;
            if bias.is_some() {
                // SAFETY: as above, and one value a channel.
                unsafe {
                    sys::cudnnAddTensor(cudnn.handle, one, of_bias, added, one, shape, output)
                }
                .result()?;
            }
            if layer.rectified {
                // SAFETY: as above.
                unsafe { cudnn.rectify(rectifier, shape, output) }?;
            }
            Ok(())
        })?;
        Ok(output)
    })
}

/// The gradients by map, weights and bias, those that are `wanted`, from the gradient at the output; `output` is needed
/// where the layer rectifies, and changes the gradient. None where burn must compute them.
pub fn backward(
    layer: &LayerOptions,
    [map, weight]: [&Values; 2],
    output: Option<&Values>,
    gradient: &mut Values,
    wanted: [bool; 3],
) -> Option<[Option<Values>; 3]> {
    let shapes = [map.meta.shape().dims(), weight.meta.shape().dims()];
    let problem = |product| layer.problem(product, shapes[0], shapes[1]);
    let (of_map, of_weight) = (
        problem(ConvolutionPass::OfMap)?,
        problem(ConvolutionPass::OfWeight)?,
    );
    with(map.device.index, |cudnn| {
        let descriptors = Descriptors::new(&of_map)?;
        match output.filter(|_| layer.rectified) {
            Some(output) => {
                let Descriptors {
                    rectifier,
                    output: shape,
                    ..
                } = descriptors;
                cudnn.through_rectifier(rectifier, shape, output, gradient)?;
            }
            None => *gradient = contiguous(gradient),
        }
        let mut gradients = [None, None, None];
        if wanted[0] {
            let weight = contiguous(weight);
            gradients[0] =
                Some(cudnn.computed(&of_map, &descriptors, [&weight, gradient], shapes[0])?);
        }
        if wanted[1] {
            let map = contiguous(map);
            gradients[1] =
                Some(cudnn.computed(&of_weight, &descriptors, [&map, gradient], shapes[1])?);
        }
        if wanted[2] {
            gradients[2] = Some(cudnn.of_bias(&descriptors, gradient, shapes[1][0])?);
        }
        Ok(gradients)
    })
}

impl LayerOptions {
    /// None if the kernel does not fit into the map.
    fn problem(
        &self,
        product: ConvolutionPass,
        map: [usize; 4],
        weight: [usize; 4],
    ) -> Option<Problem> {
        let ConvOptions {
            stride,
            padding,
            dilation,
            ..
        } = self.options;
        let side = |dim: usize| {
            let reach = dilation[dim] * (weight[2 + dim] - 1) + 1;
            let free = (map[2 + dim] + 2 * padding[dim]).checked_sub(reach)?;
            Some(free / stride[dim] + 1)
        };
        Some(Problem {
            product,
            map,
            weight,
            output: [map[0], weight[0], side(0)?, side(1)?],
            stride,
            padding,
            dilation,
        })
    }
}

impl Cudnn {
    /// # Safety
    /// The addresses are those of the product's two inputs and of its result, of the problem's shapes.
    unsafe fn product(
        &mut self,
        problem: &Problem,
        descriptors: &Descriptors,
        addresses: [Address; 3],
    ) -> Result<(), Error> {
        let plan = match self.plans.get(problem) {
            Some(plan) => *plan,
            None => {
                let plan = Plan::choose(self.handle, descriptors, problem)?;
                if plan.is_none() {
                    log::warn!(
                        "burn must compute what cuDNN has no reproducible way for: {problem:?}"
                    );
                }
                self.plans.insert(problem.clone(), plan);
                plan
            }
        };
        let plan = plan.ok_or(Error::NoPlan)?;
        let space = self.workspace(plan.workspace)?;
        // SAFETY: the caller's promise.
        unsafe { plan.run(self.handle, descriptors, addresses, space) }?;
        Ok(())
    }

    fn computed(
        &mut self,
        problem: &Problem,
        descriptors: &Descriptors,
        [first, second]: [&Values; 2],
        shape: [usize; 4],
    ) -> Result<Values, Error> {
        let result = room(first, shape);
        self.between([first, second, &result], |cudnn, addresses| {
            // SAFETY: these are the inputs of the problem, and its result.
            unsafe { cudnn.product(problem, descriptors, addresses) }
        })?;
        Ok(result)
    }

    fn of_bias(
        &mut self,
        descriptors: &Descriptors,
        gradient: &Values,
        channels: usize,
    ) -> Result<Values, Error> {
        let result = room(gradient, [channels]);
        let (shape, bias) = (descriptors.output, descriptors.bias);
        self.between([gradient, &result], |cudnn, [gradient, result]| {
            let (one, zero) = factors();
            // SAFETY: the gradient has the output's shape, the result one value a channel.
            unsafe {
                sys::cudnnConvolutionBackwardBias(
                    cudnn.handle,
                    one,
                    shape,
                    gradient,
                    zero,
                    bias,
                    result,
                )
            }
            .result()?;
            Ok(())
        })?;
        Ok(result)
    }
}
