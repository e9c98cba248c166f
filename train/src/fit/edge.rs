//! Calibration of the `edge` profile: what good parts look like to the networks, which branches speak, from which score
//! on a part is rejected; for the float networks, and again for the same ones in int8.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use aecsad_inspect::branches::statistics::Statistics;
use aecsad_inspect::frame::Frame;
use aecsad_inspect::network::{Percept, Perception};
use aecsad_inspect::optics::InputGeometry;

use super::perceive::{perceive, perceive_plants};
use super::precision::{self, Material};
use super::proof::{self, Quantisation, Side};
use super::{FitError, stage, stopped};
use crate::calibrate::{self, BranchChoice, Fitter, Good, Planted, Selection};
use crate::images::{Image, Images};
use crate::networks::Trained;
use crate::planted::{self, Clean, Plant};
use crate::quantise::{Demand, Signs};
use crate::screening::held_out;

/// Anomalies of each kind planted on each validation image.
const PLANTS_PER_IMAGE: usize = 3;
/// Where more than this share of the parts, good and planted, gets another verdict in int8, the networks are quantised again
/// with more of their layers in float: by so many decibels more, up to so many.
const OTHER_VERDICTS: f64 = 0.025;
const STEP_DB: f64 = 3.0;
const MOST_DB: f64 = 34.0;

/// What calibration knows of a product beside its networks.
pub struct Task<'a> {
    pub images: &'a mut Images,
    pub geometry: &'a InputGeometry,
    /// Indices of the training images whose labels were reliable; all where there are no components.
    pub labelled: Vec<usize>,
    /// Background included; none without components.
    pub classes: Option<usize>,
    pub students: bool,
    pub seed: u64,
    /// Share of good parts that may be rejected.
    pub false_reject_rate: f64,
    /// Take what lies far off all others for good too.
    pub keep_outliers: bool,
    pub cancel: &'a AtomicBool,
}

/// All parts as one set of networks sees them.
pub struct Seen {
    pub train: Vec<Percept>,
    pub validation: Vec<Percept>,
    pub planted: Vec<Planted>,
}

/// What was decided on them.
pub struct Calibrated {
    pub selection: Selection,
    /// Whether parts are registered, and why.
    pub registration: String,
}

/// The float networks, what they see, and what was decided on it.
#[derive(Clone, Copy)]
pub struct Float<'a> {
    pub trained: &'a Trained,
    pub seen: &'a Seen,
    pub plants: &'a [Plant],
    pub selection: &'a Selection,
}

/// The same networks in int8, and what that costs.
pub struct Int8 {
    pub trained: Trained,
    pub calibrated: Calibrated,
    pub quantisation: Quantisation,
}

impl Task<'_> {
    /// What the float networks see, and the anomalies that were planted on what they saw.
    pub fn see(&self, trained: &Trained) -> Result<(Seen, Vec<Plant>), FitError> {
        let mut perception = trained.perception(true, true)?;
        let train = self.interpret(&mut perception, &self.images.train)?;
        let validation = self.interpret(&mut perception, &self.images.validation)?;
        let clean: Vec<Clean> = self
            .images
            .validation
            .iter()
            .zip(&validation)
            .map(|(image, percept)| Clean {
                frame: &image.frame,
                classes: &percept.classes,
            })
            .collect();
        let plants = planted::plant(&clean, PLANTS_PER_IMAGE, self.seed);
        let planted = perceive_plants(&perception, &plants, self.geometry, true, self.cancel)?;
        let seen = Seen {
            train,
            validation,
            planted,
        };
        Ok((seen, plants))
    }

    /// Chooses branches by the planted anomalies, unless `decided` has chosen already. `before` are statistics of the same
    /// branches on other networks.
    ///
    /// # Errors
    /// If someone stopped it: choosing takes minutes.
    pub fn calibrate(
        &self,
        seen: &Seen,
        decided: Option<&[BranchChoice]>,
        before: Option<&Statistics>,
    ) -> Result<Calibrated, FitError> {
        let good = Good {
            train: &seen.train,
            labelled: &self.labelled,
            held_out: &seen.validation,
            classes: self.classes,
            students: self.students,
            seed: self.seed,
            before,
            keep_outliers: self.keep_outliers,
        };
        let fitter = Fitter::new(&good);
        let (validation, planted) = (&seen.validation, &seen.planted);
        let rate = self.false_reject_rate;
        let selection = match decided {
            Some(decided) => calibrate::decide_again(decided, &fitter, validation, planted, rate),
            None => calibrate::decide(&fitter, validation, planted, rate, self.cancel)
                .ok_or(FitError::Interrupted)?,
        };
        Ok(Calibrated {
            selection,
            registration: fitter.registration_why.clone(),
        })
    }

    /// Leaves training images out that are bad by mistake, and returns their paths. So many that it can't be a mistake are
    /// named and kept. `decided` says which branches judge.
    ///
    /// # Errors
    /// If someone stopped it: it calibrates six times.
    pub fn leave_strays_out(
        &mut self,
        seen: &mut Seen,
        decided: &[BranchChoice],
    ) -> Result<Vec<PathBuf>, FitError> {
        let Seen {
            train, validation, ..
        } = seen;
        let calibrate = |train: &[Percept], labelled: &[usize]| -> Result<_, FitError> {
            stopped(self.cancel)?;
            let good = Good {
                train,
                labelled,
                held_out: validation,
                classes: self.classes,
                students: self.students,
                seed: self.seed,
                before: None,
                keep_outliers: false,
            };
            let rate = self.false_reject_rate;
            let fitter = Fitter::new(&good);
            let again = calibrate::decide_again(decided, &fitter, validation, &[], rate);
            Ok((again.statistics, again.decision))
        };
        let distances: Vec<f32> = self.images.train.iter().map(|i| i.distance).collect();
        let strays = held_out::strays(train, &distances, &self.labelled, &calibrate)?;
        if strays.len() as f64 > held_out::MOST_STRAYS * train.len() as f64 {
            held_out::name_variant(&strays, self.images);
            return Ok(Vec::new());
        }
        Ok(self.leave_out(seen, &strays))
    }

    /// Goes on without the training images at these paths.
    pub fn leave_paths_out(&mut self, seen: &mut Seen, paths: &[PathBuf]) {
        let images = self.images.train.iter().enumerate();
        let listed = images.filter(|(_, image)| paths.contains(&image.path));
        let indices: Vec<usize> = listed.map(|(index, _)| index).collect();
        self.leave_out(seen, &indices);
    }

    /// Goes on without the training images at these ascending indices.
    fn leave_out(&mut self, seen: &mut Seen, strays: &[usize]) -> Vec<PathBuf> {
        held_out::take(&mut seen.train, strays);
        self.labelled = held_out::without(&self.labelled, strays);
        let images = held_out::take(&mut self.images.train, strays);
        images.into_iter().map(|image| image.path).collect()
    }

    /// The networks that a bundle needs in int8, calibrated with the branches that the float ones have, and what that costs.
    /// As much of them is int8 as leaves the verdicts what they are.
    pub fn quantise(&self, float: &Float<'_>, signs: Signs) -> Result<Int8, FitError> {
        let mut demand = Demand::usual(signs);
        loop {
            let int8 = self.quantise_as(float, demand)?;
            let flipped = int8.quantisation.scores.flipped();
            if flipped <= OTHER_VERDICTS || demand.least_sqnr_db >= MOST_DB {
                return Ok(int8);
            }
            demand.least_sqnr_db += STEP_DB;
            let again = format!(
                "another verdict for {:.1} % of the parts, asking for {} dB",
                100.0 * flipped,
                demand.least_sqnr_db
            );
            stage("quantisation", &again);
        }
    }

    fn quantise_as(&self, float: &Float<'_>, demand: Demand) -> Result<Int8, FitError> {
        stage("quantisation", "finding ranges and trying layers");
        let Float {
            trained,
            seen,
            plants,
            selection: float,
        } = *float;
        let frames = |images: &'_ [Image]| -> Vec<Frame> {
            images.iter().map(|i| i.frame.clone()).collect()
        };
        let (train, validation) = (frames(&self.images.train), frames(&self.images.validation));
        let material = Material {
            train: train.iter().collect(),
            held_out: validation.iter().collect(),
            planted: plants.iter().map(|plant| &plant.frame).collect(),
            geometry: self.geometry,
        };
        let needed = trained.needed_by(&float.decision);
        let (int8, networks) = precision::quantise(&needed, &material, demand, self.cancel)?;

        stage("quantisation", "calibrating anew and comparing with float");
        let perception = int8.perception(true, true)?;
        let again = Seen {
            train: perceive(
                &perception,
                &material.train,
                self.geometry,
                true,
                self.cancel,
            )?,
            validation: perceive(
                &perception,
                &material.held_out,
                self.geometry,
                true,
                self.cancel,
            )?,
            planted: perceive_plants(&perception, plants, self.geometry, true, self.cancel)?,
        };
        let calibrated = self.calibrate(&again, Some(&float.branches), Some(&float.statistics))?;
        let scores = proof::compare(
            &Side {
                good: &seen.validation,
                planted: &seen.planted,
                selection: float,
            },
            &Side {
                good: &again.validation,
                planted: &again.planted,
                selection: &calibrated.selection,
            },
        );
        Ok(Int8 {
            trained: int8,
            calibrated,
            quantisation: Quantisation {
                demand,
                scores,
                networks,
            },
        })
    }

    /// The encoder has seen these images already.
    fn interpret(
        &self,
        perception: &mut Perception,
        images: &[Image],
    ) -> Result<Vec<Percept>, FitError> {
        let mut percepts = Vec::with_capacity(images.len());
        for image in images {
            stopped(self.cancel)?;
            let mut percept = Percept::empty();
            percept.features = image.features.clone();
            perception.interpret(&image.tensor, &mut percept)?;
            percepts.push(percept);
        }
        Ok(percepts)
    }
}
