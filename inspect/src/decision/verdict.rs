//! The verdict on one part.

use std::time::Duration;

use super::{BranchScores, conformal};
use crate::branches::Branch;
use crate::branches::inventory::{Counts, in_words};
use crate::optics::OtherLight;

/// The verdict on one part.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The fused score; a higher score is more anomalous.
    pub score: f32,
    pub reject: bool,
    /// The conformal p-value (k + 1) / (n + 1), where k of n good calibration parts score at least as high.
    pub p_value: f32,
    /// The score is far beyond that of every good calibration part: this may be no part of the product at all.
    pub far_off: bool,
    /// The branch that contributed most to the score.
    pub branch: Branch,
    /// Each active branch's normalised score, in the order of [`Branch::ALL`].
    pub branches: BranchScores,
    /// Surplus and missing parts, if the bundle counts them.
    pub counts: Counts,
    pub limits: Limits,
    /// How the frame was exposed unlike any good part in training, and was evened out for it.
    pub other_light: Option<OtherLight>,
    /// From the frame in memory to this verdict.
    pub latency: Duration,
    /// The same, stage by stage.
    pub stages: Stages,
}

/// The threshold of a verdict, and the number of its calibration parts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// A part with a score above it is rejected.
    pub threshold: f32,
    /// The good parts that the p-value is ranked against.
    pub calibration_parts: usize,
}

impl Verdict {
    /// A part that passes with this score and threshold, by a judge that knows nothing else of it.
    pub fn passing(score: f32, threshold: f32) -> Self {
        Verdict {
            score,
            reject: false,
            p_value: 0.5,
            far_off: false,
            branch: Branch::Pooled,
            branches: BranchScores::new(),
            counts: Counts::new(),
            limits: Limits {
                threshold,
                calibration_parts: 0,
            },
            other_light: None,
            latency: Duration::ZERO,
            stages: Stages::default(),
        }
    }

    /// Decides by another threshold, on the same scale of scores. A score that is not a number is rejected.
    pub fn decide_by(&mut self, threshold: f32) {
        self.reject = self.score.is_nan() || self.score > threshold;
        self.limits.threshold = threshold;
    }

    /// The p-value as text. If the score is beyond all calibration parts, only an upper bound is known.
    pub fn p_in_words(&self) -> String {
        conformal::in_words(self.p_value, self.limits.calibration_parts)
    }

    /// The surplus and missing parts of a rejected part, in words.
    pub fn counted(&self) -> Option<String> {
        let unusual = self.reject && !self.counts.is_empty();
        unusual.then(|| in_words(&self.counts))
    }
}

/// The time of each stage of a frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stages {
    pub optics: Duration,
    pub networks: Duration,
    pub scores: Duration,
}
