//! Where a batch's features come from: encoded beforehand, or changed and encoded for each step.

use aecsad_inspect::frame::Frame;
use aecsad_inspect::network::Features;
use aecsad_inspect::optics::{InputGeometry, Optics};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use ndarray::{Array2, Array3};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::augment::Augmentation;
use crate::backbone::WideResNet;
use crate::engine::{Fingerprint, Kernels, stack};

/// A batch as the decoder reads it.
pub struct Encoded<B: Backend> {
    /// `[B, C4, 64, 64]`
    pub stride4: Tensor<B, 4>,
    /// `[B, C16, 16, 16]`
    pub stride16: Tensor<B, 4>,
}

impl<B: Backend> Encoded<B> {
    pub(super) fn cat(parts: Vec<Self>) -> Self {
        let (stride4, stride16) = parts.into_iter().map(|p| (p.stride4, p.stride16)).unzip();
        Self {
            stride4: Tensor::cat(stride4, 0),
            stride16: Tensor::cat(stride16, 0),
        }
    }
}

/// The images of a training. Masks are 64×64, class 0 is background, [`IGNORE`](super::IGNORE) is unknown.
pub trait Source<B: Backend>: Sync {
    /// Images in D_L.
    fn masks(&self) -> &[Array2<u8>];
    /// Images in D_U.
    fn unlabelled(&self) -> usize;
    /// Some images of D_L with their masks, both perhaps changed.
    fn labelled_batch(
        &self,
        samples: &[usize],
        noise: &mut ChaCha8Rng,
    ) -> (Encoded<B>, Vec<Array2<u8>>);
    fn unlabelled_batch(&self, samples: &[usize]) -> Encoded<B>;
    /// Everything a result depends on.
    fn describe(&self, fingerprint: &mut Fingerprint);
}

/// Images that were encoded before training.
#[derive(Clone, Copy, Debug)]
pub struct TrainingSet<'a> {
    /// D_L. Augmented samples (a part cut out and pasted elsewhere, then encoded) are further entries.
    pub labelled: &'a [Features],
    pub masks: &'a [Array2<u8>],
    /// D_U; may be empty.
    pub unlabelled: &'a [Features],
}

/// [`TrainingSet`] on the device that trains.
pub(super) struct Prepared<'a, B: Backend> {
    pub set: TrainingSet<'a>,
    pub device: B::Device,
}

impl<B: Backend> Prepared<'_, B> {
    pub fn stack(&self, images: &[Features], samples: &[usize]) -> Encoded<B> {
        let of = |map: fn(&Features) -> &Array3<f32>| {
            stack(samples.iter().map(|&s| map(&images[s])), &self.device)
        };
        Encoded {
            stride4: of(|image| &image.stride4),
            stride16: of(|image| &image.stride16),
        }
    }
}

impl<B: Backend> Source<B> for Prepared<'_, B> {
    fn masks(&self) -> &[Array2<u8>] {
        self.set.masks
    }

    fn unlabelled(&self) -> usize {
        self.set.unlabelled.len()
    }

    fn labelled_batch(
        &self,
        samples: &[usize],
        _: &mut ChaCha8Rng,
    ) -> (Encoded<B>, Vec<Array2<u8>>) {
        let masks = samples.iter().map(|&s| self.set.masks[s].clone()).collect();
        (self.stack(self.set.labelled, samples), masks)
    }

    fn unlabelled_batch(&self, samples: &[usize]) -> Encoded<B> {
        self.stack(self.set.unlabelled, samples)
    }

    fn describe(&self, fingerprint: &mut Fingerprint) {
        for image in self.set.labelled.iter().chain(self.set.unlabelled) {
            fingerprint.array(&image.stride4);
            fingerprint.array(&image.stride16);
        }
    }
}

/// Images that are changed and encoded anew for each step, which on a GPU costs less than bringing features there.
pub struct Encoding<'a, B: Backend> {
    /// D_L at the network's input size.
    pub labelled: Vec<&'a Frame>,
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

impl<B: Kernels> Encoding<'_, B> {
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

impl<B: Kernels> Source<B> for Encoding<'_, B> {
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
