//! The `paper` profile: the paper's networks on WideResNet-50-2, trained on a GPU or, slowly, on a CPU, and its score.
//! Components are looked for as in every profile; training, calibration and camera then share the new backbone.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use aecsad_inspect::frame::Frame;
use aecsad_inspect::image_files::list_images;
use aecsad_inspect::optics::{InputGeometry, Optics};
use ndarray::Array3;

use super::networks::effort;
use super::paper_calibration::Calibration;
use super::{FitError, FitOptions, Fitted, Identity, stage, stopped};
use crate::dataset;
use crate::engine::{CpuTraining, Schedule, Shards, Training};
use crate::images::Images;
use crate::lgst::{self, Jitter, LgstConfig};
use crate::networks::Trained;
use crate::paper::backbone::WideResNet;
use crate::paper::{Device, DeviceError, Encoding, PaperNetworks, teacher_features, weights};
use crate::pseudo_label::Labels;
use crate::segmentation::{self, DecoderConfig, SegmentationConfig};

/// What only this profile asks.
#[derive(Clone, Debug)]
pub struct PaperOptions {
    /// Of the backbone.
    pub weights: PathBuf,
    pub device: Device,
    /// Rounds over the images in each training.
    pub epochs: usize,
    /// Images a step.
    pub batch: usize,
    /// Images of a step that the students see at once; None: as many as the GPU has memory for.
    pub at_once: Option<usize>,
    pub learning_rate: f64,
    /// Pictures of other things, for the penalty on imitating them.
    pub out_of_distribution: Option<PathBuf>,
    /// Share of the local errors that count, see [`lgst::LgstLossConfig`].
    pub hardest: Option<f64>,
    pub networks: PaperNetworks,
}

impl PaperOptions {
    /// As the paper has it, on the CPU.
    pub fn new(weights: PathBuf) -> Self {
        Self {
            weights,
            device: Device::Cpu,
            epochs: 120,
            batch: 16,
            at_once: None,
            learning_rate: 1e-4,
            out_of_distribution: None,
            hardest: None,
            networks: PaperNetworks::default(),
        }
    }

    /// Finds out before anything else whether there is something to train with.
    pub fn check(&self) -> Result<(), FitError> {
        self.turns()?;
        if !self.weights.is_file() {
            return Err(FitError::Weights(weights::WeightsError::Unreadable {
                path: self.weights.clone(),
                source: std::io::ErrorKind::NotFound.into(),
            }));
        }
        Ok(())
    }

    /// In how many turns a step of the students is taken.
    fn turns(&self) -> Result<usize, DeviceError> {
        self.device
            .turns(self.batch, self.at_once.unwrap_or(self.batch))
    }
}

/// From labels to everything a bundle says. `named` is what the bundle is called, and when the fit began.
pub fn fit(
    options: &FitOptions,
    paper: &PaperOptions,
    images: &Images,
    labels: &Labels,
    usable: Result<usize, String>,
    named: (Identity, Instant),
    cancel: &AtomicBool,
) -> Result<(Fitted, Trained), FitError> {
    let task = Task {
        options,
        paper,
        images,
        labels,
        classes: usable.as_ref().ok().copied(),
        geometry: InputGeometry::imagenet(options.mono),
        weights: weights::digest(&paper.weights)?,
        turns: paper.turns()?,
    };
    let trained = match paper.device {
        Device::Cpu => task.train::<CpuTraining>(&Default::default(), cancel)?,
        #[cfg(feature = "cuda")]
        Device::Cuda(index) => task.train_on_gpu(index, cancel)?,
        #[cfg(not(feature = "cuda"))]
        Device::Cuda(_) => return Err(DeviceError::NotBuilt.into()),
    };
    stopped(cancel)?;

    stage("calibration", "fitting what good parts look like");
    let calibration = Calibration {
        images,
        labels,
        classes: task.classes,
        geometry: &task.geometry,
        seed: options.seed,
        false_reject_rate: options.false_reject_rate,
        cancel,
    };
    let seen = calibration.see(&trained)?;
    let selection = calibration.decide(&seen);
    let (trained, selection, quantisation) = match options.precision.signs() {
        None => (trained, selection, None),
        Some(signs) => {
            let (trained, selection, quantisation) =
                calibration.quantise(&trained, &seen, &selection, signs)?;
            (trained, selection, Some(quantisation))
        }
    };
    let (identity, start) = named;
    let fitted = Fitted {
        identity,
        registration: "off: the paper has none".into(),
        components: usable,
        left_out: Vec::new(),
        validation_parts: selection.decision.calibration.scores().len(),
        selection,
        minutes: start.elapsed().as_secs_f64() / 60.0,
        backbone: Some(task.weights),
        quantisation,
    };
    Ok((fitted, trained))
}

struct Task<'a> {
    options: &'a FitOptions,
    paper: &'a PaperOptions,
    images: &'a Images,
    labels: &'a Labels,
    /// Background included; None without components.
    classes: Option<usize>,
    geometry: InputGeometry,
    /// SHA-256 of the backbone's weights.
    weights: String,
    /// In which a step of the students is taken: as memory was before training used any.
    turns: usize,
}

impl Task<'_> {
    /// burn ends a program whose GPU fails, by running out of memory for one; here that is an error like others.
    #[cfg(feature = "cuda")]
    fn train_on_gpu(&self, index: usize, cancel: &AtomicBool) -> Result<Trained, FitError> {
        use crate::paper::cuda::GpuTraining;
        let device = burn::backend::cuda::CudaDevice::new(index);
        aecsad_program::unless_it_panics(|| self.train::<GpuTraining>(&device, cancel))
            .unwrap_or_else(|| Err(DeviceError::Failed.into()))
    }

    fn train<B: Training>(
        &self,
        device: &B::Device,
        cancel: &AtomicBool,
    ) -> Result<Trained, FitError> {
        let state = weights::read_checked(&self.paper.weights)?;
        let encoder = self.paper.networks.backbone.load(state, device)?;
        let segmentation = match self.classes {
            Some(classes) => {
                let onnx = self.segmentation::<B>(&encoder, classes, device, cancel)?;
                Some((onnx, classes))
            }
            None => None,
        };
        let students = self.students::<B>(&encoder, device, cancel)?;
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
        cancel: &AtomicBool,
    ) -> Result<Vec<u8>, FitError> {
        let (mut labelled, mut masks, mut unlabelled) = (Vec::new(), Vec::new(), Vec::new());
        for (i, image) in self.images.train.iter().enumerate() {
            if self.labels.reliability[i].labelled {
                labelled.push(&image.frame);
                masks.push(self.labels.maps[i].clone());
            } else {
                unlabelled.push(&image.frame);
            }
        }
        let counts = (labelled.len(), unlabelled.len());
        stage(
            "segmentation",
            &format!(
                "{} labelled and {} unlabelled images on {}",
                counts.0, counts.1, self.paper.device
            ),
        );
        let seed = self.options.seed;
        let mut config = SegmentationConfig::paper(classes, 1, 1, seed);
        config.decoder = DecoderConfig {
            classes,
            ..self.paper.networks.decoder.clone()
        };
        config.schedule = self.schedule(counts.0);
        let source = Encoding {
            labelled,
            masks: &masks,
            unlabelled,
            augmentation: self.options.augmentation.clone(),
            geometry: &self.geometry,
            encoder,
            encoder_name: &self.weights,
            device: device.clone(),
        };
        let work = &self.options.work;
        let trained = segmentation::train_from::<B>(&source, &config, work, cancel, device)?;
        Ok(trained.to_onnx())
    }

    fn students<B: Training>(
        &self,
        encoder: &WideResNet<B::InnerBackend>,
        device: &B::Device,
        cancel: &AtomicBool,
    ) -> Result<Vec<u8>, FitError> {
        let good: Vec<Array3<f32>> = self
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
        let mut config =
            LgstConfig::paper(good.len(), self.paper.epochs, jitter, self.options.seed);
        let networks = &self.paper.networks;
        config.channels = networks.channels;
        config.local = networks.local.clone();
        config.global = networks.global.clone();
        config.loss.hardest = self.paper.hardest;
        config.schedule = self.schedule(good.len());
        config.schedule.shards = Shards::InTurn(turns);
        let images = lgst::Images {
            good: &good,
            out_of_distribution: &out_of_distribution,
            encoder: &self.weights,
        };
        let work = &self.options.work;
        let encode = |good: &[Array3<f32>]| teacher_features(good, encoder, device);
        let trained = lgst::train_from::<B>(images, encode, &config, work, cancel, device)?;
        Ok(trained.to_onnx(false))
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
            steps: effort(steps, self.options),
            batch,
            learning_rate,
            ..Schedule::paper(images, epochs, self.options.seed)
        }
    }

    fn tensor(&self, frame: &Frame) -> Result<Array3<f32>, FitError> {
        let mut optics = Optics::new(self.geometry.clone(), None);
        let tensor = optics.tensor(frame)?.to_vec();
        let (width, height) = (self.geometry.width as usize, self.geometry.height as usize);
        // Optics give as many values as their geometry says.
        Ok(Array3::from_shape_vec((3, height, width), tensor).unwrap_or_default())
    }

    fn out_of_distribution(&self, folder: &Path) -> Result<Vec<Array3<f32>>, FitError> {
        let paths = list_images(folder).map_err(dataset::DatasetError::from)?;
        let loaded = dataset::load(&paths, Some(16), |_, frame| self.tensor(&frame));
        loaded
            .skipped
            .iter()
            .for_each(|skipped| log::warn!("skipped: {skipped}"));
        if loaded.items.is_empty() {
            return Err(FitError::NoStrangers {
                path: folder.to_owned(),
            });
        }
        loaded.items.into_iter().collect()
    }
}
