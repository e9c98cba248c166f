//! The local student: a shallow network whose receptive field is at most 33 pixels. It cannot know the arrangement
//! of the parts, so what it fails to imitate is a local flaw.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use crate::engine::{Kernels, rectified};
use crate::export::layers;
use crate::export::onnx::{Graph, Value};
use crate::maps::{MAP_SIZE, resize};

/// Channels of the local student's layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalWidths {
    /// After the first convolution.
    pub stem: usize,
    /// Of everything behind it.
    pub trunk: usize,
}

impl LocalWidths {
    /// Of the `edge` profile; `examples/search_widths.rs` measures others beside them.
    pub const EDGE: Self = Self {
        stem: 32,
        trunk: 64,
    };
    pub const PAPER: Self = Self {
        stem: 256,
        trunk: 512,
    };
}

#[derive(Config, Debug)]
pub struct LocalStudentConfig {
    /// The paper's network: each of the two first convolutions is followed by a 2×2 mean, and the last one is 4×4. It
    /// sees 33×33 pixels. Without, they have stride 2 instead: 26×26 pixels for a quarter of the work.
    #[config(default = false)]
    pub pooling: bool,
    pub widths: LocalWidths,
    /// Channels of the map it imitates.
    pub channels: usize,
}

/// Two 4×4 convolutions that halve the map, a 1×1, two more and two heads.
#[derive(Module, Debug)]
pub struct LocalStudent<B: Backend> {
    trunk: Vec<Conv2d<B>>,
    /// How many of the first convolutions are followed by a 2×2 mean.
    pooled: usize,
    teacher_head: Conv2d<B>,
    global_head: Conv2d<B>,
}

impl LocalStudentConfig {
    pub fn init<B: Backend>(&self, device: &B::Device) -> LocalStudent<B> {
        let Self {
            pooling,
            widths: LocalWidths { stem, trunk: width },
            channels,
        } = *self;
        let layer = |input, output, kernel: usize, pad: usize| {
            Conv2dConfig::new([input, output], [kernel, kernel])
                .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
        };
        let trunk = if pooling {
            // 3 cells of padding here and none at the end bring 256 pixels to 64 cells exactly, cell i centred on
            // pixel 4i.
            vec![
                layer(3, stem, 4, 3),
                layer(stem, width, 4, 3),
                layer(width, width, 1, 0),
                layer(width, width, 3, 1),
                layer(width, width, 4, 0),
            ]
        } else {
            vec![
                layer(3, stem, 4, 1).with_stride([2, 2]),
                layer(stem, width, 4, 1).with_stride([2, 2]),
                layer(width, width, 1, 0),
                layer(width, width, 3, 1),
                layer(width, width, 3, 1),
            ]
        };
        LocalStudent {
            trunk: trunk
                .into_iter()
                .map(|layer| rectified(layer, device))
                .collect(),
            pooled: if pooling { 2 } else { 0 },
            teacher_head: layer(width, channels, 1, 0).init(device),
            global_head: layer(width, channels, 1, 0).init(device),
        }
    }
}

impl<B: Kernels> LocalStudent<B> {
    /// Of the layer that sees the image: its gradient has come through all others.
    pub fn first_weight(&self) -> &Param<Tensor<B, 4>> {
        &self.trunk[0].weight
    }

    /// F_L, which imitates the teacher, and F_LG, which imitates the global student.
    ///
    /// # Shapes
    /// - `image`: `[B, 3, H, W]`, normalised
    /// - outputs: `[B, D, 64, 64]` each
    pub fn forward(&self, image: Tensor<B, 4>) -> (Tensor<B, 4>, Tensor<B, 4>) {
        let mut seen = image;
        for (index, layer) in self.trunk.iter().enumerate() {
            seen = B::convolve_rectified(layer, seen);
            if index < self.pooled {
                seen = B::halve(seen);
            }
        }
        let seen = resize(seen, MAP_SIZE);
        (
            B::convolve(&self.teacher_head, seen.clone()),
            B::convolve(&self.global_head, seen),
        )
    }

    /// F_L and F_LG as ONNX nodes.
    pub fn write(&self, graph: &mut Graph, image: &Value) -> (Value, Value) {
        let seen = self.write_trunk(graph, image);
        (
            graph.convolution(&seen, &layers::convolution(&self.teacher_head)),
            graph.convolution(&seen, &layers::convolution(&self.global_head)),
        )
    }

    /// F_L alone.
    pub fn write_imitation(&self, graph: &mut Graph, image: &Value) -> Value {
        let seen = self.write_trunk(graph, image);
        graph.convolution(&seen, &layers::convolution(&self.teacher_head))
    }

    /// What both heads read.
    fn write_trunk(&self, graph: &mut Graph, image: &Value) -> Value {
        let mut seen = image.clone();
        for (index, layer) in self.trunk.iter().enumerate() {
            seen = graph.convolution(&seen, &layers::convolution(layer));
            seen = graph.relu(&seen);
            if index < self.pooled {
                seen = graph.average_pool(&seen, [2, 2], [2, 2], [1, 1]);
            }
        }
        graph.resize(&seen, [MAP_SIZE; 2])
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;
    use crate::engine::{CpuTraining, seeded_init};

    /// How many pixels one cell depends on, by the gradient of its value.
    fn receptive_field(config: LocalStudentConfig) -> (usize, usize) {
        type B = CpuTraining;
        let device = Default::default();
        let student = seeded_init(3, &device, |device| config.init::<B>(device));
        let image =
            Tensor::<B, 4>::random([1, 3, 256, 256], Distribution::Default, &device).require_grad();
        let (imitation, _) = student.forward(image.clone());
        let cell = imitation.slice([0..1, 0..8, 30..31, 30..31]).sum();
        let gradients = cell.backward();
        let gradient = layers::values(&image.grad(&gradients).expect("the image has a gradient"));
        let touched: Vec<usize> = (0..gradient.len())
            .filter(|&pixel| gradient[pixel] != 0.0)
            .collect();
        let extent = |of: fn(usize) -> usize| {
            let places: Vec<usize> = touched.iter().map(|&pixel| of(pixel)).collect();
            places.iter().max().unwrap() - places.iter().min().unwrap() + 1
        };
        (
            extent(|pixel| pixel / 256 % 256),
            extent(|pixel| pixel % 256),
        )
    }

    fn narrow() -> LocalStudentConfig {
        LocalStudentConfig::new(LocalWidths { stem: 8, trunk: 8 }, 8)
    }

    #[test]
    fn the_paper_s_student_sees_33_pixels() {
        assert_eq!(receptive_field(narrow().with_pooling(true)), (33, 33));
    }

    #[test]
    fn the_strided_student_sees_26_pixels() {
        assert_eq!(receptive_field(narrow()), (26, 26));
    }
}
