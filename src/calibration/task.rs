//! A calibration on its way: how many good parts it wants, those that came, and the fit when there are enough.

use std::ops::RangeInclusive;

use aecsad_inspect::decision::conformal::Conformal;
use aecsad_inspect::frame::Frame;
use aecsad_program::timestamp::timestamp;

use super::collect::CollectedParts;
use super::{
    Bundled, Calibration, CalibrationError, CalibrationPart, FEWEST, Fit, OUTLIER_OF, outliers,
};

/// The most good parts of one calibration.
pub const MOST_PARTS: usize = 100_000;
/// Shares of good parts that may be rejected.
pub const RATES: RangeInclusive<f64> = 1e-4..=0.5;

/// What an operator asks for.
#[derive(Clone, Debug, Default)]
pub struct CalibrationPlan {
    /// How many good parts; as many as the rate needs if not given.
    pub parts: Option<usize>,
    /// Which share of good parts may be rejected; the bundle's own if not given.
    pub false_reject_rate: Option<f64>,
    /// Count parts that lie far off all others as good parts too.
    pub keep_outliers: bool,
    /// Count each picture, instead of each part once.
    pub keep_duplicates: bool,
}

pub struct CalibrationTask {
    pub bundled: Bundled,
    pub false_reject_rate: f64,
    pub parts: CollectedParts,
    keep_outliers: bool,
    wanted: usize,
    target: usize,
}

impl CalibrationTask {
    /// `rate` is the bundle's own false-reject rate.
    pub fn new(bundled: Bundled, rate: f64, plan: &CalibrationPlan) -> Self {
        let rate = plan.false_reject_rate.unwrap_or(rate);
        let needed = FEWEST.max(Conformal::needed(rate));
        let wanted = plan.parts.unwrap_or(needed);
        CalibrationTask {
            bundled,
            false_reject_rate: rate,
            parts: CollectedParts::new(plan.keep_duplicates),
            keep_outliers: plan.keep_outliers,
            wanted,
            target: wanted,
        }
    }

    /// How many parts end the collection: those that are wanted, and as many again as lie far off all others.
    pub fn target(&self) -> usize {
        self.target
    }

    /// Adds a part, and returns whether there are enough. `frame` is at the network's input size.
    ///
    /// # Errors
    /// If the line shows no parts, or always the same one.
    pub fn add(&mut self, frame: &Frame, part: CalibrationPart) -> Result<bool, CalibrationError> {
        let score = self.bundled.decision.judge(&part.raw).score;
        self.parts.add(frame, part, score)?;
        if self.parts.samples.len() >= self.target {
            // A few more parts replace those that are left out.
            let most = self.wanted + self.wanted.div_ceil(OUTLIER_OF);
            self.target = (self.wanted + self.left_out().len()).min(most);
        }
        Ok(self.parts.samples.len() >= self.target)
    }

    /// Checks at the end of the parts whether enough came.
    ///
    /// # Errors
    /// If most pictures were repeats, or too many were empty.
    pub fn check(&self) -> Result<(), CalibrationError> {
        self.parts.check(self.wanted)
    }

    /// The parts that lie far off all others and do not count, by index.
    pub fn left_out(&self) -> Vec<usize> {
        match self.keep_outliers {
            true => Vec::new(),
            false => outliers(&self.bundled.decision, &self.parts.samples),
        }
    }

    /// Fits scale and threshold to the parts.
    ///
    /// # Errors
    /// If the parts do not fit the bundle, or are too few.
    pub fn fit(&self) -> Result<Fit, CalibrationError> {
        let samples = &self.parts.samples;
        let rate = self.false_reject_rate;
        let mut fit = Calibration::fit(&self.bundled, samples, rate, self.keep_outliers)?;
        fit.calibration.made = Some(timestamp());
        Ok(fit)
    }
}
