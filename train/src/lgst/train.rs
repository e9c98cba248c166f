//! Trains both students together against the frozen teacher.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use aecsad_inspect::network::Features;
use burn::module::{AutodiffModule, Module};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use ndarray::Array3;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::LgstError;
use super::augment::Jitter;
use super::global_student::{Dropout, GlobalStudent, GlobalStudentConfig};
use super::local_student::{LocalStudent, LocalStudentConfig, LocalWidths};
use super::loss::{LgstLossConfig, LgstTerms};
use super::teacher::Teacher;
use super::teacher_features::{TeacherFeatures, TeacherMaps};
use crate::engine::{
    self, Cpu, CpuTraining, Fingerprint, Loss, Objective, RunFolder, Schedule, Shard, Shards,
    Training, noise_source, seeded_init, stack,
};

const STAGE: &str = "students";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LgstConfig {
    /// D: channels of the teacher map.
    pub channels: usize,
    pub local: LocalStudentConfig,
    pub global: GlobalStudentConfig,
    pub loss: LgstLossConfig,
    pub jitter: Jitter,
    pub schedule: Schedule,
}

impl LgstConfig {
    /// The slim networks of the `edge` profile.
    pub fn edge(seed: u64) -> Self {
        let channels = 64;
        Self {
            channels,
            local: LocalStudentConfig::new(LocalWidths::EDGE, channels),
            global: GlobalStudentConfig::new(channels),
            loss: LgstLossConfig::default(),
            jitter: Jitter::default(),
            schedule: Schedule {
                steps: 400,
                batch: 8,
                learning_rate: 3e-3,
                final_learning_rate: 1e-6,
                weight_decay: 1e-4,
                shards: Shards::AtOnce(2),
                seed,
                checkpoint_every: Duration::from_secs(30),
            },
        }
    }
}

impl LgstConfig {
    /// The networks of the `paper` profile, `epochs` rounds over
    /// `images` images.
    pub fn paper(images: usize, epochs: usize, jitter: Jitter, seed: u64) -> Self {
        let channels = 512;
        Self {
            channels,
            local: LocalStudentConfig::new(LocalWidths::PAPER, channels).with_pooling(true),
            global: GlobalStudentConfig::paper(channels),
            loss: LgstLossConfig::default(),
            jitter,
            schedule: Schedule::paper(images, epochs, seed),
        }
    }
}

/// What learns.
#[derive(Module, Debug)]
pub struct Students<B: Backend> {
    pub local: LocalStudent<B>,
    pub global: GlobalStudent<B>,
}

/// The three networks as they will be used, on a backend without gradients.
#[derive(Debug)]
pub struct TrainedLgst<B: Backend = Cpu> {
    pub teacher: Teacher<B>,
    pub students: Students<B>,
    /// Side of the square images, in pixels.
    pub image_size: usize,
}

/// [`train_on`] the CPU.
///
/// *Shapes*: as for [`train_on`].
///
/// # Errors
/// As [`train_on`].
pub fn train(
    images: &[Array3<f32>],
    features: &[Features],
    config: &LgstConfig,
    work_dir: &Path,
    cancel: &AtomicBool,
) -> Result<TrainedLgst, LgstError> {
    train_on::<CpuTraining>(
        images,
        features,
        config,
        work_dir,
        cancel,
        &Default::default(),
    )
}

/// Trains the students on good images, or continues an interrupted training from `work_dir`.
///
/// `images` are normalised, `[3, 256, 256]` in the `edge` profile; `features` are what the frozen encoder says of the
/// same images, in the same order.
///
/// # Errors
/// If there are no images, if shapes disagree, or if the training itself stops: see [`engine::TrainingError`].
pub fn train_on<B: Training>(
    images: &[Array3<f32>],
    features: &[Features],
    config: &LgstConfig,
    work_dir: &Path,
    cancel: &AtomicBool,
    device: &B::Device,
) -> Result<TrainedLgst<B::InnerBackend>, LgstError> {
    check_features(images, features)?;
    check_images(images, config)?;
    let mut fingerprint = fingerprint(images, config);
    for image in features {
        fingerprint.array(&image.stride8);
        fingerprint.array(&image.stride16);
    }
    let teacher_features = features
        .iter()
        .map(|image| TeacherFeatures::from_features(image, device))
        .collect();
    let set = StudentTrainingSet {
        images,
        out_of_distribution: &[],
        teacher_features,
    };
    teach::<B>(set, config, fingerprint, work_dir, cancel, device)
}

/// The images of a training whose features an encoder computes on the device itself.
#[derive(Clone, Copy, Debug)]
pub struct UnencodedImages<'a> {
    /// Good parts, normalised, `[3, 256, 256]`.
    pub good: &'a [Array3<f32>],
    /// Images of anything else, in the same shape, for the penalty on what is out of the product's domain; may be
    /// empty.
    pub out_of_distribution: &'a [Array3<f32>],
    /// Tells encoders apart, so that no checkpoint of another one is continued: a digest of the weights.
    pub encoder: &'a str,
}

/// As [`train_on`], with the features that `encode` computes of the good images, in their order, on `device`.
///
/// *Shapes*: images are as for [`train_on`].
///
/// # Errors
/// As [`train_on`].
pub fn train_from<B: Training>(
    images: UnencodedImages,
    encode: impl FnOnce(&[Array3<f32>]) -> Vec<TeacherFeatures<B::InnerBackend>>,
    config: &LgstConfig,
    work_dir: &Path,
    cancel: &AtomicBool,
    device: &B::Device,
) -> Result<TrainedLgst<B::InnerBackend>, LgstError> {
    check_images(images.good, config)?;
    if !images.out_of_distribution.is_empty() {
        check_images(images.out_of_distribution, config)?;
    }
    let mut fingerprint = fingerprint(images.good, config);
    fingerprint.text(images.encoder);
    for image in images.out_of_distribution {
        fingerprint.array(image);
    }
    let set = StudentTrainingSet {
        images: images.good,
        out_of_distribution: images.out_of_distribution,
        teacher_features: encode(images.good),
    };
    teach::<B>(set, config, fingerprint, work_dir, cancel, device)
}

struct StudentTrainingSet<'a, B: Backend> {
    images: &'a [Array3<f32>],
    out_of_distribution: &'a [Array3<f32>],
    teacher_features: Vec<TeacherFeatures<B>>,
}

fn teach<B: Training>(
    set: StudentTrainingSet<B::InnerBackend>,
    config: &LgstConfig,
    fingerprint: Fingerprint,
    work_dir: &Path,
    cancel: &AtomicBool,
    device: &B::Device,
) -> Result<TrainedLgst<B::InnerBackend>, LgstError> {
    let seed = config.schedule.seed;
    let teacher =
        Teacher::<B::InnerBackend>::fit(&set.teacher_features, config.channels, seed, device);
    let objective = Imitation::<B> {
        images: set.images,
        out_of_distribution: set.out_of_distribution,
        teacher_maps: TeacherMaps::new(&teacher, set.teacher_features, config.channels),
        config,
        device: device.clone(),
    };
    let students = config.init::<B>(device);
    let place = RunFolder {
        stage: STAGE,
        folder: work_dir,
        cancel,
    };
    let students = engine::train(
        students,
        &objective,
        &config.schedule,
        fingerprint,
        &place,
        device,
    )?;
    Ok(TrainedLgst {
        teacher,
        students: students.valid(),
        image_size: config.global.image_size(),
    })
}

impl LgstConfig {
    /// Untrained students, the same for the same seed.
    pub fn init<B: Backend>(&self, device: &B::Device) -> Students<B> {
        seeded_init(self.schedule.seed, device, |device| Students {
            local: self.local.init(device),
            global: self.global.init(device),
        })
    }
}

struct Imitation<'a, B: Training> {
    images: &'a [Array3<f32>],
    out_of_distribution: &'a [Array3<f32>],
    teacher_maps: TeacherMaps<B::InnerBackend>,
    config: &'a LgstConfig,
    device: B::Device,
}

impl<B: Training> Objective<B> for Imitation<'_, B> {
    type Model = Students<B>;

    fn loss(&self, students: &Students<B>, shard: Shard) -> Loss<B> {
        let seed = self.config.schedule.seed;
        let batch = engine::batch(
            self.images.len(),
            self.config.schedule.batch,
            shard.step,
            seed,
        );
        let samples = shard.part(&batch);
        let mut noise: ChaCha8Rng = noise_source(seed, shard.step, shard.index);

        let changed: Vec<Array3<f32>> = samples
            .iter()
            .map(|&sample| self.config.jitter.apply(&self.images[sample], &mut noise))
            .collect();
        let images = stack(
            samples.iter().map(|&sample| &self.images[sample]),
            &self.device,
        );
        let changed = stack(changed.iter(), &self.device);
        let out_of_distribution = (!self.out_of_distribution.is_empty()).then(|| {
            let index = noise.random_range(0..self.out_of_distribution.len());
            let image = stack([&self.out_of_distribution[index]].into_iter(), &self.device);
            students.local.forward(image).0
        });
        let dropout = if shard.alone {
            // The device draws faster than a million numbers an image could be sent to it.
            B::seed(&self.device, noise.random());
            Dropout::Device
        } else {
            Dropout::Host(&mut noise)
        };
        self.config.loss.loss(LgstTerms {
            teacher: Tensor::from_inner(self.teacher_maps.batch(samples)),
            local: students.local.forward(images),
            global: students.global.forward(changed, Some(dropout)),
            out_of_distribution,
        })
    }
}

fn fingerprint(images: &[Array3<f32>], config: &LgstConfig) -> Fingerprint {
    // A run goes on where another number of images fits into memory at once.
    let mut config = config.clone();
    if let Shards::InTurn(turns) = &mut config.schedule.shards {
        *turns = 1;
    }
    let mut fingerprint = Fingerprint::new(&format!("{config:?}"));
    for image in images {
        fingerprint.array(image);
    }
    fingerprint
}

fn check_features(images: &[Array3<f32>], features: &[Features]) -> Result<(), LgstError> {
    if images.len() != features.len() {
        return Err(LgstError::CountMismatch {
            images: images.len(),
            features: features.len(),
        });
    }
    let Some(first) = features.first() else {
        return Err(LgstError::NoImages);
    };
    for (index, features) in features.iter().enumerate() {
        let found = (&features.stride8, &features.stride16);
        same(index, "stride-8 features", &first.stride8, found.0)?;
        same(index, "stride-16 features", &first.stride16, found.1)?;
    }
    Ok(())
}

fn check_images(images: &[Array3<f32>], config: &LgstConfig) -> Result<(), LgstError> {
    let Some(first) = images.first() else {
        return Err(LgstError::NoImages);
    };
    for (index, image) in images.iter().enumerate() {
        same(index, "pixels", first, image)?;
    }
    let (channels, height, width) = first.dim();
    let side = config.global.image_size();
    if (channels, height, width) != (3, side, side) {
        return Err(LgstError::ImageSize {
            expected: side,
            found: [channels, height, width],
        });
    }
    Ok(())
}

fn same(
    index: usize,
    what: &'static str,
    expected: &Array3<f32>,
    found: &Array3<f32>,
) -> Result<(), LgstError> {
    if expected.dim() == found.dim() {
        return Ok(());
    }
    let shape = |array: &Array3<f32>| <[usize; 3]>::from(array.dim());
    Err(LgstError::ShapeMismatch {
        index,
        what,
        expected: shape(expected),
        found: shape(found),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Threads at once belong to the result, turns only to the machine.
    #[test]
    fn a_run_goes_on_in_another_number_of_turns() {
        let images = [Array3::zeros((3, 4, 4))];
        let digest = |shards| {
            let mut config = LgstConfig::edge(1);
            config.schedule.shards = shards;
            fingerprint(&images, &config).finish()
        };
        assert_eq!(digest(Shards::InTurn(1)), digest(Shards::InTurn(4)));
        assert_ne!(digest(Shards::AtOnce(1)), digest(Shards::AtOnce(2)));
    }
}
