//! The threshold on the weighted sum of z, from good validation parts alone.

use aecsad_inspect::decision::conformal::Conformal;
use aecsad_inspect::decision::outliers;

/// A threshold, and what it rests on.
pub struct FittedThreshold {
    pub value: f32,
    /// The false-reject rate that it stands for; the requested one, or the best that so few parts allow.
    pub rate: f64,
    pub calibration: Conformal,
    /// Parts that lie far off all others, by index: it rests on the rest.
    pub left_out: Vec<usize>,
}

/// How a threshold is set on good parts.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// Indices of parts that count however far off they lie.
    pub vouched: &'a [usize],
    /// Wanted share of good parts rejected.
    pub rate: f64,
}

impl FittedThreshold {
    /// `good` are the fused scores of held-out good parts.
    ///
    /// *Shapes*: `good` is `[parts]`.
    pub fn of(good: Vec<f32>, rule: Rule<'_>) -> Self {
        let Rule { vouched, rate } = rule;
        let limit = outliers::limit(&good, outliers::FAR).unwrap_or(f32::INFINITY);
        let is_left_out = |part: &usize| good[*part] > limit && !vouched.contains(part);
        let left_out: Vec<usize> = (0..good.len()).filter(is_left_out).collect();
        let kept = (0..good.len()).filter(|part| left_out.binary_search(part).is_err());
        let calibration = Conformal::new(kept.map(|part| good[part]).collect());
        let (value, rate) = threshold(&calibration, rate);
        FittedThreshold {
            value,
            rate,
            calibration,
            left_out,
        }
    }
}

/// `calibration` with the scores of training parts beside it, each scored where nothing is learnt from it (cross-conformal
/// prediction; Vovk, 2015). One that lies far off all others does not count.
///
/// *Shapes*: `scores` is `[training parts]`, in any order.
pub fn with_training_parts(calibration: &Conformal, scores: &[f32]) -> Conformal {
    let mut all = [calibration.scores(), scores].concat();
    let limit = outliers::limit(&all, outliers::FAR).unwrap_or(f32::INFINITY);
    all.truncate(calibration.scores().len());
    all.extend(scores.iter().filter(|score| **score <= limit));
    Conformal::new(all)
}

/// With too few parts for the requested rate, the largest score stands for the rate that so many parts allow.
pub fn threshold(calibration: &Conformal, rate: f64) -> (f32, f64) {
    if let Some(threshold) = calibration.threshold(rate) {
        return (threshold, rate);
    }
    let scores = calibration.scores();
    let largest = scores.last().copied().unwrap_or(f32::INFINITY);
    (largest, 1.0 / (scores.len() + 1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_parts_count_beside_few_validation_parts() {
        let validation = Conformal::new((0..7).map(|i| i as f32).collect());
        let (_, rate) = threshold(&validation, 0.05);
        assert_eq!(rate, 1.0 / 8.0);
        let trained: Vec<f32> = (0..12).map(|i| i as f32 + 0.5).chain([900.0]).collect();
        let both = with_training_parts(&validation, &trained);
        assert_eq!(both.scores().len(), 19);
        assert_eq!(threshold(&both, 0.05), (11.5, 0.05));
    }

    #[test]
    fn a_part_far_off_counts_only_where_someone_vouches_for_it() {
        let mut good: Vec<f32> = (0..39).map(|i| i as f32 / 39.0).collect();
        good.push(500.0);
        let rule = |vouched| Rule {
            vouched,
            rate: 0.02,
        };
        let doubted = FittedThreshold::of(good.clone(), rule(&[]));
        assert_eq!(doubted.left_out, [39]);
        assert!(doubted.value < 1.0);
        let vouched = FittedThreshold::of(good, rule(&[39]));
        assert!(vouched.left_out.is_empty());
        assert_eq!(vouched.value, 500.0);
    }
}
