//! From trained float networks to int8 ones, network by network in the order in which a frame passes them: what follows
//! the encoder gets its ranges from what the quantised encoder shows it, as on the camera.

use std::sync::atomic::AtomicBool;

use aecsad_inspect::frame::Frame;
use aecsad_inspect::network::{Encoder, Features};
use aecsad_inspect::optics::{InputGeometry, Optics};

use super::{FitError, stopped};
use crate::networks::Trained;
use crate::quantise::{self, NetworkReport, Quantised, Requirement, Sample, Signs};

/// How the networks of a bundle compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Precision {
    /// As they were trained
    #[default]
    F32,
    /// Convolutions on bytes: smaller and faster, with a report of what it costs
    Int8,
    /// The same in the form that TensorRT reads, which is coarser: bytes with a sign everywhere
    Int8Signed,
}

impl Precision {
    /// None in float.
    pub fn signs(self) -> Option<Signs> {
        match self {
            Precision::F32 => None,
            Precision::Int8 => Some(Signs::WhereNeeded),
            Precision::Int8Signed => Some(Signs::Everywhere),
        }
    }
}

/// Images that give ranges; more of the same product barely change them.
const RANGE_IMAGES: usize = 32;
/// Held-out images on which quantisation is chosen; others, with as many planted anomalies, are reported on.
const HELD_OUT_IMAGES: usize = 12;

/// What quantisation needs to see.
pub struct QuantisationImages<'a> {
    /// Images that trained the networks.
    pub train: Vec<&'a Frame>,
    /// Held-out good images.
    pub held_out: Vec<&'a Frame>,
    pub planted: Vec<&'a Frame>,
    pub geometry: &'a InputGeometry,
}

/// The networks in int8, and each one's report.
pub fn quantise(
    trained: &Trained,
    material: &QuantisationImages<'_>,
    requirement: Requirement,
    cancel: &AtomicBool,
) -> Result<(Trained, Vec<NetworkReport>), FitError> {
    let tensors = |frames: &[Frame]| -> Result<Vec<Vec<f32>>, FitError> {
        let mut optics = Optics::new(material.geometry.clone(), None);
        frames
            .iter()
            .map(|frame| Ok(optics.tensor(frame)?.to_vec()))
            .collect()
    };
    let good = tensors(&spread(&material.train, RANGE_IMAGES))?;
    // One half to choose by, the other to report on.
    let half = |start: usize| -> Vec<&Frame> {
        let of_half = material.held_out.iter().skip(start).step_by(2);
        of_half.copied().collect()
    };
    let held_out = tensors(&spread(&half(0), HELD_OUT_IMAGES))?;
    let mut shown = tensors(&spread(&half(1), HELD_OUT_IMAGES))?;
    shown.extend(tensors(&spread(&material.planted, HELD_OUT_IMAGES))?);

    let mut reports = Vec::new();
    let mut int8 =
        |name: &str, onnx: &[u8], samples: [Vec<Sample>; 3]| -> Result<Vec<u8>, FitError> {
            let [good, held_out, shown] = samples;
            let quantised: Quantised =
                quantise::quantise(name, onnx, &good, &held_out, requirement, cancel)?;
            reports.push(NetworkReport::measure(
                name, onnx, &quantised, &shown, cancel,
            )?);
            Ok(quantised.onnx)
        };
    let sides = [&good, &held_out, &shown];
    let encoder = int8(
        "encoder",
        &trained.encoder,
        sides.map(|images| images.iter().map(|i| image(i)).collect()),
    )?;

    let mut network = Encoder::load(&encoder)?;
    let mut see = |tensors: &[Vec<f32>]| -> Result<Vec<Features>, FitError> {
        let mut all = Vec::with_capacity(tensors.len());
        for tensor in tensors {
            stopped(cancel)?;
            let mut features = Features::empty();
            network.encode(tensor, &mut features)?;
            all.push(features);
        }
        Ok(all)
    };
    let seen = [see(&good)?, see(&held_out)?, see(&shown)?];
    let segmentation = match &trained.segmentation {
        Some((onnx, classes)) => {
            let samples = [0, 1, 2].map(|side| seen[side].iter().map(coarse_and_fine).collect());
            Some((int8("segmentation", onnx, samples)?, *classes))
        }
        None => None,
    };
    let students = match &trained.students {
        Some(onnx) => {
            let samples = [0, 1, 2].map(|side| {
                let pairs = sides[side].iter().zip(&seen[side]);
                pairs
                    .map(|(tensor, features)| image_and_features(tensor, features))
                    .collect()
            });
            Some(int8("students", onnx, samples)?)
        }
        None => None,
    };
    let networks = Trained {
        encoder,
        segmentation,
        students,
    };
    Ok((networks, reports))
}

/// At most `most` frames, evenly spaced.
fn spread(frames: &[&Frame], most: usize) -> Vec<Frame> {
    let count = frames.len().min(most);
    (0..count)
        .map(|index| frames[index * frames.len() / count].clone())
        .collect()
}

fn image(tensor: &[f32]) -> Sample {
    let side = ((tensor.len() / 3) as f64).sqrt() as usize;
    Sample {
        inputs: vec![(vec![1, 3, side, side], tensor.to_vec())],
    }
}

/// The segmentation's inputs.
pub fn coarse_and_fine(features: &Features) -> Sample {
    Sample {
        inputs: vec![map(&features.stride4), map(&features.stride16)],
    }
}

/// The students' inputs.
///
/// *Shapes*: `tensor` is `[3, H, W]`, normalised.
pub fn image_and_features(tensor: &[f32], features: &Features) -> Sample {
    let mut sample = image(tensor);
    sample.inputs.push(map(&features.stride8));
    sample.inputs.push(map(&features.stride16));
    sample
}

fn map(features: &ndarray::Array3<f32>) -> (Vec<usize>, Vec<f32>) {
    let (channels, height, width) = features.dim();
    (
        vec![1, channels, height, width],
        features.iter().copied().collect(),
    )
}
