//! Trains the decoder in two stages: on the labelled images alone, then with the unlabelled ones, which must be
//! decided and must hold the parts that a labelled image holds.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use ndarray::{Array2, Array3};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::decoder::{Decoder, DecoderConfig, DecoderWidths};
use super::losses::{LossTarget, LossWeights, Probabilities};
use super::source::{BatchSource, Encoded, Prepared, TrainingSet};
use super::{IGNORE, SegmentationError, sharpness};
use crate::engine::{
    self, Cpu, CpuTraining, Fingerprint, Kernels, Loss, Objective, RunFolder, Schedule, Shard,
    Shards, Training, noise_source, seeded_init,
};
use crate::maps::MAP_SIZE;

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
            decoder: DecoderConfig::new(classes, DecoderWidths::EDGE),
            weights: LossWeights::default(),
            supervised_share: 1.0 / 3.0,
            schedule: Schedule {
                steps: 250,
                batch: 8,
                learning_rate: 1e-3,
                final_learning_rate: 1e-6,
                weight_decay: 1e-4,
                shards: Shards::AtOnce(2),
                seed,
                checkpoint_every: Duration::from_secs(30),
            },
        }
    }

    /// The paper's decoder and its 120 epochs over `labelled` images, the first 40 on those alone.
    pub fn paper(classes: usize, labelled: usize, epochs: usize, seed: u64) -> Self {
        Self {
            decoder: DecoderConfig::new(classes, DecoderWidths::PAPER)
                .with_encoder([256, 1024])
                .with_rates([6, 12, 18]),
            weights: LossWeights::default(),
            supervised_share: 1.0 / 3.0,
            schedule: Schedule::paper(labelled, epochs, seed),
        }
    }

    fn sees_unlabelled(&self, step: usize) -> bool {
        step as f64 >= self.supervised_share * self.schedule.steps as f64
    }
}

/// The decoder as it will be used, on a backend without gradients.
#[derive(Debug)]
pub struct TrainedDecoder<B: Backend = Cpu> {
    pub decoder: Decoder<B>,
}

impl<B: Kernels> TrainedDecoder<B> {
    /// Inputs `stride4`, `stride16`; output `logits`, `[1, C, 64, 64]`.
    pub fn to_onnx(&self) -> Vec<u8> {
        self.decoder.to_onnx()
    }
}

impl TrainedDecoder {
    /// As sure of itself as it is right on `set`'s labels; see [`sharpness`].
    pub fn sharpened(self, set: TrainingSet) -> Self {
        let factor = sharpness::find(&self.decoder, set);
        let decoder = self.decoder.sharpened(factor);
        Self { decoder }
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
) -> Result<TrainedDecoder, SegmentationError> {
    train_on::<CpuTraining>(set, config, work_dir, cancel, &Default::default())
}

/// Trains the decoder, or continues an interrupted training from `work_dir`.
///
/// # Errors
/// If nothing is labelled, if shapes or classes disagree with the configuration, or if the training itself stops: see
/// [`engine::TrainingError`].
pub fn train_on<B: Training>(
    set: TrainingSet,
    config: &SegmentationConfig,
    work_dir: &Path,
    cancel: &AtomicBool,
    device: &B::Device,
) -> Result<TrainedDecoder<B::InnerBackend>, SegmentationError> {
    let source = Prepared {
        set,
        device: device.clone(),
    };
    check_labels(&source, config)?;
    check_features(set, config)?;
    train_from::<B>(&source, config, work_dir, cancel, device)
}

/// As [`train_on`], each batch made by `source` when its turn comes.
///
/// # Errors
/// As [`train_on`].
pub fn train_from<B: Training>(
    source: &dyn BatchSource<B::InnerBackend>,
    config: &SegmentationConfig,
    work_dir: &Path,
    cancel: &AtomicBool,
    device: &B::Device,
) -> Result<TrainedDecoder<B::InnerBackend>, SegmentationError> {
    check_labels(source, config)?;
    let decoder = seeded_init(config.schedule.seed, device, |device| {
        config.decoder.init::<B>(device)
    });
    let objective = Labelling::<B> {
        source,
        config,
        device: device.clone(),
    };
    let place = RunFolder {
        stage: STAGE,
        folder: work_dir,
        cancel,
    };
    let fingerprint = fingerprint(source, config);
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

struct Labelling<'a, B: Training> {
    source: &'a dyn BatchSource<B::InnerBackend>,
    config: &'a SegmentationConfig,
    device: B::Device,
}

impl<B: Training> Labelling<'_, B> {
    fn target<'m>(&self, masks: impl ExactSizeIterator<Item = &'m Array2<u8>>) -> LossTarget<B> {
        LossTarget::new(masks, self.config.decoder.classes, &self.device)
    }
}

impl<B: Training> Objective<B> for Labelling<'_, B> {
    type Model = Decoder<B>;

    fn loss(&self, decoder: &Decoder<B>, shard: Shard) -> Loss<B> {
        let masks = self.source.masks();
        let unlabelled = self.source.unlabelled();
        let seed = self.config.schedule.seed;
        let weights = &self.config.weights;
        let size = self.config.schedule.batch;
        let mut noise = noise_source(seed, shard.step, shard.index);

        let batch = engine::batch(masks.len(), size, shard.step, seed);
        let samples = shard.part(&batch);
        let both = unlabelled > 0 && self.config.sees_unlabelled(shard.step);
        let other_batch = if both {
            engine::batch(unlabelled, size, shard.step, seed ^ UNLABELLED_SEED)
        } else {
            Vec::new()
        };
        let others = shard.part(&other_batch);

        // One pass for both: batch normalisation sees the mixture that the camera will see.
        let (encoded, labels) = self.source.labelled_batch(samples, &mut noise);
        let mut parts = vec![encoded];
        if !others.is_empty() {
            parts.push(self.source.unlabelled_batch(others));
        }
        let Encoded { stride4, stride16 } = Encoded::cat(parts);
        let logits = decoder.forward(Tensor::from_inner(stride4), Tensor::from_inner(stride16));
        let [all, classes, height, width] = logits.dims();
        let part = |from: usize, to: usize| {
            Probabilities::new(
                logits
                    .clone()
                    .slice([from..to, 0..classes, 0..height, 0..width]),
            )
        };

        let target = self.target(labels.iter());
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
            let models: Vec<&Array2<u8>> = others
                .iter()
                .map(|_| &masks[noise.random_range(0..masks.len())])
                .collect();
            let unknown = part(samples.len(), all);
            terms.push((
                "histogram",
                unknown.histogram(&self.target(models.into_iter())),
                weights.histogram,
            ));
            terms.push(("entropy", unknown.entropy(), weights.entropy));
        }
        Loss::weighted(terms)
    }
}

fn fingerprint<B: Backend>(
    source: &dyn BatchSource<B>,
    config: &SegmentationConfig,
) -> Fingerprint {
    let mut fingerprint = Fingerprint::new(&format!("{config:?}"));
    source.describe(&mut fingerprint);
    for mask in source.masks() {
        fingerprint.array(mask);
    }
    fingerprint
}

fn check_labels<B: Backend>(
    source: &dyn BatchSource<B>,
    config: &SegmentationConfig,
) -> Result<(), SegmentationError> {
    let (images, masks) = (source.labelled(), source.masks());
    if images != masks.len() {
        return Err(SegmentationError::CountMismatch {
            images,
            masks: masks.len(),
        });
    }
    let classes = config.decoder.classes;
    if !(2..=IGNORE as usize).contains(&classes) {
        return Err(SegmentationError::ClassCount { classes });
    }
    if masks.is_empty() {
        return Err(SegmentationError::NoLabels);
    }
    for (index, mask) in masks.iter().enumerate() {
        if mask.dim() != (MAP_SIZE, MAP_SIZE) {
            return Err(SegmentationError::MaskSize {
                index,
                found: mask.dim().into(),
            });
        }
        let unknown = |class: &&u8| **class != IGNORE && **class as usize >= classes;
        if let Some(&class) = mask.iter().find(unknown) {
            return Err(SegmentationError::UnknownClass {
                index,
                class,
                classes,
            });
        }
    }
    Ok(())
}

fn check_features(set: TrainingSet, config: &SegmentationConfig) -> Result<(), SegmentationError> {
    let [channels4, channels16] = config.decoder.encoder;
    let needed = |index, what, expected: [usize; 3], found: &Array3<f32>| {
        let found = <[usize; 3]>::from(found.dim());
        if expected == found {
            return Ok(());
        }
        Err(SegmentationError::ShapeMismatch {
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
