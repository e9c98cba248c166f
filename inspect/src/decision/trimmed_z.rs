//! Trimmed z normalisation (paper, eq. 9): scores of different branches on one scale.

use serde::{Deserialize, Serialize};

/// Scores that deviate by less than this share of their mean count as equal. With a smaller scale, rounding errors that
/// differ between machines would decide.
const LEAST_SPREAD: f64 = 1e-3;

/// A score `s` becomes `(s − mean) / std`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrimmedZ {
    pub mean: f32,
    pub std: f32,
}

impl TrimmedZ {
    /// Fits to the scores of held-out good parts: the mean and the population deviation of those between the 20 % and
    /// 80 % quantiles. If these are equal, the deviation of all scores is used; if all are equal, there is no scale and
    /// the result is `None`.
    ///
    /// *Shapes*: `scores` is `[parts]`.
    pub fn fit(scores: &[f32]) -> Option<Self> {
        let mut sorted: Vec<f64> = scores.iter().map(|s| *s as f64).collect();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (quantile(&sorted, 0.2), quantile(&sorted, 0.8));
        let inner = |s: &&f64| (low..=high).contains(*s);
        let kept: Vec<f64> = sorted.iter().filter(inner).copied().collect();
        let (mean, trimmed) = mean_and_deviation(&kept);
        let is_spread = |std: &f64| std.is_finite() && *std > LEAST_SPREAD * mean.abs();
        let std = [trimmed, mean_and_deviation(&sorted).1];
        let std = std.into_iter().find(is_spread)?;
        Some(TrimmedZ {
            mean: mean as f32,
            std: std as f32,
        })
    }

    pub fn apply(&self, score: f32) -> f32 {
        (score - self.mean) / self.std
    }
}

/// The mean and the population deviation; NaN when empty.
fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

/// The quantile `q` by linear interpolation between order statistics (NumPy's default). `sorted` is ascending; the
/// result is NaN if it is empty.
///
/// *Shapes*: `sorted` is `[values]`.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let at = q.clamp(0.0, 1.0) * last as f64;
    let low = at as usize;
    let high = (low + 1).min(last);
    sorted[low] + (at - low as f64) * (sorted[high] - sorted[low])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_do_not_move_it() {
        let calm = TrimmedZ::fit(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let wild = TrimmedZ::fit(&[-1e6, 2.0, 3.0, 4.0, 1e6]).unwrap();
        assert_eq!(calm, wild);
        assert!((calm.mean - 3.0).abs() < 1e-6 && (calm.std - (2.0f32 / 3.0).sqrt()).abs() < 1e-6);
    }

    #[test]
    fn scores_without_a_spread_have_no_scale() {
        for constant in [
            &[0.0; 9][..],
            &[2.0; 9],
            &[2.0, 2.000_001, 2.0],
            &[f32::MAX; 5],
            &[],
        ] {
            assert_eq!(TrimmedZ::fit(constant), None);
        }
        let small = TrimmedZ::fit(&[1e-5, 2e-5, 3e-5, 4e-5, 5e-5]).unwrap();
        assert!((small.std - 8.165e-6).abs() < 1e-8, "{small:?}");
    }

    #[test]
    fn where_most_agree_the_others_give_the_scale() {
        let rare = TrimmedZ::fit(&[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]).unwrap();
        assert_eq!((rare.mean, rare.std), (0.0, 0.3));
    }
}
