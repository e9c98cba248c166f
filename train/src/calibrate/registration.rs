//! The mean good part that parts are registered against. It is found by registering the good parts against their own
//! mean until it is sharp.

use aecsad_inspect::branches::shared::aligned_part::through_pose;
use aecsad_inspect::branches::shared::registration::empty_template;
use aecsad_inspect::branches::shared::registration::{Pose, Registration, project};
use aecsad_inspect::network::Features;
use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array2, Array3, Axis};
use rayon::prelude::*;

const CHANNELS: usize = 4;
const ROUNDS: usize = 4;
/// Registration is used where it takes at least this share off the mismatch of good parts it was not fitted to.
const WORTHWHILE: f32 = 0.15;

/// Cells along the frame's edges that don't count on a part that has moved.
const MARGIN: f32 = 1.49;

/// The registration, and a sentence on whether and why it is used.
pub struct RegistrationFit {
    pub registration: Option<Registration>,
    pub why: String,
}

/// Fits on `train`; `held_out` decides whether it is worth using.
pub fn fit(train: &[&Features], held_out: &[&Features]) -> RegistrationFit {
    let projection = projection(train);
    let channels: Vec<Array3<f32>> = train.iter().map(|f| projected(&projection, f)).collect();
    let mut poses = vec![Pose::default(); train.len()];
    let mut registration = None;
    for _ in 0..ROUNDS {
        let template = mean_through(&channels, &poses);
        let Some(next) = Registration::new(projection.clone(), template) else {
            return RegistrationFit {
                registration: None,
                why: "off: the product is too plain to say where it lies".into(),
            };
        };
        poses = train
            .par_iter()
            .map_init(
                || next.scratch(),
                |scratch, f| next.find(f.stride4.view(), scratch),
            )
            .collect();
        registration = Some(next);
    }
    let Some(registration) = registration else {
        return RegistrationFit {
            registration: None,
            why: "off".into(),
        };
    };
    let (mut before, mut after) = (0.0, 0.0);
    let mut scratch = registration.scratch();
    for features in held_out {
        let map = projected(&projection, features);
        let pose = registration.find(features.stride4.view(), &mut scratch);
        before += mismatch(&map, &Pose::default(), registration.template());
        after += mismatch(&map, &pose, registration.template());
    }
    let gain = 1.0 - after / f32::max(before, 1e-9);
    let percent = 100.0 * gain;
    if gain >= WORTHWHILE {
        return RegistrationFit {
            registration: Some(registration.with_margin(Some(MARGIN))),
            why: format!("on: takes {percent:.0} % off the mismatch of held-out good parts"),
        };
    }
    RegistrationFit {
        registration: None,
        why: format!(
            "off: it would take only {percent:.0} % off the mismatch of held-out good parts"
        ),
    }
}

/// The stride-4 directions in which good parts have most contrast: principal components over all their cells.
fn projection(train: &[&Features]) -> Array2<f32> {
    let size = Features::STRIDE4.0;
    let mut covariance = DMatrix::<f64>::zeros(size, size);
    for features in train {
        let flat = features.stride4.to_shape((size, 64 * 64));
        let Ok(flat) = flat else { continue };
        let mean = flat.mean_axis(Axis(1)).unwrap_or_default();
        let centred = &flat - &mean.insert_axis(Axis(1));
        for ((i, j), v) in centred.dot(&centred.t()).indexed_iter() {
            covariance[(i, j)] += *v as f64;
        }
    }
    let std: Vec<f64> = (0..size)
        .map(|c| covariance[(c, c)].sqrt() + 1e-9)
        .collect();
    let correlation = DMatrix::from_fn(size, size, |i, j| covariance[(i, j)] / (std[i] * std[j]));
    let eigen = SymmetricEigen::new(correlation);
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
    Array2::from_shape_fn((CHANNELS, size), |(k, c)| {
        (eigen.eigenvectors[(c, order[k])] / std[c]) as f32
    })
}

fn projected(projection: &Array2<f32>, features: &Features) -> Array3<f32> {
    let mut map = empty_template(CHANNELS);
    project(projection, features.stride4.view(), &mut map);
    map
}

fn mean_through(maps: &[Array3<f32>], poses: &[Pose]) -> Array3<f32> {
    let mut mean = empty_template(CHANNELS);
    for (map, pose) in maps.iter().zip(poses) {
        mean += &seen_through(map, pose);
    }
    mean / maps.len().max(1) as f32
}

fn seen_through(map: &Array3<f32>, pose: &Pose) -> Array3<f32> {
    let mut seen = empty_template(CHANNELS);
    for (from, mut to) in map.outer_iter().zip(seen.outer_iter_mut()) {
        if let (Some(from), Some(to)) = (from.as_slice(), to.as_slice_mut()) {
            through_pose(from, pose, to);
        }
    }
    seen
}

fn mismatch(map: &Array3<f32>, pose: &Pose, template: &Array3<f32>) -> f32 {
    let difference = seen_through(map, pose) - template;
    difference.iter().map(|d| d * d).sum::<f32>() / difference.len() as f32
}
