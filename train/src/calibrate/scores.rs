//! What good parts and planted anomalies score, and how well that tells them apart.

use crate::dataset::Kind;
use crate::metrics::auroc;

/// Scores of good parts and of planted anomalies.
pub struct Scores {
    /// `[good parts]`
    pub good: Vec<f64>,
    pub planted: Vec<(Kind, f64)>,
}

impl Scores {
    /// Of the planted anomalies of one kind, `[anomalies]`.
    pub fn of(&self, kind: Kind) -> Vec<f64> {
        let found = self.planted.iter().filter(|(k, _)| *k == kind);
        found.map(|(_, score)| *score).collect()
    }
}

/// AUROC on planted anomalies of each kind, where there are any.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlantedAuroc {
    pub logical: Option<f64>,
    pub structural: Option<f64>,
}

impl PlantedAuroc {
    pub fn of(scores: &Scores) -> Self {
        let of = |kind| auroc(&scores.good, &scores.of(kind));
        PlantedAuroc {
            logical: of(Kind::Logical),
            structural: of(Kind::Structural),
        }
    }

    pub fn mean(&self) -> f64 {
        let known: Vec<f64> = [self.logical, self.structural]
            .into_iter()
            .flatten()
            .collect();
        known.iter().sum::<f64>() / known.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_anomalies_of_a_kind_the_other_is_the_mean() {
        let scores = Scores {
            good: vec![0.0, 1.0],
            planted: vec![(Kind::Structural, 0.5)],
        };
        let found = PlantedAuroc::of(&scores);
        assert_eq!((found.logical, found.mean()), (None, 0.5));
    }
}
