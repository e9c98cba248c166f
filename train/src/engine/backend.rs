//! Which burn backend trains, and how images reach it.

use burn::backend::{Autodiff, Flex};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use ndarray::Array3;

/// The portable CPU backend. It runs on one thread: [`train`](super::train) shards a batch over the cores.
pub type Cpu = Flex;
/// [`Cpu`] with gradients.
pub type CpuTraining = Autodiff<Cpu>;

/// Arrays of one shape `[C, H, W]` as a tensor `[B, C, H, W]`.
///
/// The caller has checked that the arrays agree in shape.
pub fn stack<'a, B: Backend>(
    arrays: impl ExactSizeIterator<Item = &'a Array3<f32>>,
    device: &B::Device,
) -> Tensor<B, 4> {
    let count = arrays.len();
    let mut shape = [count, 0, 0, 0];
    let mut values = Vec::new();
    for array in arrays {
        let (channels, height, width) = array.dim();
        shape = [count, channels, height, width];
        values.reserve(count * array.len() - values.len());
        match array.as_slice() {
            Some(slice) => values.extend_from_slice(slice),
            None => values.extend(array.iter()),
        }
    }
    Tensor::from_data(TensorData::new(values, shape), device)
}
