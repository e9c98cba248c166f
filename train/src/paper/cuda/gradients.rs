//! Gradients that burn lacks on GPUs or computes wrongly there.

use burn::tensor::backend::Backend;
use burn::tensor::ops::{ConvOptions, PadMode};
use burn::tensor::{Int, Tensor, TensorData};

/// A convolution's gradient by its map can be computed from the gradient at its outputs with these options. Both come
/// back as they are where the convolution is padded.
///
/// burn's kernel (cubek 0.2.0) looks for cells outside the gradient only if the convolution was padded, though without
/// padding every cell near the rim has some. Zeros all around, and a padding that takes their place, make it look.
///
/// *Shapes*: `gradient` is `[B, C, H, W]`; `kernel` is height and width in cells.
pub fn surrounded<B: Backend>(
    gradient: Tensor<B, 4>,
    kernel: [usize; 2],
    options: &ConvOptions<2>,
) -> (Tensor<B, 4>, ConvOptions<2>) {
    let [above, beside] = [0, 1].map(|dim| (kernel[dim] - 1) * options.dilation[dim]);
    if options.padding != [0, 0] || options.stride != [1, 1] || [above, beside] == [0, 0] {
        return (gradient, options.clone());
    }
    let gradient = gradient.pad((beside, beside, above, above), PadMode::Constant(0.0));
    let padding = [above, beside];
    let options = ConvOptions::new([1, 1], padding, options.dilation, options.groups);
    (gradient, options)
}

/// What of the gradient at the outputs of a bilinear resize, `[B, C, H', W']`, comes to its inputs, `[B, C, H, W]`:
/// gathers and sums alone, in an order that is always the same.
pub fn resize_gradient<B: Backend>(
    gradient: Tensor<B, 4>,
    [height, width]: [usize; 2],
) -> Tensor<B, 4> {
    gathered(gathered(gradient, 2, height), 3, width)
}

/// The same along one dimension that had `inputs` cells.
fn gathered<B: Backend>(gradient: Tensor<B, 4>, dim: usize, inputs: usize) -> Tensor<B, 4> {
    let device = gradient.device();
    let readers = readers(inputs, gradient.dims()[dim]);
    let most = readers.iter().map(Vec::len).max().unwrap_or(0);
    let mut shape = [1; 4];
    shape[dim] = inputs;
    // Every input has as many readers, some of weight 0.
    let parts = (0..most).map(|nth| {
        let nth_of = |of: &Vec<(usize, f32)>| of.get(nth).copied().unwrap_or((0, 0.0));
        let outputs: Vec<i32> = readers.iter().map(|of| nth_of(of).0 as i32).collect();
        let shares: Vec<f32> = readers.iter().map(|of| nth_of(of).1).collect();
        let outputs = Tensor::<B, 1, Int>::from_data(TensorData::new(outputs, [inputs]), &device);
        let shares = Tensor::<B, 4>::from_data(TensorData::new(shares, shape), &device);
        gradient.clone().select(dim, outputs) * shares
    });
    parts
        .reduce(|sum, part| sum + part)
        .expect("every input is read by an output")
}

/// For each of `inputs` cells: the cells of the output that read it, and the share it has in them.
fn readers(inputs: usize, outputs: usize) -> Vec<Vec<(usize, f32)>> {
    let mut readers = vec![Vec::new(); inputs];
    let last = inputs - 1;
    for output in 0..outputs {
        let centre = (output as f64 + 0.5) * inputs as f64 / outputs as f64 - 0.5;
        let centre = centre.clamp(0.0, last as f64);
        let (low, share) = (centre.floor() as usize, centre.fract() as f32);
        readers[low].push((output, 1.0 - share));
        if share > 0.0 {
            readers[(low + 1).min(last)].push((output, share));
        }
    }
    readers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Cpu, CpuTraining, Kernels};
    use burn::tensor::ops::ModuleOps;
    use burn::tensor::{Distribution, TensorPrimitive};

    #[test]
    fn a_map_gets_the_same_gradient_through_a_surrounded_one() {
        let device = Default::default();
        for (dilation, out) in [([1, 1], [9, 8]), ([2, 1], [7, 8])] {
            let random = |shape: [usize; 4]| {
                let values = Tensor::<Cpu, 4>::random(shape, Distribution::Default, &device);
                values.into_primitive().tensor()
            };
            let (map, weight) = (random([2, 3, 11, 11]), random([5, 3, 3, 4]));
            let gradient = random([2, 5, out[0], out[1]]);
            let plain = ConvOptions::new([1, 1], [0, 0], dilation, 1);
            let back = |gradient: Tensor<Cpu, 4>, options| {
                let gradient = gradient.into_primitive().tensor();
                let of_map = Cpu::conv2d_x_backward(map.clone(), weight.clone(), gradient, options);
                Tensor::<Cpu, 4>::from_primitive(TensorPrimitive::Float(of_map))
            };
            let gradient = Tensor::from_primitive(TensorPrimitive::Float(gradient));
            let expected = back(gradient.clone(), plain.clone());
            let (gradient, options) = surrounded(gradient, [3, 4], &plain);
            assert_ne!(options.padding, [0, 0]);
            let difference: f32 = (expected - back(gradient, options))
                .abs()
                .max()
                .into_scalar();
            assert!(difference < 1e-5, "{difference}");
        }
    }

    #[test]
    fn a_resize_has_the_gradient_that_the_cpu_backend_computes() {
        let device = Default::default();
        for [from, to] in [
            [1, 3],
            [3, 8],
            [8, 15],
            [16, 15],
            [33, 63],
            [64, 127],
            [128, 64],
            [16, 64],
        ] {
            let map = Tensor::<CpuTraining, 4>::random(
                [2, 3, from, from],
                Distribution::Default,
                &device,
            )
            .require_grad();
            let weight = Tensor::<Cpu, 4>::random([2, 3, to, to], Distribution::Default, &device);
            let product = CpuTraining::resize(map.clone(), to) * Tensor::from_inner(weight.clone());
            let expected = map.grad(&product.sum().backward()).unwrap();
            let found = resize_gradient(weight, [from, from]);
            let difference: f32 = (expected - found).abs().max().into_scalar();
            assert!(difference < 1e-4, "{from} to {to}: {difference}");
        }
    }
}
