//! The local student: a shallow network whose receptive field is at most 33 pixels. It cannot know the arrangement
//! of the parts, so what it fails to imitate is a local flaw. Strided convolutions stand where the paper has
//! pooling: a quarter of the work at the same field.

use burn::config::Config;
use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::backend::Backend;

use crate::engine::rectified;
use crate::export::layers;
use crate::export::onnx::{Graph, Value};

#[derive(Config, Debug)]
pub struct LocalStudentConfig {
    /// Channels after the first convolution, at half the image's resolution.
    #[config(default = 32)]
    pub stem: usize,
    /// Channels of everything behind it, at a quarter.
    #[config(default = 64)]
    pub width: usize,
    /// Channels of the map it imitates.
    pub channels: usize,
}

/// Two 4×4 stride-2 convolutions, a 1×1, two 3×3 and two heads; it sees 26×26 pixels.
#[derive(Module, Debug)]
pub struct LocalStudent<B: Backend> {
    trunk: Vec<Conv2d<B>>,
    teacher_head: Conv2d<B>,
    global_head: Conv2d<B>,
}

impl LocalStudentConfig {
    pub fn init<B: Backend>(&self, device: &B::Device) -> LocalStudent<B> {
        let Self {
            stem,
            width,
            channels,
        } = *self;
        let halving = |input, output| {
            Conv2dConfig::new([input, output], [4, 4])
                .with_stride([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
        };
        let pointwise = |input, output| Conv2dConfig::new([input, output], [1, 1]);
        let neighbourhood = Conv2dConfig::new([width, width], [3, 3])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
        LocalStudent {
            trunk: [
                halving(3, stem),
                halving(stem, width),
                pointwise(width, width),
                neighbourhood.clone(),
                neighbourhood,
            ]
            .into_iter()
            .map(|layer| rectified(layer, device))
            .collect(),
            teacher_head: pointwise(width, channels).init(device),
            global_head: pointwise(width, channels).init(device),
        }
    }
}

impl<B: Backend> LocalStudent<B> {
    /// F_L, which imitates the teacher, and F_LG, which imitates the global student.
    ///
    /// # Shapes
    /// - `image`: `[B, 3, H, W]`, normalised
    /// - outputs: `[B, D, H/4, W/4]` each
    pub fn forward(&self, image: Tensor<B, 4>) -> (Tensor<B, 4>, Tensor<B, 4>) {
        let seen = self
            .trunk
            .iter()
            .fold(image, |map, layer| relu(layer.forward(map)));
        (
            self.teacher_head.forward(seen.clone()),
            self.global_head.forward(seen),
        )
    }

    /// F_L and F_LG as ONNX nodes.
    pub fn write(&self, graph: &mut Graph, image: &Value) -> (Value, Value) {
        let mut seen = image.clone();
        for layer in &self.trunk {
            seen = graph.convolution(&seen, &layers::convolution(layer));
            seen = graph.relu(&seen);
        }
        (
            graph.convolution(&seen, &layers::convolution(&self.teacher_head)),
            graph.convolution(&seen, &layers::convolution(&self.global_head)),
        )
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;
    use crate::engine::{CpuTraining, seeded_init};

    #[test]
    fn sees_at_most_33_pixels() {
        type B = CpuTraining;
        let device = Default::default();
        let student = seeded_init(3, &device, |device| {
            LocalStudentConfig::new(8)
                .with_stem(8)
                .with_width(8)
                .init::<B>(device)
        });
        let image =
            Tensor::<B, 4>::random([1, 3, 96, 96], Distribution::Default, &device).require_grad();
        let (imitation, _) = student.forward(image.clone());
        let cell = imitation.slice([0..1, 0..8, 12..13, 12..13]).sum();
        let gradients = cell.backward();
        let gradient = layers::values(&image.grad(&gradients).expect("the image has a gradient"));

        let touched: Vec<usize> = (0..gradient.len())
            .filter(|&pixel| gradient[pixel] != 0.0)
            .collect();
        let extent = |of: fn(usize) -> usize| {
            let places: Vec<usize> = touched.iter().map(|&pixel| of(pixel)).collect();
            places.iter().max().unwrap() - places.iter().min().unwrap() + 1
        };
        let (height, width) = (extent(|pixel| pixel / 96 % 96), extent(|pixel| pixel % 96));
        assert!(height <= 33 && width <= 33, "sees {width}×{height} pixels");
        assert!(
            height >= 22 && width >= 22,
            "sees only {width}×{height} pixels"
        );
    }
}
