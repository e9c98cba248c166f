//! The trial of a new bundle: a number of parts without an engine fault, with scores like those of the good parts that
//! its threshold was set on. The caller acts on the outcome.

/// The default number of parts of a trial.
pub const PARTS: u32 = 100;

#[derive(Clone, Debug, PartialEq)]
pub enum TrialOutcome {
    Passed,
    /// The reason, as the end of a sentence.
    Failed(String),
}

/// A running trial. It allocates nothing for a part.
#[derive(Clone, Debug)]
pub struct Trial {
    parts: usize,
    /// Lowest and highest score of good calibration parts.
    range: (f32, f32),
    scores: Vec<f32>,
}

impl Trial {
    /// *Shapes*: `calibration` is `[parts]`, the ascending scores of the good parts that the bundle's threshold was set
    /// on.
    pub fn new(parts: u32, calibration: &[f32]) -> Self {
        let parts = parts.max(1) as usize;
        Trial {
            parts,
            range: (
                calibration.first().copied().unwrap_or(f32::NAN),
                calibration.last().copied().unwrap_or(f32::NAN),
            ),
            scores: Vec::with_capacity(parts),
        }
    }

    /// Parts judged so far.
    pub fn judged(&self) -> usize {
        self.scores.len()
    }

    /// Adds one part's score. Most parts of a line are good, so the median score is a good part's: it must lie in the
    /// range of the calibration parts.
    pub fn note(&mut self, score: f32) -> Option<TrialOutcome> {
        if !score.is_finite() {
            return Some(TrialOutcome::Failed(
                "it came to a score that is not a number".into(),
            ));
        }
        self.scores.push(score);
        if self.scores.len() < self.parts {
            return None;
        }
        let middle = self.scores.len() / 2;
        let (_, middle, _) = self.scores.select_nth_unstable_by(middle, f32::total_cmp);
        let middle = *middle;
        self.scores.clear();
        let (low, high) = self.range;
        // The comparison is false for NaN.
        if low <= middle && middle <= high {
            return Some(TrialOutcome::Passed);
        }
        Some(TrialOutcome::Failed(format!(
            "the middle score of {} parts is {middle:.2}, and good parts had {low:.2} to {high:.2} in training: other light, \
             another camera position or another product",
            self.parts
        )))
    }

    /// The engine failed on a part.
    pub fn fault(&mut self, why: &str) -> TrialOutcome {
        self.scores.clear();
        TrialOutcome::Failed(format!("the engine failed on a part: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALIBRATION: [f32; 4] = [-1.0, 0.0, 1.0, 3.0];

    fn outcome(scores: impl IntoIterator<Item = f32>) -> Option<TrialOutcome> {
        let mut trial = Trial::new(5, &CALIBRATION);
        scores.into_iter().find_map(|score| trial.note(score))
    }

    #[test]
    fn parts_like_those_of_training_pass_with_bad_ones_among_them() {
        assert_eq!(
            outcome([0.1, 90.0, 2.9, 1.0, 70.0]),
            Some(TrialOutcome::Passed)
        );
        assert_eq!(outcome([0.1, 0.2, 0.3, 0.4]), None);
    }

    #[test]
    fn another_light_fails_on_either_side() {
        for score in [3.1, -1.1] {
            let Some(TrialOutcome::Failed(why)) = outcome([score; 5]) else {
                panic!("{score}")
            };
            assert!(why.contains("-1.00 to 3.00"), "{why}");
        }
    }

    #[test]
    fn a_fault_or_a_score_that_is_no_number_fails_at_once() {
        assert!(matches!(
            outcome([0.1, f32::NAN]),
            Some(TrialOutcome::Failed(_))
        ));
        let mut trial = Trial::new(5, &CALIBRATION);
        assert!(matches!(
            trial.fault("out of memory"),
            TrialOutcome::Failed(_)
        ));
        let mut blind = Trial::new(1, &[]);
        assert!(matches!(blind.note(0.0), Some(TrialOutcome::Failed(_))));
    }
}
