//! How large a gain in AUROC may be by chance: other good parts and other anomalies would have given another one.

use crate::evaluate::Kind;

/// What one sum of branches says of good parts and planted anomalies.
pub struct Scores {
    pub good: Vec<f64>,
    pub planted: Vec<(Kind, f64)>,
}

/// Standard error of the difference between the mean AUROC over both kinds that `after` and `before` reach on the same
/// parts (DeLong, DeLong and Clarke-Pearson, Biometrics 1988).
pub fn standard_error(before: &Scores, after: &Scores) -> f64 {
    let kinds: Vec<Kind> = [Kind::Logical, Kind::Structural]
        .into_iter()
        .filter(|kind| after.planted.iter().any(|(k, _)| k == kind))
        .collect();
    let count = kinds.len().max(1) as f64;
    let mut of_good = vec![0.0; after.good.len()];
    let mut variance = 0.0;
    for kind in kinds {
        let (good_before, planted_before) = before.placements(kind);
        let (good_after, planted_after) = after.placements(kind);
        variance += mean_variance(&differences(&planted_after, &planted_before)) / (count * count);
        for (sum, gained) in of_good
            .iter_mut()
            .zip(differences(&good_after, &good_before))
        {
            *sum += gained / count;
        }
    }
    (variance + mean_variance(&of_good)).sqrt()
}

impl Scores {
    /// For each good part the share of the anomalies of a kind above it, for each such anomaly the share of good parts below
    /// it; an equal score counts half.
    fn placements(&self, kind: Kind) -> (Vec<f64>, Vec<f64>) {
        let of_kind = self.planted.iter().filter(|(k, _)| *k == kind);
        let planted: Vec<f64> = of_kind.map(|(_, score)| *score).collect();
        let mut of_good = vec![0.0; self.good.len()];
        let mut of_planted = vec![0.0; planted.len()];
        let count = planted.len() as f64;
        for (good, above) in self.good.iter().zip(&mut of_good) {
            for (strange, below) in planted.iter().zip(&mut of_planted) {
                let ahead = match strange.total_cmp(good) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
                *above += ahead / count;
                *below += ahead / self.good.len() as f64;
            }
        }
        (of_good, of_planted)
    }
}

fn differences(after: &[f64], before: &[f64]) -> Vec<f64> {
    after.iter().zip(before).map(|(a, b)| a - b).collect()
}

/// Variance of the mean of `values`.
fn mean_variance(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    if count < 2.0 {
        return 0.0;
    }
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    squares / (count - 1.0) / count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(good: &[f64], planted: &[f64]) -> Scores {
        Scores {
            good: good.to_vec(),
            planted: planted.iter().map(|s| (Kind::Logical, *s)).collect(),
        }
    }

    #[test]
    fn the_same_scores_gain_nothing_for_certain() {
        let same = scores(&[0.0, 1.0, 2.0], &[1.5, 3.0]);
        assert_eq!(standard_error(&same, &same), 0.0);
    }

    /// Against a column of equal scores, whose placements are all one half, it is the error of the AUROC itself. By hand:
    /// good parts have 1 and ½ of the anomalies above them, anomalies ½ and 1 of the good parts below.
    #[test]
    fn against_a_coin_it_is_the_error_of_an_auroc() {
        let coin = scores(&[0.0; 2], &[0.0; 2]);
        let found = standard_error(&coin, &scores(&[0.0, 2.0], &[1.0, 3.0]));
        assert!((found - 0.125f64.sqrt()).abs() < 1e-12, "{found}");
    }

    #[test]
    fn more_parts_make_a_gain_more_certain() {
        let few = |n: usize| {
            let good: Vec<f64> = (0..n).map(|i| (i * 7 % 10) as f64).collect();
            let better: Vec<f64> = (0..n).map(|i| (i * 3 % 10) as f64 + 4.0).collect();
            let worse: Vec<f64> = (0..n).map(|i| (i * 9 % 10) as f64 + 2.0).collect();
            standard_error(&scores(&good, &worse), &scores(&good, &better))
        };
        assert!(few(40) < 0.6 * few(10));
    }
}
