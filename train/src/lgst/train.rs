//! Trains both students together against the frozen teacher.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use aecsad::network::Features;
use burn::module::{AutodiffModule, Module};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use ndarray::Array3;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::Error;
use super::augment::Jitter;
use super::global_student::{GlobalStudent, GlobalStudentConfig};
use super::local_student::{LocalStudent, LocalStudentConfig};
use super::loss::{LgstLossConfig, LgstTerms};
use super::teacher::Teacher;
use crate::engine::{
    self, Cpu, CpuTraining, Fingerprint, Loss, Objective, Schedule, Shard, Workplace, noise_source,
    seeded_init, stack,
};
use crate::export::layers;
use crate::maps::MAP_SIZE;

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
            local: LocalStudentConfig::new(channels),
            global: GlobalStudentConfig::new(channels),
            loss: LgstLossConfig::default(),
            jitter: Jitter::default(),
            schedule: Schedule {
                steps: 400,
                batch: 8,
                learning_rate: 3e-3,
                final_learning_rate: 1e-6,
                weight_decay: 1e-4,
                shards: 2,
                seed,
                checkpoint_every: Duration::from_secs(30),
            },
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
/// # Errors
/// As [`train_on`].
pub fn train(
    images: &[Array3<f32>],
    features: &[Features],
    config: &LgstConfig,
    work_dir: &Path,
    cancel: &AtomicBool,
) -> Result<TrainedLgst, Error> {
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
/// If there are no images, if shapes disagree, or if the training itself stops: see [`engine::Error`].
pub fn train_on<B: AutodiffBackend>(
    images: &[Array3<f32>],
    features: &[Features],
    config: &LgstConfig,
    work_dir: &Path,
    cancel: &AtomicBool,
    device: &B::Device,
) -> Result<TrainedLgst<B::InnerBackend>, Error> {
    check(images, features, config)?;
    let seed = config.schedule.seed;
    let teacher = Teacher::<B::InnerBackend>::fit(features, config.channels, seed, device);
    let objective = Imitation {
        images,
        teacher_maps: features
            .iter()
            .map(|image| layers::values(&teacher.map_of(image, device)))
            .collect(),
        config,
        device: device.clone(),
    };
    let students = seeded_init(seed, device, |device| Students::<B> {
        local: config.local.init(device),
        global: config.global.init(device),
    });
    let place = Workplace {
        stage: STAGE,
        folder: work_dir,
        cancel,
    };
    let fingerprint = fingerprint(images, features, config);
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

struct Imitation<'a, B: AutodiffBackend> {
    images: &'a [Array3<f32>],
    /// F_T of each image, row-major.
    teacher_maps: Vec<Vec<f32>>,
    config: &'a LgstConfig,
    device: B::Device,
}

impl<B: AutodiffBackend> Objective<B> for Imitation<'_, B> {
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
        let teacher: Vec<f32> = samples
            .iter()
            .flat_map(|&sample| self.teacher_maps[sample].iter().copied())
            .collect();
        let shape = [samples.len(), self.config.channels, MAP_SIZE, MAP_SIZE];
        self.config.loss.loss(LgstTerms {
            teacher: Tensor::from_data(TensorData::new(teacher, shape), &self.device),
            local: students.local.forward(images),
            global: students.global.forward(changed, Some(&mut noise)),
        })
    }
}

fn fingerprint(images: &[Array3<f32>], features: &[Features], config: &LgstConfig) -> Fingerprint {
    let mut fingerprint = Fingerprint::new(&format!("{config:?}"));
    for image in images {
        fingerprint.array(image);
    }
    for image in features {
        fingerprint.array(&image.stride8);
        fingerprint.array(&image.stride16);
    }
    fingerprint
}

fn check(images: &[Array3<f32>], features: &[Features], config: &LgstConfig) -> Result<(), Error> {
    if images.len() != features.len() {
        return Err(Error::CountMismatch {
            images: images.len(),
            features: features.len(),
        });
    }
    let (Some(first_image), Some(first_features)) = (images.first(), features.first()) else {
        return Err(Error::NoImages);
    };
    let same = |index, what, expected: &Array3<f32>, found: &Array3<f32>| {
        if expected.dim() == found.dim() {
            return Ok(());
        }
        let shape = |array: &Array3<f32>| <[usize; 3]>::from(array.dim());
        Err(Error::ShapeMismatch {
            index,
            what,
            expected: shape(expected),
            found: shape(found),
        })
    };
    for (index, (image, features)) in images.iter().zip(features).enumerate() {
        same(index, "pixels", first_image, image)?;
        same(
            index,
            "stride-8 features",
            &first_features.stride8,
            &features.stride8,
        )?;
        same(
            index,
            "stride-16 features",
            &first_features.stride16,
            &features.stride16,
        )?;
    }
    let (channels, height, width) = first_image.dim();
    let side = config.global.image_size();
    if (channels, height, width) != (3, side, side) {
        return Err(Error::ImageSize {
            expected: side,
            found: [channels, height, width],
        });
    }
    Ok(())
}
