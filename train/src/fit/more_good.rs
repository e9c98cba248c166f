//! Good parts that a line rejected: whether the new bundle accepts them.

use std::fmt::Write;
use std::path::PathBuf;

use aecsad_inspect::branches::scorer::Scorer;
use aecsad_inspect::decision::outliers;

use super::FitError;
use super::calibration::CalibrationInputs;
use crate::calibrate::Selection;
use crate::images::Image;
use crate::networks::{Directions, Trained};

/// Parts that the user vouches for.
pub struct MoreGood {
    /// How many it learnt from, and how many the threshold rests on.
    train: usize,
    validation: usize,
    /// Those of either that the bundle rejects all the same, with their score.
    rejected: Vec<(PathBuf, f32)>,
    /// Those that it accepts although they score far above all other good parts: the threshold may rest on them.
    far: Vec<(PathBuf, f32)>,
    threshold: f32,
}

impl CalibrationInputs<'_> {
    /// What the bundle of these networks says of the parts that the user vouches for; none where there are none.
    pub fn judge_more_good(
        &self,
        networks: &Trained,
        selection: &Selection,
    ) -> Result<Option<MoreGood>, FitError> {
        fn vouched(images: &[Image]) -> Vec<&Image> {
            images.iter().filter(|image| image.vouched).collect()
        }
        let (train, validation) = (
            vouched(&self.images.train),
            vouched(&self.images.validation),
        );
        let all = [&train[..], &validation[..]].concat();
        if all.is_empty() {
            return Ok(None);
        }
        let perception = self.perception(networks, &Directions::of(&selection.statistics))?;
        let frames = self.frames();
        let seen = self.observer(&perception, &frames).perceive(&all, false)?;
        let mut scorer = Scorer::new(selection.statistics.clone());
        let scores = selection.decision.calibration.scores();
        let limit = outliers::limit(scores, outliers::FAR).unwrap_or(f32::INFINITY);
        let (mut rejected, mut far) = (Vec::new(), Vec::new());
        for (image, percept) in all.iter().zip(&seen) {
            let verdict = selection.decision.judge(&scorer.score(percept));
            let judged = (image.path.clone(), verdict.score);
            match verdict.reject {
                true => rejected.push(judged),
                false if verdict.score > limit => far.push(judged),
                false => {}
            }
        }
        Ok(Some(MoreGood {
            train: train.len(),
            validation: validation.len(),
            rejected,
            far,
            threshold: selection.decision.threshold,
        }))
    }
}

impl MoreGood {
    pub fn total(&self) -> usize {
        self.train + self.validation
    }

    /// For a terminal: how many it rejects all the same, and which.
    pub fn text(&self) -> String {
        let mut text = format!(
            "more good parts: {} to learn from and {} for the threshold; this bundle rejects {} of them\n",
            self.train,
            self.validation,
            self.rejected.len()
        );
        let rejected = self.rejected.iter().map(|part| ("rejected", part));
        let far = self.far.iter();
        let far = far.map(|part| ("accepted, but far above all other good parts", part));
        for (what, (path, score)) in rejected.chain(far) {
            let _ = writeln!(
                text,
                "  {what}: {}, score {score:.3}, threshold {:.3}",
                path.display(),
                self.threshold
            );
        }
        text
    }
}
