//! What a bundle's networks say of many frames, on all cores.

use std::sync::atomic::AtomicBool;

use aecsad_inspect::frame::Frame;
use aecsad_inspect::network::{Features, Percept, Perception};
use aecsad_inspect::optics::{InputGeometry, Optics};
use rayon::prelude::*;

use super::{FitError, stopped};
use crate::calibrate::Planted;
use crate::planted::Plant;

/// One percept a frame, in order. The encoder's features are most of a percept: `with_features` is false where no branch
/// reads them.
pub fn perceive(
    perception: &Perception,
    frames: &[&Frame],
    geometry: &InputGeometry,
    with_features: bool,
    cancel: &AtomicBool,
) -> Result<Vec<Percept>, FitError> {
    let share = frames.len().div_ceil(rayon::current_num_threads()).max(1);
    let shares = frames
        .chunks(share)
        .map(|share| Ok((share, perception.fork()?)))
        .collect::<Result<Vec<_>, FitError>>()?;
    let parts: Vec<Result<Vec<Percept>, FitError>> = shares
        .into_par_iter()
        .map(|(frames, mut perception)| {
            let mut optics = Optics::new(geometry.clone(), None);
            let mut percepts = Vec::with_capacity(frames.len());
            for frame in frames {
                stopped(cancel)?;
                let mut percept = Percept::empty();
                perception.perceive(optics.tensor(frame)?, &mut percept)?;
                if !with_features {
                    percept.features = Features::empty();
                }
                percepts.push(percept);
            }
            Ok(percepts)
        })
        .collect();
    let mut all = Vec::with_capacity(frames.len());
    for part in parts {
        all.extend(part?);
    }
    Ok(all)
}

/// The same for planted anomalies.
pub fn perceive_plants(
    perception: &Perception,
    plants: &[Plant],
    geometry: &InputGeometry,
    with_features: bool,
    cancel: &AtomicBool,
) -> Result<Vec<Planted>, FitError> {
    let frames: Vec<&Frame> = plants.iter().map(|plant| &plant.frame).collect();
    let percepts = perceive(perception, &frames, geometry, with_features, cancel)?;
    let pairs = plants.iter().zip(percepts);
    Ok(pairs
        .map(|(plant, percept)| Planted {
            anomaly: plant.anomaly,
            source: plant.source,
            percept,
        })
        .collect())
}
