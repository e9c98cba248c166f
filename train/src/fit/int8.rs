//! The same networks in int8, calibrated anew, and what that costs.

use aecsad_inspect::frame::Frame;
use aecsad_inspect::optics::InputGeometry;

use super::FitError;
use super::calibration::{Calibrated, CalibrationInputs, PerceivedParts};
use super::int8_accuracy::{self, Quantisation, Side};
use super::precision::{self, QuantisationImages};
use crate::calibrate::{EarlierDecision, Selection};
use crate::images::Image;
use crate::networks::Trained;
use crate::planted::{self, Clean};
use crate::progress::stage;
use crate::quantise::{Requirement, Signs};

/// Where more than this share of the parts, good and planted, gets another verdict in int8, the networks are quantised
/// again with more of their layers in float: by so many decibels more, up to so many.
const OTHER_VERDICTS: f64 = 0.025;
/// Images whose planted anomalies quantisation is reported on.
const MATERIAL_IMAGES: usize = 12;
const STEP_DB: f64 = 3.0;
const MOST_DB: f64 = 34.0;

/// The float networks, what they see, and what was decided on it.
#[derive(Clone, Copy)]
pub struct Float<'a> {
    pub trained: &'a Trained,
    pub seen: &'a PerceivedParts,
    /// What anomalies were planted on.
    pub clean: &'a [Clean],
    pub selection: &'a Selection,
}

/// The same networks in int8, and what that costs.
pub struct Int8 {
    pub trained: Trained,
    pub calibrated: Calibrated,
    pub quantisation: Quantisation,
}

impl CalibrationInputs<'_> {
    /// The networks that a bundle needs in int8, calibrated with the branches that the float ones have, and what that
    /// costs. Where a profile chooses, as much of them is int8 as leaves the verdicts what they are.
    pub fn quantise(&self, float: &Float<'_>, signs: Signs) -> Result<Int8, FitError> {
        let mut requirement = Requirement::usual(signs);
        loop {
            let int8 = self.quantise_as(float, requirement)?;
            let flipped = int8.quantisation.scores.flipped();
            let enough = flipped <= OTHER_VERDICTS || requirement.least_sqnr_db >= MOST_DB;
            if enough || !self.rules.chooses {
                return Ok(int8);
            }
            requirement.least_sqnr_db += STEP_DB;
            let again = format!(
                "another verdict for {:.1} % of the parts, requiring {} dB",
                100.0 * flipped,
                requirement.least_sqnr_db
            );
            stage("quantisation", &again);
        }
    }

    fn quantise_as(&self, float: &Float<'_>, requirement: Requirement) -> Result<Int8, FitError> {
        stage("quantisation", "finding ranges and trying layers");
        let Float {
            trained,
            seen,
            clean,
            selection: float,
        } = *float;
        let planted: Vec<Frame> = (0..clean.len().min(MATERIAL_IMAGES))
            .flat_map(|index| planted::plant(clean, index, 1, self.seed))
            .map(|plant| plant.frame)
            .collect();
        // Ranges are those of the whole view: the same network runs at both sizes.
        let whole = InputGeometry {
            fine: None,
            ..self.geometry.clone()
        };
        let material = QuantisationImages {
            train: self.images.train.iter().map(frame).collect(),
            held_out: self.images.validation.iter().map(frame).collect(),
            planted: planted.iter().collect(),
            geometry: &whole,
        };
        let needed = trained.needed_by(&float.decision);
        let (int8, networks) = precision::quantise(&needed, &material, requirement, self.cancel)?;

        stage("quantisation", "calibrating anew and comparing with float");
        let mut again = self.see(&int8, Some(&seen.directions))?;
        self.see_plants(&int8, clean, &mut again)?;
        let decided = EarlierDecision {
            branches: &float.branches,
            known_bad: float.known_bad.as_ref(),
        };
        let mut calibrated = self.calibrate(&again, Some(decided), Some(&float.statistics))?;
        if let Some(scores) = &float.cross_validated {
            let rate = self.false_reject_rate;
            calibrated.selection.rest_on(scores.clone(), rate);
        }
        let int8_side = side(&again, &calibrated.selection);
        let scores = int8_accuracy::compare(&side(seen, float), &int8_side);
        let scores = scores.map_err(|source| self.unkept(source))?;
        Ok(Int8 {
            trained: int8,
            calibrated,
            quantisation: Quantisation {
                requirement,
                scores,
                networks,
            },
        })
    }
}

fn side<'a>(seen: &'a PerceivedParts, selection: &'a Selection) -> Side<'a> {
    Side {
        good: &seen.validation,
        planted: &seen.planted,
        selection,
    }
}

fn frame(image: &Image) -> &Frame {
    &image.frame
}
