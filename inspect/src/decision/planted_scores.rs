//! Branch scores of the anomalies planted in training. A bundle carries them, so that a station can report how many of
//! them its own threshold would detect.

use ndarray::Array2;

use super::Decision;

/// The z of each planted anomaly and active branch, on the bundle's own scale.
///
/// *Shapes*: `[anomalies, branches]`, in the order of [`Decision::branches`].
#[derive(Clone, Debug, PartialEq)]
pub struct PlantedScores {
    z: Array2<f32>,
}

/// How many planted anomalies a threshold rejects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DetectionRate {
    pub rejected: usize,
    pub total: usize,
}

/// Below this share a threshold detects almost no bad part.
const NEXT_TO_NONE: f64 = 0.05;
/// Below this share the operator should check the parts that the threshold was set on.
const FEW: f64 = 0.25;

impl DetectionRate {
    pub fn share(&self) -> f64 {
        self.rejected as f64 / self.total.max(1) as f64
    }

    pub fn is_next_to_none(&self) -> bool {
        self.total > 0 && self.share() < NEXT_TO_NONE
    }

    pub fn are_few(&self) -> bool {
        self.total > 0 && self.share() < FEW
    }
}

impl std::fmt::Display for DetectionRate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.rejected, self.total)
    }
}

impl PlantedScores {
    /// `None` unless `z` has one column for each active branch of the decision.
    ///
    /// *Shapes*: `z` is `[anomalies, branches]`.
    pub fn new(z: Array2<f32>, decision: &Decision) -> Option<Self> {
        (z.ncols() == decision.branches.len()).then_some(PlantedScores { z })
    }

    /// *Shapes*: `[anomalies, branches]`.
    pub fn z(&self) -> &Array2<f32> {
        &self.z
    }

    /// How many of them `decision` rejects. It is the bundle's `own` decision, or one with another scale and the same
    /// branches. An anomaly is assumed to lie as far above good parts as in training.
    pub fn caught(&self, decision: &Decision, own: &Decision) -> DetectionRate {
        let factor = |at: usize| match (decision.branches.get(at), own.branches.get(at)) {
            (Some(here), Some(there)) => here.weight * there.z.std / here.z.std,
            _ => f32::NAN,
        };
        let factors: Vec<f32> = (0..self.z.ncols()).map(factor).collect();
        let score = |row: ndarray::ArrayView1<'_, f32>| -> f32 {
            row.iter().zip(&factors).map(|(z, factor)| z * factor).sum()
        };
        let rejected = self.z.rows().into_iter().map(score);
        DetectionRate {
            rejected: rejected.filter(|score| *score > decision.threshold).count(),
            total: self.z.nrows(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Branch;
    use super::super::WeightedBranch;
    use super::super::conformal::Conformal;
    use super::super::trimmed_z::TrimmedZ;
    use super::*;

    fn decision(std: f32, threshold: f32) -> Decision {
        let weighted = |branch| WeightedBranch {
            branch,
            weight: 1.0,
            z: TrimmedZ { mean: 10.0, std },
        };
        let branches = [weighted(Branch::Position), weighted(Branch::Patch)];
        Decision {
            branches: branches.into_iter().collect(),
            threshold,
            calibration: Conformal::new(vec![0.0]),
        }
    }

    #[test]
    fn a_wider_scale_and_a_higher_threshold_catch_less() {
        let own = decision(1.0, 5.0);
        let z = ndarray::array![[4.0, 4.0], [3.0, 3.0], [1.0, 1.0], [20.0, 0.0]];
        let planted = PlantedScores::new(z, &own).unwrap();
        let caught = |decision: &Decision| planted.caught(decision, &own).rejected;
        assert_eq!(caught(&own), 3);
        assert_eq!(caught(&decision(2.0, 5.0)), 1);
        assert_eq!(caught(&decision(1.0, 7.0)), 2);
        assert_eq!(caught(&decision(1.0, 300.0)), 0);
    }

    #[test]
    fn a_column_missing_is_refused() {
        let own = decision(1.0, 5.0);
        assert!(PlantedScores::new(ndarray::array![[1.0]], &own).is_none());
    }
}
