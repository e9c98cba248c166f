//! Training the decoder and the students, or taking them from the work folder where they are already done.

use std::sync::atomic::AtomicBool;

use aecsad_inspect::branches::Reads;
use aecsad_inspect::decision::Decision;
use aecsad_inspect::network::{
    Encoder, Features, NetworkError, Perception, Segmentation, load_network,
};
use aecsad_inspect::optics::{InputGeometry, Optics};
use ndarray::{Array2, Array3};

use super::images::Images;
use super::{FitError, FitOptions, stage};
use crate::engine::noise_source;
use crate::pseudo_label::Labels;
use crate::segmentation::{SegmentationConfig, TrainingSet};
use crate::{lgst, segmentation};

/// The frozen backbone that ships in every edge bundle.
pub const ENCODER: &[u8] = include_bytes!("../../../models/efficientnet-lite0/encoder.onnx");

/// Trained networks as ONNX.
pub struct Trained {
    pub encoder: Vec<u8>,
    /// The file and its number of classes, background included.
    pub segmentation: Option<(Vec<u8>, usize)>,
    pub students: Option<Vec<u8>>,
}

impl Trained {
    /// Only the networks that the branches with a say read: what a bundle carries.
    pub fn needed_by(&self, decision: &Decision) -> Trained {
        let read = |what: Reads| decision.voices.iter().any(|v| v.branch.reads() == what);
        let segmentation = self.segmentation.clone();
        let students = self.students.clone();
        Trained {
            encoder: self.encoder.clone(),
            segmentation: segmentation.filter(|_| read(Reads::Components)),
            students: students.filter(|_| read(Reads::StudentErrors)),
        }
    }

    /// Ready to run, with only what is asked for.
    pub fn perception(
        &self,
        segmentation: bool,
        students: bool,
    ) -> Result<Perception, NetworkError> {
        let segmentation = match &self.segmentation {
            Some((onnx, classes)) if segmentation => Some(Segmentation {
                network: load_network("segmentation.onnx", onnx)?,
                classes: *classes,
            }),
            _ => None,
        };
        let students = match &self.students {
            Some(onnx) if students => Some(load_network("students.onnx", onnx)?),
            _ => None,
        };
        Ok(Perception {
            encoder: Encoder::load(&self.encoder)?,
            segmentation,
            students,
        })
    }
}

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

#[cfg(test)]
mod tests {
    use aecsad_inspect::branches::Branch;
    use aecsad_inspect::decision::Voice;
    use aecsad_inspect::decision::conformal::Conformal;
    use aecsad_inspect::decision::trimmed_z::TrimmedZ;

    use super::*;

    #[test]
    fn a_bundle_carries_what_its_branches_read() {
        let trained = Trained {
            encoder: vec![1],
            segmentation: Some((vec![2], 3)),
            students: Some(vec![4]),
        };
        for branch in Branch::ALL {
            let voice = Voice {
                branch,
                weight: 1.0,
                z: TrimmedZ {
                    mean: 0.0,
                    std: 1.0,
                },
            };
            let needed = trained.needed_by(&Decision {
                voices: std::iter::once(voice).collect(),
                threshold: 0.0,
                calibration: Conformal::new(vec![0.0]),
            });
            let carried = (needed.segmentation.is_some(), needed.students.is_some());
            let wanted = match branch.name() {
                "histogram" | "layout" | "inventory" => (true, false),
                "local" | "global" | "lgst" => (false, true),
                _ => (false, false),
            };
            assert_eq!(carried, wanted, "{branch}");
        }
    }
}
