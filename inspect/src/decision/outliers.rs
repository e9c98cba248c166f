//! Finds outliers among the scores of images that should show good parts.

use super::trimmed_z::quantile;

/// The limit for many scores, in multiples of the distance from the median to the upper quartile. Scores of good parts
/// have an exponential tail: one in two thousand lies beyond this.
pub const FAR: f64 = 10.0;
/// With this many scores the limit is doubled, for the quartile's own error: good parts left out by mistake would make
/// the threshold too strict.
const FEW: f64 = 10.0;

/// The upper quartile of good parts' scores is at most this many times as far from the median as the lower one. Where
/// it is further, a quarter of the images are outliers, and the lower quartile is used.
const SKEWED: f64 = 2.0;

/// The score above which a part is an outlier; `None` for scores without a spread.
///
/// *Shapes*: `scores` is `[parts]`, in any order.
pub fn limit(scores: &[f32], far: f64) -> Option<f32> {
    let mut sorted: Vec<f64> = scores.iter().map(|s| f64::from(*s)).collect();
    sorted.sort_by(f64::total_cmp);
    let [lower, median, upper] = [0.25, 0.5, 0.75].map(|q| quantile(&sorted, q));
    let spread = match median > lower {
        true => (upper - median).min(SKEWED * (median - lower)),
        false => upper - median,
    };
    let has_spread = spread.is_finite() && spread > 1e-6 * median.abs().max(1e-6);
    let far = far * (1.0 + FEW / sorted.len() as f64);
    has_spread.then_some((median + far * spread) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_move_it_little_and_lie_beyond_it() {
        let mut scores: Vec<f32> = (1..=36).map(|i| (i as f32 / 37.0).ln().abs()).collect();
        let clean = limit(&scores, FAR).unwrap();
        assert!(scores.iter().all(|s| *s < clean));
        scores.extend([150.0, 180.0, 900.0, 1e6]);
        let with_outliers = limit(&scores, FAR).unwrap();
        assert!(with_outliers < 2.0 * clean, "{with_outliers} after {clean}");
        assert_eq!(scores.iter().filter(|s| **s > with_outliers).count(), 4);
    }

    #[test]
    fn a_quarter_of_outliers_does_not_hide_them() {
        let mut scores: Vec<f32> = (1..=15).map(|i| (i as f32 / 16.0).ln().abs()).collect();
        scores.extend([60.0, 70.0, 90.0, 100.0, 150.0]);
        let limit = limit(&scores, FAR).unwrap();
        assert!(limit > scores[0] && limit < 60.0, "{limit}");
    }

    #[test]
    fn scores_that_are_all_alike_have_no_limit() {
        assert_eq!(limit(&[3.0; 40], FAR), None);
        assert_eq!(limit(&[], FAR), None);
    }
}
