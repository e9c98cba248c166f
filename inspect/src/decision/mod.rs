//! From raw scores to a decision: normalised branch scores, their weighted sum, and the conformal threshold (paper, eq. 9
//! and 10).

pub mod conformal;
pub mod outliers;
pub mod planted_scores;
pub mod trimmed_z;
mod verdict;

use std::time::Duration;

use crate::branches::Branch;
use crate::branches::inventory::Counts;
use crate::branches::scorer::RawScores;
use conformal::Conformal;
use trimmed_z::TrimmedZ;
pub use verdict::{Limits, Stages, Verdict};

/// An active branch.
#[derive(Clone, Copy, Debug)]
pub struct WeightedBranch {
    pub branch: Branch,
    pub weight: f32,
    pub z: TrimmedZ,
}

/// Normalised branch scores in the order of [`Branch::ALL`].
pub type BranchScores = heapless::Vec<(Branch, f32), { Branch::ALL.len() }>;

#[derive(Clone, Debug)]
pub struct Decision {
    pub branches: heapless::Vec<WeightedBranch, { Branch::ALL.len() }>,
    pub threshold: f32,
    pub calibration: Conformal,
}

/// A score is far off if its distance from the good parts' median exceeds this multiple of the distance from there to
/// their highest score or the threshold.
const FAR_OFF: f32 = 3.0;

impl Decision {
    /// The score above which a part is far off: no good part has a score near it.
    fn far_off(&self) -> f32 {
        let good = self.calibration.scores();
        let middle = good.get(good.len() / 2).copied().unwrap_or(self.threshold);
        let highest = good
            .last()
            .map_or(self.threshold, |s| s.max(self.threshold));
        middle + FAR_OFF * (highest - middle)
    }

    /// Fuses the raw scores: the weighted sum of the branches' z. If a branch's score is missing or not finite, the fused
    /// score is infinite and the part is rejected.
    ///
    /// The inspector adds counts, light and times to the verdict.
    ///
    /// *Shapes*: `raw` holds one score per branch, in the order of [`Branch::ALL`].
    pub fn judge(&self, raw: &RawScores) -> Verdict {
        let mut branches = BranchScores::new();
        let mut score = 0.0;
        let mut strongest = (f32::NEG_INFINITY, Branch::Position);
        for weighted in &self.branches {
            let z = match raw[weighted.branch as usize] {
                Some(value) if value.is_finite() => weighted.z.apply(value),
                _ => f32::INFINITY,
            };
            score += weighted.weight * z;
            if weighted.weight * z > strongest.0 {
                strongest = (weighted.weight * z, weighted.branch);
            }
            // It can't be full: both vectors have the same capacity.
            let _ = branches.push((weighted.branch, z));
        }
        Verdict {
            score,
            reject: score.is_nan() || score > self.threshold,
            p_value: self.calibration.p_value(score),
            far_off: score.is_nan() || score > self.far_off(),
            branch: strongest.1,
            branches,
            counts: Counts::default(),
            limits: Limits {
                threshold: self.threshold,
                calibration_parts: self.calibration.scores().len(),
            },
            other_light: None,
            latency: Duration::ZERO,
            stages: Stages::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision() -> Decision {
        let weighted = |branch, mean| WeightedBranch {
            branch,
            weight: 1.0,
            z: TrimmedZ { mean, std: 2.0 },
        };
        let branches = [
            weighted(Branch::Histogram, 1.0),
            weighted(Branch::Position, 10.0),
        ];
        Decision {
            branches: branches.into_iter().collect(),
            threshold: 1.5,
            calibration: Conformal::new(vec![-1.0, 0.0, 1.0]),
        }
    }

    fn raw(histogram: Option<f32>, position: Option<f32>) -> RawScores {
        let mut raw = [None; Branch::ALL.len()];
        raw[Branch::Histogram as usize] = histogram;
        raw[Branch::Position as usize] = position;
        raw
    }

    #[test]
    fn the_sum_of_z_decides_and_the_largest_is_named() {
        let judged = decision().judge(&raw(Some(2.0), Some(14.0)));
        assert_eq!(
            (judged.score, judged.reject, judged.branch),
            (2.5, true, Branch::Position)
        );
        assert_eq!(judged.p_value, 0.25);
        assert!(!decision().judge(&raw(Some(1.0), Some(12.0))).reject);
    }

    #[test]
    fn what_cannot_be_judged_is_rejected() {
        for broken in [None, Some(f32::NAN), Some(f32::NEG_INFINITY)] {
            let judged = decision().judge(&raw(broken, Some(0.0)));
            assert!(judged.reject && judged.branch == Branch::Histogram);
        }
    }
}
