//! What a bundle's networks say of many frames, on all cores.

use std::sync::atomic::AtomicBool;

use aecsad_inspect::frame::Frame;
use aecsad_inspect::network::{Features, Percept, Perception};
use aecsad_inspect::optics::{InputGeometry, Optics};
use rayon::prelude::*;

use super::{FitError, stopped};
use crate::calibrate::Planted;
use crate::images::Image;
use crate::planted::Plant;

/// What networks are shown.
pub enum View<'a> {
    Frame(&'a Frame),
    /// Their encoder has seen it already.
    Encoded(&'a Image),
}

/// One percept a view, in order. The encoder's features are most of a percept: `with_features` is false where no branch
/// reads them.
pub fn perceive(
    perception: &Perception,
    views: &[View<'_>],
    geometry: &InputGeometry,
    with_features: bool,
    cancel: &AtomicBool,
) -> Result<Vec<Percept>, FitError> {
    let share = views.len().div_ceil(rayon::current_num_threads()).max(1);
    let shares = views
        .chunks(share)
        .map(|share| Ok((share, perception.fork()?)))
        .collect::<Result<Vec<_>, FitError>>()?;
    let parts: Vec<Result<Vec<Percept>, FitError>> = shares
        .into_par_iter()
        .map(|(views, mut perception)| {
            let mut optics = Optics::new(geometry.clone(), None);
            let mut percepts = Vec::with_capacity(views.len());
            for view in views {
                stopped(cancel)?;
                let mut percept = Percept::empty();
                match view {
                    View::Frame(frame) => {
                        perception.perceive(optics.tensor(frame)?, &mut percept)?;
                    }
                    View::Encoded(image) => {
                        percept.features = image.features.clone();
                        perception.interpret(&image.tensor, &mut percept)?;
                    }
                }
                if !with_features {
                    percept.features = Features::empty();
                }
                percepts.push(percept);
            }
            Ok(percepts)
        })
        .collect();
    let mut all = Vec::with_capacity(views.len());
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
    let views: Vec<View> = plants.iter().map(|p| View::Frame(&p.frame)).collect();
    let percepts = perceive(perception, &views, geometry, with_features, cancel)?;
    let pairs = plants.iter().zip(percepts);
    Ok(pairs
        .map(|(plant, percept)| Planted {
            anomaly: plant.anomaly,
            source: plant.source,
            percept,
        })
        .collect())
}
