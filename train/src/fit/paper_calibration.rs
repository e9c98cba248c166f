//! Calibration of the `paper` profile, for the float networks and again for the same ones in int8. Nothing is chosen.

use std::sync::atomic::AtomicBool;

use aecsad_inspect::frame::Frame;
use aecsad_inspect::network::Percept;
use aecsad_inspect::optics::InputGeometry;

use super::perceive::{perceive, perceive_plants};
use super::precision::{self, Material};
use super::proof::{self, Quantisation, Side};
use super::{FitError, stage};
use crate::calibrate::{Planted, Selection};
use crate::images::Images;
use crate::networks::Trained;
use crate::paper::decide_as_the_paper;
use crate::planted::{self, Clean};
use crate::pseudo_label::Labels;
use crate::quantise::{Demand, Signs};

/// Validation images on which anomalies are planted, one of each kind, to compare int8 with float.
const PLANTED_IMAGES: usize = 24;

/// What calibration knows of a product beside its networks.
pub struct Calibration<'a> {
    pub images: &'a Images,
    pub labels: &'a Labels,
    /// Background included; none without components.
    pub classes: Option<usize>,
    pub geometry: &'a InputGeometry,
    pub seed: u64,
    /// Share of good parts that may be rejected.
    pub false_reject_rate: f64,
    pub cancel: &'a AtomicBool,
}

/// Good parts as one set of networks sees them.
pub struct Seen {
    /// Those of D_L.
    labelled: Vec<Percept>,
    validation: Vec<Percept>,
}

impl Calibration<'_> {
    /// What a bundle's networks say of the images; no branch of this profile reads features.
    pub fn see(&self, trained: &Trained) -> Result<Seen, FitError> {
        let perception = trained.perception(true, true)?;
        let images = self.images.train.iter().enumerate();
        let labelled: Vec<&Frame> = images
            .filter(|(index, _)| self.labels.reliability[*index].labelled)
            .map(|(_, image)| &image.frame)
            .collect();
        let validation: Vec<&Frame> = self.images.validation.iter().map(|i| &i.frame).collect();
        let see =
            |frames: &[&Frame]| perceive(&perception, frames, self.geometry, false, self.cancel);
        Ok(Seen {
            labelled: see(&labelled)?,
            validation: see(&validation)?,
        })
    }

    pub fn decide(&self, seen: &Seen) -> Selection {
        decide_as_the_paper(
            &seen.labelled,
            &seen.validation,
            self.classes,
            self.false_reject_rate,
        )
    }

    /// The networks in int8, calibrated anew, and what that costs. Nothing is chosen by planted anomalies in this profile:
    /// a few are planted for the comparison alone.
    pub fn quantise(
        &self,
        trained: &Trained,
        seen: &Seen,
        float: &Selection,
        signs: Signs,
    ) -> Result<(Trained, Selection, Quantisation), FitError> {
        stage("quantisation", "finding ranges and trying layers");
        let demand = Demand::usual(signs);
        let images = self.images.validation.iter().zip(&seen.validation);
        let clean: Vec<Clean> = images
            .take(PLANTED_IMAGES)
            .map(|(image, percept)| Clean {
                frame: &image.frame,
                classes: &percept.classes,
            })
            .collect();
        let plants = planted::plant(&clean, 1, self.seed);
        let material = Material {
            train: self.images.train.iter().map(|image| &image.frame).collect(),
            held_out: self
                .images
                .validation
                .iter()
                .map(|image| &image.frame)
                .collect(),
            planted: plants.iter().map(|plant| &plant.frame).collect(),
            geometry: self.geometry,
        };
        let (int8, networks) = precision::quantise(trained, &material, demand, self.cancel)?;

        stage("quantisation", "calibrating anew and comparing with float");
        let again = self.see(&int8)?;
        let selection = self.decide(&again);
        let planted = |networks: &Trained| -> Result<Vec<Planted>, FitError> {
            let perception = networks.perception(true, true)?;
            perceive_plants(&perception, &plants, self.geometry, false, self.cancel)
        };
        let scores = proof::compare(
            &Side {
                good: &seen.validation,
                planted: &planted(trained)?,
                selection: float,
            },
            &Side {
                good: &again.validation,
                planted: &planted(&int8)?,
                selection: &selection,
            },
        );
        Ok((
            int8,
            selection,
            Quantisation {
                demand,
                scores,
                networks,
            },
        ))
    }
}
