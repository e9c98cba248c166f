//! What the frozen encoder says of the training images, kept on the device that trains: a student's step then costs
//! neither an encoding nor a copy.

use aecsad_inspect::network::Features;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::teacher::Teacher;
use crate::engine::{Kernels, stack};
use crate::maps::MAP_SIZE;

/// Teacher maps are kept if all of them take no more than this; else they are projected anew for each batch from the
/// features, which for the paper's widths are a third as large.
const MAPS_KEPT_BYTES: usize = 1 << 30;

/// The encoder's features of one image, `[1, C, size, size]` each.
#[derive(Clone, Debug)]
pub struct TeacherFeatures<B: Backend> {
    pub stride8: Tensor<B, 4>,
    pub stride16: Tensor<B, 4>,
}

impl<B: Kernels> TeacherFeatures<B> {
    pub fn from_features(features: &Features, device: &B::Device) -> Self {
        Self {
            stride8: stack([&features.stride8].into_iter(), device),
            stride16: stack([&features.stride16].into_iter(), device),
        }
    }
}

/// The teacher maps of all training images.
pub enum TeacherMaps<B: Backend> {
    /// `[1, D, 64, 64]` each.
    Kept(Vec<Tensor<B, 4>>),
    Projected(Box<Teacher<B>>, Vec<TeacherFeatures<B>>),
}

impl<B: Kernels> TeacherMaps<B> {
    pub fn new(
        teacher: &Teacher<B>,
        teacher_features: Vec<TeacherFeatures<B>>,
        channels: usize,
    ) -> Self {
        let bytes = teacher_features.len() * channels * MAP_SIZE * MAP_SIZE * size_of::<f32>();
        if bytes <= MAPS_KEPT_BYTES {
            return Self::Kept(
                teacher_features
                    .iter()
                    .map(|features| teacher.map_of(features))
                    .collect(),
            );
        }
        Self::Projected(Box::new(teacher.clone()), teacher_features)
    }

    /// F_T of a batch, `[B, D, 64, 64]`.
    pub fn batch(&self, samples: &[usize]) -> Tensor<B, 4> {
        match self {
            Self::Kept(maps) => Tensor::cat(samples.iter().map(|&s| maps[s].clone()).collect(), 0),
            Self::Projected(teacher, teacher_features) => {
                let of = |map: fn(&TeacherFeatures<B>) -> &Tensor<B, 4>| {
                    Tensor::cat(
                        samples
                            .iter()
                            .map(|&s| map(&teacher_features[s]).clone())
                            .collect(),
                        0,
                    )
                };
                teacher.forward(of(|l| &l.stride8), of(|l| &l.stride16))
            }
        }
    }
}
