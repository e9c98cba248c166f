//! From trained networks to a bundle's contents: branches, weights and threshold, in float and, if requested, in int8.

use std::path::PathBuf;

use aecsad_inspect::network::Percept;

use super::calibration::{Calibrated, CalibrationInputs};
use super::int8::{Float, Int8};
use super::int8_accuracy::Quantisation;
use super::{FitError, FitOptions, threshold};
use crate::networks::Trained;
use crate::screening::{counts, held_out};

/// The networks that a bundle holds, and what was decided on them.
pub struct DecidedFit {
    pub trained: Trained,
    pub calibrated: Calibrated,
    /// What int8 costs, where the networks are int8.
    pub quantisation: Option<Quantisation>,
    /// Training images that were found to be bad by mistake.
    pub left_out: Vec<PathBuf>,
    /// The validation parts as the float networks see them.
    pub validation: Vec<Percept>,
}

impl CalibrationInputs<'_> {
    /// Leaves images out that are bad by mistake, and decides.
    ///
    /// # Errors
    /// If the threshold would reject next to no planted anomaly, or the fit is stopped.
    pub fn decide(
        &mut self,
        trained: Trained,
        options: &FitOptions,
    ) -> Result<DecidedFit, FitError> {
        let (chooses, int8) = (self.rules.chooses, options.precision.signs());
        let mut seen = self.see(&trained, None)?;
        self.images.forget_encodings();
        let clean = match chooses || int8.is_some() {
            true => self.clean(&seen)?,
            false => Vec::new(),
        };
        self.see_plants(&trained, &clean, &mut seen)?;
        let mut calibrated = self.calibrate(&seen, None, None)?;
        let (mut left_out, mut cross_validated) = (Vec::new(), None);
        if chooses && !options.keep_outliers {
            let rest = self.leave_outliers_out(&mut seen, &calibrated.selection)?;
            (left_out, cross_validated) = (rest.left_out, rest.cross_validated);
            if !left_out.is_empty() {
                held_out::name_outliers(&left_out, self.images);
                calibrated = self.calibrate(&seen, None, None)?;
            }
            let statistics = &calibrated.selection.statistics;
            counts::name_miscounted(self.images, &seen.train, statistics);
        }
        self.make_up_for_few_parts(&mut seen, &mut calibrated.selection, cross_validated)?;
        if chooses {
            threshold::check(options, self.images, &calibrated.selection)?;
        }
        let (trained, calibrated, quantisation) = match int8 {
            None => (trained, calibrated, None),
            Some(signs) => {
                let float = Float {
                    trained: &trained,
                    seen: &seen,
                    clean: &clean,
                    selection: &calibrated.selection,
                };
                let Int8 {
                    trained,
                    calibrated,
                    quantisation,
                } = self.quantise(&float, signs)?;
                (trained, calibrated, Some(quantisation))
            }
        };
        Ok(DecidedFit {
            trained,
            calibrated,
            quantisation,
            left_out,
            validation: seen.validation,
        })
    }
}
