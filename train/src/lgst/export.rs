//! The trained students as one ONNX graph: image and encoder features in, anomaly maps out.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand_chacha::ChaCha8Rng;

use super::train::TrainedLgst;
use crate::engine::Kernels;
use crate::export::onnx::{Graph, Value};
use crate::maps::MAP_SIZE;

/// What the exported graph computes, on burn.
#[derive(Clone, Debug)]
pub struct LgstMaps<B: Backend> {
    /// Mean over the channels of (F_T − F_L)², `[B, 1, 64, 64]`.
    pub local: Tensor<B, 4>,
    /// Mean over the channels of (F_G − F_LG)².
    pub global: Tensor<B, 4>,
    /// Mean over the channels of (F_T − F_G)².
    pub teacher_global: Tensor<B, 4>,
    /// F_T − F_L, `[B, D, 64, 64]`.
    pub local_residual: Tensor<B, 4>,
    /// F_T − F_G, likewise.
    pub global_residual: Tensor<B, 4>,
}

/// What the exported graph gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StudentOutputs {
    /// `local_map`, `global_map`, `teacher_global_map`, each `[1, 1, 64, 64]`: what the paper reads.
    Errors,
    /// `local_residual`, `global_residual`, each `[1, D, 64, 64]`.
    Residuals,
}

impl<B: Kernels> TrainedLgst<B> {
    /// # Shapes
    /// - `image`: `[B, 3, 256, 256]`, normalised; `stride8`, `stride16`: the encoder's features of it
    pub fn maps(
        &self,
        image: Tensor<B, 4>,
        stride8: Tensor<B, 4>,
        stride16: Tensor<B, 4>,
    ) -> LgstMaps<B> {
        let teacher = self.teacher.forward(stride8, stride16);
        let (local, local_of_global) = self.students.local.forward(image.clone());
        let global = self.students.global.forward::<ChaCha8Rng>(image, None);
        let error = |left: &Tensor<B, 4>, right: &Tensor<B, 4>| {
            (left.clone() - right.clone()).square().mean_dim(1)
        };
        LgstMaps {
            local: error(&teacher, &local),
            global: error(&global, &local_of_global),
            teacher_global: error(&teacher, &global),
            local_residual: teacher.clone() - local,
            global_residual: teacher - global,
        }
    }

    /// The graph of [`maps`](Self::maps) for one image, with inputs `image`, `stride8` and `stride16`.
    pub fn to_onnx(&self, outputs: StudentOutputs) -> Vec<u8> {
        let mut graph = Graph::new("students");
        let size = self.image_size;
        let image = graph.input("image", &[1, 3, size, size]);
        let (stride8, stride16) = self.feature_inputs(&mut graph);
        let teacher = self.teacher.write(&mut graph, &stride8, &stride16);
        let local = &self.students.local;
        match outputs {
            StudentOutputs::Errors => {
                let (local, local_of_global) = local.write(&mut graph, &image);
                let global = self.students.global.write(&mut graph, &image);
                for (name, left, right) in [
                    ("local_map", &teacher, &local),
                    ("global_map", &global, &local_of_global),
                    ("teacher_global_map", &teacher, &global),
                ] {
                    let difference = graph.sub(left, right);
                    let map = mean_square(&mut graph, &difference);
                    graph.output(name, &map);
                }
            }
            StudentOutputs::Residuals => {
                let local = local.write_imitation(&mut graph, &image);
                let global = self.students.global.write(&mut graph, &image);
                for (name, student) in [("local_residual", &local), ("global_residual", &global)] {
                    let residual = graph.sub(&teacher, student);
                    graph.output(name, &residual);
                }
            }
        }
        graph.finish()
    }

    /// The teacher alone: inputs `stride8`, `stride16`; output `teacher`, `[1, D, 64, 64]`.
    pub fn teacher_to_onnx(&self) -> Vec<u8> {
        let mut graph = Graph::new("teacher");
        let (stride8, stride16) = self.feature_inputs(&mut graph);
        let teacher = self.teacher.write(&mut graph, &stride8, &stride16);
        graph.output("teacher", &teacher);
        graph.finish()
    }

    fn feature_inputs(&self, graph: &mut Graph) -> (Value, Value) {
        let [from8, from16] = self.teacher.input_channels();
        let size8 = self.image_size / 8;
        let size16 = self.image_size / 16;
        (
            graph.input("stride8", &[1, from8, size8, size8]),
            graph.input("stride16", &[1, from16, size16, size16]),
        )
    }
}

fn mean_square(graph: &mut Graph, difference: &Value) -> Value {
    debug_assert_eq!(difference.shape()[2..], [MAP_SIZE; 2]);
    let squared = graph.mul(difference, difference);
    graph.channel_mean(&squared)
}
