//! The teacher map F_T: the frozen encoder's stride-8 and stride-16 features brought to one resolution, smoothed,
//! projected to a few channels by fixed random weights and standardised over the training set.

use burn::module::{Initializer, Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::backend::Backend;
use burn::tensor::module::avg_pool2d;
use burn::tensor::{Tensor, TensorData};

use super::teacher_features::TeacherFeatures;
use crate::engine::{Kernels, seeded_init};
use crate::export::layers;
use crate::export::matrix::Matrix;
use crate::export::onnx::{Graph, Value};
use crate::maps::{MAP_SIZE, resize};

/// A channel that varies less than this over the training set is centred but not scaled.
const LEAST_DEVIATION: f64 = 1e-6;

/// The frozen projection.
///
/// Resizing, a 3×3 mean over the cells that exist and a 1×1 projection are linear and act on space or on channels
/// alone, so their order is free. The projection comes first, on the small maps: a tenth of the work of projecting
/// the concatenated 64×64 map, and the same numbers.
#[derive(Module, Debug)]
pub struct Teacher<B: Backend> {
    /// `[D, C8, 1, 1]`, no bias.
    stride8: Conv2d<B>,
    /// `[D, C16, 1, 1]`; its bias centres the sum of both.
    stride16: Conv2d<B>,
}

impl<B: Kernels> Teacher<B> {
    /// Draws the projection from `seed` and standardises it over `teacher_features`.
    pub fn fit(
        teacher_features: &[TeacherFeatures<B>],
        channels: usize,
        seed: u64,
        device: &B::Device,
    ) -> Self {
        let (from8, from16) = teacher_features.first().map_or((1, 1), |first| {
            (first.stride8.dims()[1], first.stride16.dims()[1])
        });
        let deviation = 1.0 / ((from8 + from16) as f64).sqrt();
        let projection = |input: usize, bias: bool| {
            Conv2dConfig::new([input, channels], [1, 1])
                .with_bias(bias)
                .with_initializer(Initializer::Normal {
                    mean: 0.0,
                    std: deviation,
                })
        };
        let mut teacher = seeded_init(seed, device, |device| Self {
            stride8: projection(from8, false).init(device),
            stride16: projection(from16, true).init(device),
        });
        teacher.stride16.bias = Some(Param::from_tensor(Tensor::zeros([channels], device)));
        teacher.standardise(teacher_features, channels, device);
        teacher
    }

    fn standardise(
        &mut self,
        teacher_features: &[TeacherFeatures<B>],
        channels: usize,
        device: &B::Device,
    ) {
        let mut sum = vec![0.0f64; channels];
        let mut squares = vec![0.0f64; channels];
        for features in teacher_features {
            let map = layers::values(&self.map_of(features));
            for (channel, cells) in map.chunks(MAP_SIZE * MAP_SIZE).enumerate() {
                for &cell in cells {
                    sum[channel] += cell as f64;
                    squares[channel] += (cell as f64).powi(2);
                }
            }
        }
        let count = (teacher_features.len() * MAP_SIZE * MAP_SIZE).max(1) as f64;
        let mut scale = Vec::with_capacity(channels);
        let mut shift = Vec::with_capacity(channels);
        for channel in 0..channels {
            let mean = sum[channel] / count;
            let deviation = (squares[channel] / count - mean * mean).max(0.0).sqrt();
            let inverse = if deviation < LEAST_DEVIATION {
                1.0
            } else {
                1.0 / deviation
            };
            scale.push(inverse as f32);
            shift.push((-mean * inverse) as f32);
        }
        let scale = Tensor::<B, 1>::from_data(TensorData::new(scale, [channels]), device);
        let shift = Tensor::<B, 1>::from_data(TensorData::new(shift, [channels]), device);
        let per_output = scale.reshape([channels, 1, 1, 1]);
        for layer in [&mut self.stride8, &mut self.stride16] {
            layer.weight = layer
                .weight
                .clone()
                .map(|weight| weight * per_output.clone());
        }
        self.stride16.bias = Some(Param::from_tensor(shift));
    }

    /// F_T of one image, `[1, D, 64, 64]`.
    pub fn map_of(&self, features: &TeacherFeatures<B>) -> Tensor<B, 4> {
        self.forward(features.stride8.clone(), features.stride16.clone())
    }

    /// F_T.
    ///
    /// # Shapes
    /// - `stride8`: `[B, C8, H/8, W/8]`, `stride16`: `[B, C16, H/16, W/16]`
    /// - output: `[B, D, 64, 64]`
    pub fn forward(&self, stride8: Tensor<B, 4>, stride16: Tensor<B, 4>) -> Tensor<B, 4> {
        let sum = resize(B::convolve(&self.stride8, stride8), MAP_SIZE)
            + resize(B::convolve(&self.stride16, stride16), MAP_SIZE);
        avg_pool2d(sum, [3, 3], [1, 1], [1, 1], false, false)
    }

    /// The same map as ONNX nodes.
    pub fn write(&self, graph: &mut Graph, stride8: &Value, stride16: &Value) -> Value {
        let mut projected = |features: &Value, layer: &Conv2d<B>| {
            let map = graph.convolution(features, &layers::convolution(layer));
            // The mean over the cells that exist is separable too, so it joins the resizing.
            let along = |cells| Matrix::smooth3(MAP_SIZE).times(&Matrix::bilinear(cells, MAP_SIZE));
            let [height, width] = [map.shape()[2], map.shape()[3]];
            graph.separable(&map, &along(height), &along(width))
        };
        let from8 = projected(stride8, &self.stride8);
        let from16 = projected(stride16, &self.stride16);
        graph.add(&from8, &from16)
    }

    /// Channels of the feature maps it expects, `[stride8, stride16]`.
    pub fn input_channels(&self) -> [usize; 2] {
        [&self.stride8, &self.stride16].map(|layer| layer.weight.dims()[1])
    }
}
