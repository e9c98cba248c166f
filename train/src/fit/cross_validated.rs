//! What training parts score where nothing is learnt from them: those that are bad by mistake are left out, and where
//! validation parts are few, the threshold rests on the others too.

use std::path::PathBuf;

use aecsad_inspect::decision::conformal::Conformal;
use aecsad_inspect::network::Percept;

use super::calibration::{CalibrationInputs, PerceivedParts};
use super::{FitError, stopped};
use crate::calibrate::{Fitter, Rule, Selection, Way, WayScores, judge_apart};
use crate::screening::held_out::{self, CrossValidated};

/// The training images that are left, once those are left out that are bad by mistake.
pub struct WithoutOutliers {
    /// Paths of the others.
    pub left_out: Vec<PathBuf>,
    /// What the training parts score where nothing is learnt from them; none where some were left out since.
    pub cross_validated: Option<WayScores>,
}

impl CalibrationInputs<'_> {
    /// Leaves training images out that are bad by mistake. So many that it can't be a mistake are named and kept.
    ///
    /// # Errors
    /// If someone stopped it: it calibrates six times.
    pub fn leave_outliers_out(
        &mut self,
        seen: &mut PerceivedParts,
        selection: &Selection,
    ) -> Result<WithoutOutliers, FitError> {
        let distances: Vec<f32> = self.images.train.iter().map(|i| i.distance).collect();
        let CrossValidated { outliers, scores } =
            self.with_branches_of_others(seen, selection, |train, calibrate| {
                held_out::outliers(train, &distances, &self.labelled, calibrate)
            })?;
        let images = seen.train.len();
        let (kept, outliers): (Vec<usize>, Vec<usize>) = outliers
            .into_iter()
            .partition(|outlier| self.images.train[*outlier].vouched);
        held_out::name_kept(&kept, self.images);
        let left_out = match outliers.len() as f64 > held_out::MOST_OUTLIERS * images as f64 {
            true => {
                held_out::name_variant(&outliers, self.images);
                Vec::new()
            }
            false => self.leave_out(seen, &outliers),
        };
        let cross_validated = left_out.is_empty().then_some(scores);
        Ok(WithoutOutliers {
            left_out,
            cross_validated,
        })
    }

    /// Where there are fewer validation parts than the wanted rate needs, the threshold rests on training parts too, each
    /// scored where nothing is learnt from it. The networks have learnt from it, so this is second best. `known` are these
    /// scores, if they are known.
    ///
    /// # Errors
    /// If someone stopped it: it calibrates five times.
    pub fn make_up_for_few_parts(
        &self,
        seen: &mut PerceivedParts,
        selection: &mut Selection,
        known: Option<WayScores>,
    ) -> Result<(), FitError> {
        if !self.rests_on_training_parts(selection) {
            return Ok(());
        }
        let scores = match known {
            Some(scores) => scores,
            None => self.with_branches_of_others(seen, selection, |train, calibrate| {
                held_out::cross_validated(train, &self.labelled, calibrate)
            })?,
        };
        selection.rest_on(scores, self.false_reject_rate);
        Ok(())
    }

    /// Whether there are too few validation parts for the wanted rate.
    fn rests_on_training_parts(&self, selection: &Selection) -> bool {
        let parts = selection.decision.calibration.scores().len();
        self.rules.chooses && parts < Conformal::needed(self.false_reject_rate)
    }

    /// Calls `judge` with the training parts as they are and with what fits the branches of `selection` on some of them. Where
    /// the threshold rests on training parts, they are also scored in the ways of the decisions that judge known bad parts.
    fn with_branches_of_others<T>(
        &self,
        seen: &mut PerceivedParts,
        selection: &Selection,
        judge: impl FnOnce(&mut Vec<Percept>, &held_out::Calibrate<'_, FitError>) -> Result<T, FitError>,
    ) -> Result<T, FitError> {
        let mut train = std::mem::take(&mut seen.train);
        let vouched = self.vouched(&self.images.validation);
        let branches = selection.weights();
        let known_bad = selection.known_bad.as_ref();
        let more: Vec<Way> = match known_bad.filter(|_| self.rests_on_training_parts(selection)) {
            Some(known_bad) => known_bad.ways().collect(),
            None => Vec::new(),
        };
        let calibrate = |train: &[Percept], labelled: &[usize], apart: &[Percept]| {
            stopped(self.cancel)?;
            let good = self.good(seen, train, labelled);
            let rule = Rule {
                vouched: &vouched,
                rate: self.false_reject_rate,
            };
            let (fitter, validation) = (Fitter::new(&good), &seen.validation);
            let judged = judge_apart(&branches, &more, &fitter, validation, apart, rule);
            judged.map_err(|source| self.unkept(source))
        };
        let judged = judge(&mut train, &calibrate);
        seen.train = train;
        judged
    }

    /// Goes on without the training images at these paths.
    pub fn leave_paths_out(&mut self, seen: &mut PerceivedParts, paths: &[PathBuf]) {
        let images = self.images.train.iter().enumerate();
        let listed = images.filter(|(_, image)| paths.contains(&image.path));
        let indices: Vec<usize> = listed.map(|(index, _)| index).collect();
        self.leave_out(seen, &indices);
    }

    /// Goes on without the training images at these ascending indices.
    fn leave_out(&mut self, seen: &mut PerceivedParts, indices: &[usize]) -> Vec<PathBuf> {
        held_out::take(&mut seen.train, indices);
        self.labelled = held_out::without(&self.labelled, indices);
        let images = held_out::take(&mut self.images.train, indices);
        images.into_iter().map(|image| image.path).collect()
    }
}
