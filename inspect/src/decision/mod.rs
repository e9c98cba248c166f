//! From raw scores to a verdict: each branch on one scale, their sum, and the conformal threshold (paper, eq. 9
//! and 10).

pub mod conformal;
pub mod outliers;
pub mod planted_scores;
pub mod trimmed_z;

use crate::branches::Branch;
use crate::branches::scorer::RawScores;
use conformal::Conformal;
use trimmed_z::TrimmedZ;

/// A branch that has a say.
#[derive(Clone, Copy, Debug)]
pub struct Voice {
    pub branch: Branch,
    pub weight: f32,
    pub z: TrimmedZ,
}

/// Normalised branch scores in the order of [`Branch::ALL`].
pub type BranchScores = heapless::Vec<(Branch, f32), { Branch::ALL.len() }>;

#[derive(Clone, Debug)]
pub struct Decision {
    pub voices: heapless::Vec<Voice, { Branch::ALL.len() }>,
    pub threshold: f32,
    pub calibration: Conformal,
}

/// What the scores of one part come to.
#[derive(Clone, Debug)]
pub struct Judgement {
    pub score: f32,
    pub reject: bool,
    pub p_value: f32,
    /// Far beyond every good calibration part.
    pub far_off: bool,
    /// The branch that contributed most.
    pub branch: Branch,
    pub branches: BranchScores,
}

/// A score is far off from so many times the way from the middle of the good parts to the strangest of them.
const FAR_OFF: f32 = 3.0;

impl Decision {
    /// No good part has a score near this one: it is as far beyond the threshold, or the strangest calibration part, as that
    /// is from the middle, and as far again.
    fn far_off(&self) -> f32 {
        let good = self.calibration.scores();
        let middle = good.get(good.len() / 2).copied().unwrap_or(self.threshold);
        let strangest = good
            .last()
            .map_or(self.threshold, |s| s.max(self.threshold));
        middle + FAR_OFF * (strangest - middle)
    }

    /// The weighted sum of the branches' z. A branch whose score is missing or not a number makes the part
    /// infinitely strange: what can't be judged is not good.
    pub fn judge(&self, raw: &RawScores) -> Judgement {
        let mut branches = BranchScores::new();
        let mut score = 0.0;
        let mut strongest = (f32::NEG_INFINITY, Branch::Position);
        for voice in &self.voices {
            let z = match raw[voice.branch as usize] {
                Some(value) if value.is_finite() => voice.z.apply(value),
                _ => f32::INFINITY,
            };
            score += voice.weight * z;
            if voice.weight * z > strongest.0 {
                strongest = (voice.weight * z, voice.branch);
            }
            // Cannot be full: voices has the same capacity.
            let _ = branches.push((voice.branch, z));
        }
        Judgement {
            score,
            reject: score.is_nan() || score > self.threshold,
            p_value: self.calibration.p_value(score),
            far_off: score.is_nan() || score > self.far_off(),
            branch: strongest.1,
            branches,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision() -> Decision {
        let voice = |branch, mean| Voice {
            branch,
            weight: 1.0,
            z: TrimmedZ { mean, std: 2.0 },
        };
        let voices = [voice(Branch::Histogram, 1.0), voice(Branch::Position, 10.0)];
        Decision {
            voices: voices.into_iter().collect(),
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
