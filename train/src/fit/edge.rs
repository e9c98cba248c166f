//! Trains the networks of the `edge` profile, or takes them from the work folder where they are already done.

use aecsad_inspect::network::{Encoder, Features};
use aecsad_inspect::optics::{InputGeometry, Optics};
use ndarray::{Array2, Array3};

use super::FitError;
use super::fine_size::FineSize;
use crate::engine::noise_source;
use crate::networks::{ENCODER, Trained};
use crate::progress::stage;
use crate::pseudo_label::Divided;
use crate::segmentation::{SegmentationConfig, TrainingSet};
use crate::training_run::TrainingRun;
use crate::{lgst, segmentation};

/// This profile's own options.
#[derive(Clone, Copy, Debug)]
pub struct EdgeOptions {
    /// Whether the students are trained, which take most of the time.
    pub students: bool,
    /// Changed copies of each labelled image that join the training.
    pub moved_copies: usize,
    /// How finely parts are seen.
    pub fine_size: FineSize,
}

/// The frozen encoder, with a decoder where there are components, and students if they are requested.
pub fn train(run: &TrainingRun<'_>, options: EdgeOptions) -> Result<Trained, FitError> {
    let segmentation = match run.classes {
        Some(classes) => Some((segmentation(run, classes, options.moved_copies)?, classes)),
        None => None,
    };
    let students = match options.students {
        true => Some(students(run)?),
        false => None,
    };
    Ok(Trained {
        encoder: ENCODER.to_vec(),
        segmentation,
        students,
    })
}

/// The decoder, trained on D_L and D_U.
fn segmentation(
    run: &TrainingRun<'_>,
    classes: usize,
    moved_copies: usize,
) -> Result<Vec<u8>, FitError> {
    let features = run.images.train.iter().map(|image| image.features.clone());
    let Divided {
        mut labelled,
        mut masks,
        unlabelled,
    } = run.labels.divide(features);
    stage(
        "segmentation",
        &format!(
            "{} labelled and {} unlabelled images",
            labelled.len(),
            unlabelled.len()
        ),
    );
    let copies = moved(run, moved_copies)?;
    for (features, mask) in copies {
        labelled.push(features);
        masks.push(mask);
    }
    let set = TrainingSet {
        labelled: &labelled,
        masks: &masks,
        unlabelled: &unlabelled,
    };
    let mut config = SegmentationConfig::edge(classes, run.seed);
    config.schedule.steps = run.steps(config.schedule.steps);
    let trained = segmentation::train(set, &config, run.work, run.cancel)?.sharpened(set);
    Ok(trained.to_onnx())
}

/// Labelled images with components moved about, encoded once: to encode them anew for each step would take longer
/// than the training.
fn moved(
    run: &TrainingRun<'_>,
    copies_of_each: usize,
) -> Result<Vec<(Features, Array2<u8>)>, FitError> {
    let labels = run.labels;
    let mut noise = noise_source(run.seed, 0, 0);
    let geometry = InputGeometry {
        region: run.region.cloned(),
        ..InputGeometry::lite0(run.mono)
    };
    let mut optics = Optics::new(geometry, None);
    let mut encoder = Encoder::load(ENCODER)?;
    let mut copies = Vec::new();
    for (i, image) in run.images.train.iter().enumerate() {
        if !labels.reliability[i].labelled {
            continue;
        }
        for _ in 0..copies_of_each {
            let (frame, mask) = run
                .augmentation
                .apply(&image.frame, &labels.maps[i], &mut noise);
            let mut features = Features::empty();
            encoder.encode(optics.tensor(&frame)?, &mut features)?;
            copies.push((features, mask));
        }
    }
    Ok(copies)
}

/// The local and the global student.
fn students(run: &TrainingRun<'_>) -> Result<Vec<u8>, FitError> {
    let side = 256;
    let images = run.images;
    let tensors: Vec<Array3<f32>> = images
        .train
        .iter()
        .filter_map(|i| Array3::from_shape_vec((3, side, side), i.tensor.clone()).ok())
        .collect();
    let features: Vec<Features> = images.train.iter().map(|i| i.features.clone()).collect();
    stage("students", &format!("{} images", tensors.len()));
    let mut config = lgst::LgstConfig::edge(run.seed);
    config.schedule.steps = run.steps(config.schedule.steps);
    let trained = lgst::train(&tensors, &features, &config, run.work, run.cancel)?;
    Ok(trained.to_onnx(lgst::StudentOutputs::Residuals))
}
