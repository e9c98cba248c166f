//! Trains the decoder in two stages: on the labelled images alone, then with the unlabelled ones, which must be
//! decided and must hold the parts that a labelled image holds.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use aecsad::network::Features;
use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use ndarray::{Array2, Array3};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::decoder::{Decoder, DecoderConfig};
use super::losses::{LossWeights, Probabilities, Target};
use super::{Error, IGNORE, MAP_SIZE};
use crate::engine::{
    self, Cpu, CpuTraining, Fingerprint, Loss, Objective, Schedule, Shard, Workplace, noise_source,
    seeded_init, stack,
};

const STAGE: &str = "segmentation";

/// Keeps the order of unlabelled images apart from that of labelled ones.
const UNLABELLED_SEED: u64 = 1 << 63;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SegmentationConfig {
    pub decoder: DecoderConfig,
    pub weights: LossWeights,
    /// Share of the steps that see labelled images only.
    pub supervised_share: f64,
    /// In the second stage as many unlabelled images join each batch.
    pub schedule: Schedule,
}

impl SegmentationConfig {
    /// The slim decoder of the `edge` profile for `classes` classes, background included.
    pub fn edge(classes: usize, seed: u64) -> Self {
        Self {
            decoder: DecoderConfig::new(classes),
            weights: LossWeights::default(),
            supervised_share: 1.0 / 3.0,
            schedule: Schedule {
                steps: 250,
                batch: 8,
                learning_rate: 1e-3,
                final_learning_rate: 1e-6,
                weight_decay: 1e-4,
                shards: 2,
                seed,
                checkpoint_every: Duration::from_secs(30),
            },
        }
    }

    fn sees_unlabelled(&self, step: usize) -> bool {
        step as f64 >= self.supervised_share * self.schedule.steps as f64
    }
}

/// What the decoder learns from. Masks are 64×64, class 0 is background, [`IGNORE`](super::IGNORE) is unknown.
#[derive(Clone, Copy, Debug)]
pub struct TrainingSet<'a> {
    /// D_L. Augmented samples (a part cut out and pasted elsewhere, then encoded) are further entries.
    pub labelled: &'a [Features],
    pub masks: &'a [Array2<u8>],
    /// D_U; may be empty.
    pub unlabelled: &'a [Features],
}

/// The decoder as it will be used, on a backend without gradients.
#[derive(Debug)]
pub struct TrainedDecoder<B: Backend = Cpu> {
    pub decoder: Decoder<B>,
}

impl<B: Backend> TrainedDecoder<B> {
    /// Inputs `stride4`, `stride16`; output `logits`, `[1, C, 64, 64]`.
    pub fn to_onnx(&self) -> Vec<u8> {
        self.decoder.to_onnx()
    }
}

/// [`train_on`] the CPU.
///
/// # Errors
/// As [`train_on`].
pub fn train(
    set: TrainingSet,
    config: &SegmentationConfig,
    work_dir: &Path,
    cancel: &AtomicBool,
) -> Result<TrainedDecoder, Error> {
    train_on::<CpuTraining>(set, config, work_dir, cancel, &Default::default())
}

/// Trains the decoder, or continues an interrupted training from `work_dir`.
///
/// # Errors
/// If nothing is labelled, if shapes or classes disagree with the configuration, or if the training itself stops: see
/// [`engine::Error`].
pub fn train_on<B: AutodiffBackend>(
    set: TrainingSet,
    config: &SegmentationConfig,
    work_dir: &Path,
    cancel: &AtomicBool,
    device: &B::Device,
) -> Result<TrainedDecoder<B::InnerBackend>, Error> {
    check(set, config)?;
    let decoder = seeded_init(config.schedule.seed, device, |device| {
        config.decoder.init::<B>(device)
    });
    let objective = Labelling::<B> {
        set,
        config,
        device: device.clone(),
    };
    let place = Workplace {
        stage: STAGE,
        folder: work_dir,
        cancel,
    };
    let fingerprint = fingerprint(set, config);
    let decoder = engine::train(
        decoder,
        &objective,
        &config.schedule,
        fingerprint,
        &place,
        device,
    )?;
    Ok(TrainedDecoder {
        decoder: decoder.valid(),
    })
}

struct Labelling<'a, B: AutodiffBackend> {
    set: TrainingSet<'a>,
    config: &'a SegmentationConfig,
    device: B::Device,
}

impl<B: AutodiffBackend> Labelling<'_, B> {
    fn features<'a>(
        &self,
        images: impl ExactSizeIterator<Item = &'a Features> + Clone,
    ) -> (Tensor<B, 4>, Tensor<B, 4>) {
        (
            stack(images.clone().map(|image| &image.stride4), &self.device),
            stack(images.map(|image| &image.stride16), &self.device),
        )
    }

    fn target(&self, samples: &[usize]) -> Target<B> {
        let masks = samples.iter().map(|&sample| &self.set.masks[sample]);
        Target::new(masks, self.config.decoder.classes, &self.device)
    }
}

impl<B: AutodiffBackend> Objective<B> for Labelling<'_, B> {
    type Model = Decoder<B>;

    fn loss(&self, decoder: &Decoder<B>, shard: Shard) -> Loss<B> {
        let TrainingSet {
            labelled,
            unlabelled,
            ..
        } = self.set;
        let seed = self.config.schedule.seed;
        let weights = &self.config.weights;
        let size = self.config.schedule.batch;

        let batch = engine::batch(labelled.len(), size, shard.step, seed);
        let samples = shard.part(&batch);
        let both = !unlabelled.is_empty() && self.config.sees_unlabelled(shard.step);
        let other_batch = if both {
            engine::batch(unlabelled.len(), size, shard.step, seed ^ UNLABELLED_SEED)
        } else {
            Vec::new()
        };
        let others = shard.part(&other_batch);

        // One pass for both: batch normalisation sees the mixture that the camera will see.
        let images: Vec<&Features> = samples
            .iter()
            .map(|&sample| &labelled[sample])
            .chain(others.iter().map(|&sample| &unlabelled[sample]))
            .collect();
        let (stride4, stride16) = self.features(images.into_iter());
        let logits = decoder.forward(stride4, stride16);
        let [all, classes, height, width] = logits.dims();
        let part = |from: usize, to: usize| {
            Probabilities::new(
                logits
                    .clone()
                    .slice([from..to, 0..classes, 0..height, 0..width]),
            )
        };

        let target = self.target(samples);
        let known = part(0, samples.len());
        let mut terms = vec![
            (
                "cross_entropy",
                known.cross_entropy(&target),
                weights.cross_entropy,
            ),
            ("dice", known.dice(&target), weights.dice),
            ("focal", known.focal(&target), weights.focal),
        ];
        if !others.is_empty() {
            let mut noise = noise_source(seed, shard.step, shard.index);
            let models: Vec<usize> = others
                .iter()
                .map(|_| noise.random_range(0..labelled.len()))
                .collect();
            let unknown = part(samples.len(), all);
            terms.push((
                "histogram",
                unknown.histogram(&self.target(&models)),
                weights.histogram,
            ));
            terms.push(("entropy", unknown.entropy(), weights.entropy));
        }
        let mut total = Tensor::zeros([1], &self.device);
        let mut recorded = Vec::with_capacity(terms.len());
        for (name, value, weight) in terms {
            recorded.push((name, value.clone().inner()));
            total = total + value * weight;
        }
        Loss {
            total,
            terms: recorded,
        }
    }
}

fn fingerprint(set: TrainingSet, config: &SegmentationConfig) -> Fingerprint {
    let mut fingerprint = Fingerprint::new(&format!("{config:?}"));
    for image in set.labelled.iter().chain(set.unlabelled) {
        fingerprint.array(&image.stride4);
        fingerprint.array(&image.stride16);
    }
    for mask in set.masks {
        fingerprint.array(mask);
    }
    fingerprint
}

fn check(set: TrainingSet, config: &SegmentationConfig) -> Result<(), Error> {
    let classes = config.decoder.classes;
    if !(2..=IGNORE as usize).contains(&classes) {
        return Err(Error::ClassCount { classes });
    }
    if set.labelled.is_empty() {
        return Err(Error::NoLabels);
    }
    if set.labelled.len() != set.masks.len() {
        return Err(Error::CountMismatch {
            images: set.labelled.len(),
            masks: set.masks.len(),
        });
    }
    for (index, mask) in set.masks.iter().enumerate() {
        if mask.dim() != (MAP_SIZE, MAP_SIZE) {
            return Err(Error::MaskSize {
                index,
                found: mask.dim().into(),
            });
        }
        let unknown = |class: &&u8| **class != IGNORE && **class as usize >= classes;
        if let Some(&class) = mask.iter().find(unknown) {
            return Err(Error::UnknownClass {
                index,
                class,
                classes,
            });
        }
    }
    let [channels4, channels16] = config.decoder.encoder;
    let needed = |index, what, expected: [usize; 3], found: &Array3<f32>| {
        let found = <[usize; 3]>::from(found.dim());
        if expected == found {
            return Ok(());
        }
        Err(Error::ShapeMismatch {
            index,
            what,
            expected,
            found,
        })
    };
    let small = MAP_SIZE / 4;
    for (index, image) in set.labelled.iter().chain(set.unlabelled).enumerate() {
        needed(
            index,
            "stride-4 features",
            [channels4, MAP_SIZE, MAP_SIZE],
            &image.stride4,
        )?;
        needed(
            index,
            "stride-16 features",
            [channels16, small, small],
            &image.stride16,
        )?;
    }
    Ok(())
}
