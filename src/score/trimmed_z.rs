//! Trimmed z normalisation (paper, eq. 9): scores of different branches on one scale.

use serde::{Deserialize, Serialize};

/// A score `s` becomes `(s − mean) / std`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrimmedZ {
    pub mean: f32,
    pub std: f32,
}

impl TrimmedZ {
    /// From scores of good parts that trained nothing: those outside the 20 % and 80 % quantiles are dropped, then
    /// the mean and the population deviation of the rest; a deviation under 10⁻³ counts as 1.
    pub fn fit(scores: &[f32]) -> Self {
        let mut sorted: Vec<f64> = scores.iter().map(|s| *s as f64).collect();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (quantile(&sorted, 0.2), quantile(&sorted, 0.8));
        let kept: Vec<f64> = sorted
            .into_iter()
            .filter(|s| (low..=high).contains(s))
            .collect();
        let count = kept.len().max(1) as f64;
        let mean = kept.iter().sum::<f64>() / count;
        let variance = kept.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / count;
        let std = if variance.sqrt() < 1e-3 {
            1.0
        } else {
            variance.sqrt()
        };
        TrimmedZ {
            mean: mean as f32,
            std: std as f32,
        }
    }

    pub fn apply(&self, score: f32) -> f32 {
        (score - self.mean) / self.std
    }
}

/// Linear between order statistics (numpy's default). `sorted` ascending; NaN when empty.
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
        let calm = TrimmedZ::fit(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        let wild = TrimmedZ::fit(&[-1e6, 2.0, 3.0, 4.0, 1e6]);
        assert_eq!(calm, wild);
        assert!((calm.mean - 3.0).abs() < 1e-6 && (calm.std - (2.0f32 / 3.0).sqrt()).abs() < 1e-6);
    }

    #[test]
    fn a_constant_branch_does_not_divide_by_zero() {
        assert_eq!(TrimmedZ::fit(&[2.0; 9]).std, 1.0);
    }
}
