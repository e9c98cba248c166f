//! Training the decoder and the students, or taking them from the work folder where they are already done.

use std::sync::atomic::AtomicBool;

use aecsad_inspect::network::{Encoder, Features};
use aecsad_inspect::optics::{InputGeometry, Optics};
use ndarray::{Array2, Array3};

use super::{FitError, FitOptions, stage};
use crate::engine::noise_source;
use crate::images::Images;
use crate::networks::ENCODER;
use crate::pseudo_label::Labels;
use crate::segmentation::{SegmentationConfig, TrainingSet};
use crate::{lgst, segmentation};

/// The decoder, trained on D_L and D_U, and its number of classes.
pub fn segmentation(
    options: &FitOptions,
    images: &Images,
    labels: &Labels,
    classes: usize,
    cancel: &AtomicBool,
) -> Result<(Vec<u8>, usize), FitError> {
    let (mut labelled, mut masks, mut unlabelled): (Vec<Features>, Vec<Array2<u8>>, Vec<Features>) =
        Default::default();
    for (i, image) in images.train.iter().enumerate() {
        if labels.reliability[i].labelled {
            labelled.push(image.features.clone());
            masks.push(labels.maps[i].clone());
        } else {
            unlabelled.push(image.features.clone());
        }
    }
    stage(
        "segmentation",
        &format!(
            "{} labelled and {} unlabelled images",
            labelled.len(),
            unlabelled.len()
        ),
    );
    let copies = moved_copies(options, images, labels)?;
    for (features, mask) in copies {
        labelled.push(features);
        masks.push(mask);
    }
    let set = TrainingSet {
        labelled: &labelled,
        masks: &masks,
        unlabelled: &unlabelled,
    };
    let mut config = SegmentationConfig::edge(classes, options.seed);
    config.schedule.steps = effort(config.schedule.steps, options);
    let trained = segmentation::train(set, &config, &options.work, cancel)?.sharpened(set);
    Ok((trained.to_onnx(), classes))
}

/// Labelled images with components moved about, encoded once: to encode them anew for each step would take longer
/// than the training.
fn moved_copies(
    options: &FitOptions,
    images: &Images,
    labels: &Labels,
) -> Result<Vec<(Features, Array2<u8>)>, FitError> {
    let mut noise = noise_source(options.seed, 0, 0);
    let mut optics = Optics::new(InputGeometry::lite0(options.mono), None);
    let mut encoder = Encoder::load(ENCODER)?;
    let mut copies = Vec::new();
    for (i, image) in images.train.iter().enumerate() {
        if !labels.reliability[i].labelled {
            continue;
        }
        for _ in 0..options.moved_copies {
            let (frame, mask) =
                options
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
pub fn students(
    options: &FitOptions,
    images: &Images,
    cancel: &AtomicBool,
) -> Result<Vec<u8>, FitError> {
    let side = 256;
    let tensors: Vec<Array3<f32>> = images
        .train
        .iter()
        .filter_map(|i| Array3::from_shape_vec((3, side, side), i.tensor.clone()).ok())
        .collect();
    let features: Vec<Features> = images.train.iter().map(|i| i.features.clone()).collect();
    stage("students", &format!("{} images", tensors.len()));
    let mut config = lgst::LgstConfig::edge(options.seed);
    config.schedule.steps = effort(config.schedule.steps, options);
    let trained = lgst::train(&tensors, &features, &config, &options.work, cancel)?;
    Ok(trained.to_onnx(false))
}

pub(super) fn effort(steps: usize, options: &FitOptions) -> usize {
    (steps * options.effort_percent / 100).max(2)
}
