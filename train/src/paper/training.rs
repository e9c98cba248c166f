//! Trains the networks of the `paper` profile on WideResNet-50-2, on a GPU or, slowly, on a CPU.

use std::path::Path;

use aecsad_inspect::frame::Frame;
use aecsad_inspect::image_files::list_images;
use aecsad_inspect::optics::{InputGeometry, Optics};
use ndarray::Array3;

use super::backbone::WideResNet;
use super::{Device, EncodingSource, PaperError, PaperOptions, teacher_features, weights};
use crate::dataset;
use crate::engine::{CpuTraining, Schedule, Shards, Training};
use crate::lgst::{self, Jitter, LgstConfig};
use crate::networks::Trained;
use crate::progress::stage;
use crate::pseudo_label::Divided;
use crate::segmentation::{self, DecoderConfig, SegmentationConfig};
use crate::training_run::TrainingRun;

/// The trained networks, and the SHA-256 of the backbone's weights.
///
/// # Errors
/// If weights, device or images can't be used, or the training itself stops.
pub fn train(run: TrainingRun<'_>, paper: &PaperOptions) -> Result<(Trained, String), PaperError> {
    let task = Task {
        run,
        paper,
        geometry: InputGeometry {
            region: run.region.cloned(),
            ..InputGeometry::imagenet(run.mono)
        },
        weights: weights::digest(&paper.weights)?,
        turns: paper.turns()?,
    };
    let trained = match paper.device {
        Device::Cpu => task.train::<CpuTraining>(&Default::default())?,
        Device::Cuda(index) => task.train_on_gpu(index)?,
    };
    Ok((trained, task.weights))
}

struct Task<'a> {
    run: TrainingRun<'a>,
    paper: &'a PaperOptions,
    geometry: InputGeometry,
    /// SHA-256 of the backbone's weights.
    weights: String,
    /// Into how many turns a step of the students is divided, by the memory that was free before training. Gradients are
    /// accumulated over them.
    turns: usize,
}

impl Task<'_> {
    /// burn ends a program whose GPU fails, by running out of memory for one; here that is an error like others.
    #[cfg(feature = "cuda")]
    fn train_on_gpu(&self, index: usize) -> Result<Trained, PaperError> {
        use super::DeviceError;
        use super::cuda::GpuTraining;
        let device = burn::backend::cuda::CudaDevice::new(index);
        aecsad_program::unless_it_panics(|| self.train::<GpuTraining>(&device))
            .unwrap_or_else(|| Err(DeviceError::Failed.into()))
    }

    #[cfg(not(feature = "cuda"))]
    fn train_on_gpu(&self, _: usize) -> Result<Trained, PaperError> {
        Err(super::DeviceError::NotBuilt.into())
    }

    fn train<B: Training>(&self, device: &B::Device) -> Result<Trained, PaperError> {
        let state = weights::read_checked(&self.paper.weights)?;
        let encoder = self.paper.networks.backbone.load(state, device)?;
        let segmentation = match self.run.classes {
            Some(classes) => {
                let onnx = self.segmentation::<B>(&encoder, classes, device)?;
                Some((onnx, classes))
            }
            None => None,
        };
        let students = self.students::<B>(&encoder, device)?;
        Ok(Trained {
            encoder: encoder.to_onnx(),
            segmentation,
            students: Some(students),
        })
    }

    fn segmentation<B: Training>(
        &self,
        encoder: &WideResNet<B::InnerBackend>,
        classes: usize,
        device: &B::Device,
    ) -> Result<Vec<u8>, PaperError> {
        let run = &self.run;
        let Divided {
            labelled,
            masks,
            unlabelled,
        } = run.labels.divide(run.images.train.iter().map(|i| &i.frame));
        let counts = (labelled.len(), unlabelled.len());
        stage(
            "segmentation",
            &format!(
                "{} labelled and {} unlabelled images on {}",
                counts.0, counts.1, self.paper.device
            ),
        );
        let mut config = SegmentationConfig::paper(classes, 1, 1, run.seed);
        config.decoder = DecoderConfig {
            classes,
            ..self.paper.networks.decoder.clone()
        };
        config.schedule = self.schedule(counts.0);
        let source = EncodingSource {
            labelled,
            masks: &masks,
            unlabelled,
            augmentation: run.augmentation.clone(),
            geometry: &self.geometry,
            encoder,
            encoder_name: &self.weights,
            device: device.clone(),
        };
        let trained =
            segmentation::train_from::<B>(&source, &config, run.work, run.cancel, device)?;
        Ok(trained.to_onnx())
    }

    fn students<B: Training>(
        &self,
        encoder: &WideResNet<B::InnerBackend>,
        device: &B::Device,
    ) -> Result<Vec<u8>, PaperError> {
        let run = &self.run;
        let good: Vec<Array3<f32>> = run
            .images
            .train
            .iter()
            .map(|image| self.tensor(&image.frame))
            .collect::<Result<_, _>>()?;
        let out_of_distribution = match &self.paper.out_of_distribution {
            Some(folder) => self.out_of_distribution(folder)?,
            None => Vec::new(),
        };
        let (turns, batch) = (self.turns, self.paper.batch);
        let mut what = format!("{} images on {}", good.len(), self.paper.device);
        if turns > 1 {
            what += &format!(", {} of the {batch} of a step at once", batch / turns);
        }
        stage("students", &what);
        let InputGeometry { mean, std, .. } = self.geometry;
        let jitter = Jitter::normalised(mean, std);
        let mut config = LgstConfig::paper(good.len(), self.paper.epochs, jitter, run.seed);
        let networks = &self.paper.networks;
        config.channels = networks.channels;
        config.local = networks.local.clone();
        config.global = networks.global.clone();
        config.loss.hardest = self.paper.hardest;
        config.schedule = self.schedule(good.len());
        config.schedule.shards = Shards::InTurn(turns);
        let images = lgst::UnencodedImages {
            good: &good,
            out_of_distribution: &out_of_distribution,
            encoder: &self.weights,
        };
        let encode = |good: &[Array3<f32>]| teacher_features(good, encoder, device);
        let trained = lgst::train_from::<B>(images, encode, &config, run.work, run.cancel, device)?;
        Ok(trained.to_onnx(lgst::StudentOutputs::Errors))
    }

    fn schedule(&self, images: usize) -> Schedule {
        let PaperOptions {
            epochs,
            batch,
            learning_rate,
            ..
        } = *self.paper;
        let steps = epochs * images.div_ceil(batch);
        Schedule {
            steps: self.run.steps(steps),
            batch,
            learning_rate,
            ..Schedule::paper(images, epochs, self.run.seed)
        }
    }

    fn tensor(&self, frame: &Frame) -> Result<Array3<f32>, PaperError> {
        let mut optics = Optics::new(self.geometry.clone(), None);
        let tensor = optics.tensor(frame)?.to_vec();
        let (width, height) = (self.geometry.width as usize, self.geometry.height as usize);
        // Optics give as many values as their geometry says.
        Ok(Array3::from_shape_vec((3, height, width), tensor).unwrap_or_default())
    }

    fn out_of_distribution(&self, folder: &Path) -> Result<Vec<Array3<f32>>, PaperError> {
        let paths = list_images(folder).map_err(dataset::DatasetError::from)?;
        let loaded = dataset::load(&paths, Some(16), None, |_, frame| self.tensor(&frame));
        loaded
            .skipped
            .iter()
            .for_each(|skipped| log::warn!("skipped: {skipped}"));
        if loaded.items.is_empty() {
            return Err(PaperError::NoOutOfDistribution {
                path: folder.to_owned(),
            });
        }
        loaded.items.into_iter().collect()
    }
}
