//! Where a batch's features come from.

use aecsad_inspect::network::Features;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use ndarray::{Array2, Array3};
use rand_chacha::ChaCha8Rng;

use crate::engine::{Fingerprint, stack};

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
pub trait BatchSource<B: Backend>: Sync {
    /// Images in D_L.
    fn labelled(&self) -> usize;
    /// One an image in D_L, `[64, 64]`.
    fn masks(&self) -> &[Array2<u8>];
    /// Images in D_U.
    fn unlabelled(&self) -> usize;
    /// Some images of D_L with their masks, `[64, 64]` each, both perhaps changed.
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
    /// One for each of `labelled`, `[64, 64]`.
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

impl<B: Backend> BatchSource<B> for Prepared<'_, B> {
    fn labelled(&self) -> usize {
        self.set.labelled.len()
    }

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
