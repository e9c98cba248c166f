//! A product's good images, anomalies planted on them, and networks of some width trained and measured on both.

use std::error::Error;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use aecsad_inspect::branches::Branch;
use aecsad_inspect::frame::Frame;
use aecsad_inspect::network::Features;
use aecsad_inspect::optics::InputGeometry;
use aecsad_train::calibrate::{Fitter, GoodParts, Parts, PlantedAuroc, Way, rank};
use aecsad_train::dataset::Category;
use aecsad_train::engine::Schedule;
use aecsad_train::fit::{Frames, Observer, residual_directions};
use aecsad_train::images::{Image, Images};
use aecsad_train::lgst::{self, LgstConfig, StudentOutputs};
use aecsad_train::networks::{Directions, ENCODER, Trained};
use aecsad_train::planted::Clean;
use aecsad_train::pseudo_label::{self, Labels, Usable};
use aecsad_train::screening::{self, Screening};
use aecsad_train::segmentation::{self, SegmentationConfig, TrainingSet};
use ndarray::Array3;

use super::width::Width;

/// As many as `fit` plants.
const PLANTS_PER_IMAGE: usize = 3;
/// Nothing stops a search but the end of the program.
static NEVER: AtomicBool = AtomicBool::new(false);

pub struct MeasuredProduct {
    pub name: String,
    pub images: Images,
    /// Of the training images, then of the validation images: no network learns these, they say where a component can be
    /// moved, the same for networks of every width.
    labels: Labels,
    geometry: InputGeometry,
}

impl MeasuredProduct {
    pub fn open(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let category = Category::open(folder, 0)?;
        let geometry = InputGeometry::lite0(false);
        let work = tempfile::tempdir()?;
        let screening = Screening {
            keep_outliers: true,
            keep_duplicates: true,
            as_jpeg: false,
            work: work.path(),
        };
        let images = screening::load(&category, &geometry, &screening)?;
        let both = || images.train.iter().chain(&images.validation);
        let frames: Vec<Frame> = both().map(|image| image.frame.clone()).collect();
        let features: Vec<Features> = both().map(|image| image.features.clone()).collect();
        let labels = pseudo_label::label(&frames, &features, &Default::default())?;
        if let Usable::No(why) = &labels.usable {
            return Err(format!("{} has no components: {why}", category.name).into());
        }
        Ok(Self {
            name: category.name,
            images,
            labels,
            geometry,
        })
    }

    /// The validation images on which anomalies are planted: those whose components are known.
    fn clean(&self) -> Vec<Clean> {
        let first = self.images.train.len();
        let known = (0..self.images.validation.len())
            .filter(|i| self.labels.reliability[first + i].labelled);
        known
            .map(|part| Clean {
                part,
                frame: self.images.validation[part].frame.clone(),
                classes: self.labels.maps[first + part].clone(),
            })
            .collect()
    }

    /// The decoder or the students, as `fit` trains them but for their width.
    pub fn train(
        &self,
        width: Width,
        seed: u64,
        effort: usize,
        work: &Path,
    ) -> Result<Trained, Box<dyn Error>> {
        let mut trained = Trained {
            encoder: ENCODER.to_vec(),
            segmentation: None,
            students: None,
        };
        let classes = self.labels.classes.len();
        match width {
            Width::Decoder(widths) => {
                let mut config = SegmentationConfig::edge(classes, seed);
                config.decoder.widths = widths;
                shorten(&mut config.schedule, effort);
                trained.segmentation = Some((self.train_decoder(&config, work)?, classes));
            }
            Width::Local(widths) => {
                let mut config = LgstConfig::edge(seed);
                config.local.widths = widths;
                shorten(&mut config.schedule, effort);
                trained.students = Some(self.train_students(&config, work)?);
            }
        }
        Ok(trained)
    }

    fn train_decoder(
        &self,
        config: &SegmentationConfig,
        work: &Path,
    ) -> Result<Vec<u8>, Box<dyn Error>> {
        let (mut labelled, mut masks, mut unlabelled): (Vec<_>, Vec<_>, Vec<_>) =
            Default::default();
        for (i, image) in self.images.train.iter().enumerate() {
            if self.labels.reliability[i].labelled {
                labelled.push(image.features.clone());
                masks.push(self.labels.maps[i].clone());
            } else {
                unlabelled.push(image.features.clone());
            }
        }
        let set = TrainingSet {
            labelled: &labelled,
            masks: &masks,
            unlabelled: &unlabelled,
        };
        let trained = segmentation::train(set, config, work, &NEVER)?;
        Ok(trained.sharpened(set).to_onnx())
    }

    fn train_students(&self, config: &LgstConfig, work: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
        let mut tensors = Vec::new();
        let mut features = Vec::new();
        for image in &self.images.train {
            tensors.push(Array3::from_shape_vec((3, 256, 256), image.tensor.clone())?);
            features.push(image.features.clone());
        }
        let trained = lgst::train(&tensors, &features, config, work, &NEVER)?;
        Ok(trained.to_onnx(StudentOutputs::Residuals))
    }

    /// The branches that read `networks`, each in the way that `fit` would choose. `work` holds what does not fit into memory.
    pub fn rank(
        &self,
        networks: &Trained,
        branches: &[Branch],
        seed: u64,
        work: &Path,
    ) -> Result<Vec<(Way, PlantedAuroc)>, Box<dyn Error>> {
        let directions = Directions {
            fine: None,
            residuals: residual_directions(networks, &self.images.train, &NEVER)?,
        };
        let perception = networks.seeing(&directions, &self.geometry)?;
        let frames = Frames::new(&self.images, &self.geometry);
        let observer = Observer {
            perception: &perception,
            frames: &frames,
            with_features: true,
            cancel: &NEVER,
        };
        let see = |images: &[Image]| observer.perceive(&images.iter().collect::<Vec<_>>(), true);
        let (train, validation) = (see(&self.images.train)?, see(&self.images.validation)?);
        let planted = observer.plants(&self.clean(), PLANTS_PER_IMAGE, seed, work)?;
        let labelled: Vec<usize> = (0..self.images.train.len())
            .filter(|&i| self.labels.reliability[i].labelled)
            .collect();
        let good = GoodParts {
            train: &train,
            labelled: &labelled,
            held_out: &validation,
            classes: networks.segmentation.as_ref().map(|(_, classes)| *classes),
            seed,
            directions: Some(&directions),
            before: None,
            vouched: &(0..train.len()).collect::<Vec<_>>(),
        };
        let parts = Parts {
            good: &validation,
            planted: &planted,
            bad: &[],
        };
        Ok(rank(&Fitter::new(&good), branches, &parts)?)
    }
}

/// To so many percent of its steps, as `fit --effort`.
fn shorten(schedule: &mut Schedule, percent: usize) {
    schedule.steps = (schedule.steps * percent / 100).max(2);
}
