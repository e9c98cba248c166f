//! Training images as the backbone sees them, encoded on the device that trains.

use aecsad_inspect::frame::Frame;
use aecsad_inspect::optics::{InputGeometry, Optics};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use ndarray::{Array2, Array3};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::backbone::WideResNet;
use crate::engine::{Fingerprint, Kernels, stack};
use crate::lgst::TeacherFeatures;
use crate::segmentation::{Augmentation, BatchSource, Encoded};

/// Images that are encoded at once.
const AT_ONCE: usize = 8;

/// What the students' teacher needs of normalised images, `[3, H, W]` each.
pub fn teacher_features<B: Kernels>(
    images: &[Array3<f32>],
    encoder: &WideResNet<B>,
    device: &B::Device,
) -> Vec<TeacherFeatures<B>> {
    let mut teacher_features = Vec::with_capacity(images.len());
    for images in images.chunks(AT_ONCE) {
        let maps = encoder.forward(stack(images.iter(), device));
        let of = |map: &Tensor<B, 4>, index: usize| map.clone().narrow(0, index, 1);
        teacher_features.extend((0..images.len()).map(|index| TeacherFeatures {
            stride8: of(&maps.stride8, index),
            stride16: of(&maps.stride16, index),
        }));
    }
    teacher_features
}

/// Images that are changed and encoded anew for each step, which on a GPU costs less than bringing features there.
pub struct EncodingSource<'a, B: Backend> {
    /// D_L at the network's input size.
    pub labelled: Vec<&'a Frame>,
    /// One for each of `labelled`, `[64, 64]`.
    pub masks: &'a [Array2<u8>],
    /// D_U; may be empty.
    pub unlabelled: Vec<&'a Frame>,
    pub augmentation: Augmentation,
    pub geometry: &'a InputGeometry,
    pub encoder: &'a WideResNet<B>,
    /// Tells encoders apart: a digest of the weights.
    pub encoder_name: &'a str,
    pub device: B::Device,
}

impl<B: Kernels> EncodingSource<'_, B> {
    fn encode(&self, frames: &[&Frame]) -> Encoded<B> {
        let side = self.geometry.height as usize;
        let images: Vec<Array3<f32>> = frames
            .par_iter()
            .map(|frame| {
                let mut optics = Optics::new(self.geometry.clone(), None);
                let tensor = optics.tensor(frame).expect("the frame came from optics");
                Array3::from_shape_vec((3, side, tensor.len() / 3 / side), tensor.to_vec())
                    .expect("optics give whole images")
            })
            .collect();
        let maps = self.encoder.forward(stack(images.iter(), &self.device));
        Encoded {
            stride4: maps.stride4,
            stride16: maps.stride16,
        }
    }
}

impl<B: Kernels> BatchSource<B> for EncodingSource<'_, B> {
    fn labelled(&self) -> usize {
        self.labelled.len()
    }

    fn masks(&self) -> &[Array2<u8>] {
        self.masks
    }

    fn unlabelled(&self) -> usize {
        self.unlabelled.len()
    }

    fn labelled_batch(
        &self,
        samples: &[usize],
        noise: &mut ChaCha8Rng,
    ) -> (Encoded<B>, Vec<Array2<u8>>) {
        let (frames, masks): (Vec<Frame>, Vec<Array2<u8>>) = samples
            .iter()
            .map(|&s| {
                let (frame, mask) = (self.labelled[s], &self.masks[s]);
                self.augmentation.apply(frame, mask, noise)
            })
            .unzip();
        (self.encode(&frames.iter().collect::<Vec<_>>()), masks)
    }

    fn unlabelled_batch(&self, samples: &[usize]) -> Encoded<B> {
        let frames: Vec<&Frame> = samples.iter().map(|&s| self.unlabelled[s]).collect();
        self.encode(&frames)
    }

    fn describe(&self, fingerprint: &mut Fingerprint) {
        fingerprint.text(self.encoder_name);
        fingerprint.text(&format!("{:?} {:?}", self.augmentation, self.geometry));
        for frame in self.labelled.iter().chain(&self.unlabelled) {
            fingerprint.bytes(&frame.rgb);
        }
    }
}
