//! The conformal threshold: at most a stated share of good parts is rejected. Split-conformal ranking of held-out good
//! parts (Vovk, Gammerman, Shafer 2005).

const ONE_IN_TWENTY: f64 = 0.05;

/// Scores of good calibration parts, ascending.
#[derive(Clone, Debug)]
pub struct Conformal {
    sorted: Vec<f32>,
}

impl Conformal {
    /// *Shapes*: `scores` is `[parts]`, in any order.
    pub fn new(mut scores: Vec<f32>) -> Self {
        scores.sort_by(f32::total_cmp);
        Conformal { sorted: scores }
    }

    /// The scores, ascending.
    ///
    /// *Shapes*: `[parts]`.
    pub fn scores(&self) -> &[f32] {
        &self.sorted
    }

    /// How many calibration parts a false-reject rate needs: `⌈1 / rate⌉ − 1`.
    pub fn needed(rate: f64) -> usize {
        ((1.0 / rate - 1e-9).ceil() as usize).saturating_sub(1)
    }

    /// The ⌈(n+1)(1−rate)⌉-th smallest score, or none when there are too few parts for that rate.
    pub fn threshold(&self, rate: f64) -> Option<f32> {
        let n = self.sorted.len();
        let rank = ((n + 1) as f64 * (1.0 - rate) - 1e-9).ceil() as usize;
        (1..=n).contains(&rank).then(|| self.sorted[rank - 1])
    }

    /// The share of good parts that `threshold` may really reject. Few calibration parts stand for all parts only
    /// roughly: for one set of them in twenty, the share is even higher.
    pub fn rate_at_worst(&self, threshold: f32) -> f64 {
        let n = self.sorted.len();
        let reaching = (n - self.sorted.partition_point(|s| *s < threshold)).max(1);
        // The share of parts above the k-th largest of n scores has the distribution Beta(k, n − k + 1). It exceeds
        // `rate` with the probability of fewer than k successes in n trials at `rate`.
        let exceeded = |rate: f64| {
            let mut term = (1.0 - rate).powi(n as i32);
            let mut sum = term;
            for k in 1..reaching {
                term *= (n - k + 1) as f64 / k as f64 * rate / (1.0 - rate);
                sum += term;
            }
            sum
        };
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..40 {
            let middle = (low + high) / 2.0;
            match exceeded(middle) > ONE_IN_TWENTY {
                true => low = middle,
                false => high = middle,
            }
        }
        high
    }

    /// The p-value (k + 1) / (n + 1), where k of n calibration scores are at least as high as `score`.
    pub fn p_value(&self, score: f32) -> f32 {
        let below = self.sorted.partition_point(|s| *s < score);
        let at_least = self.sorted.len() - below;
        (at_least + 1) as f32 / (self.sorted.len() + 1) as f32
    }
}

/// A p-value for a person: beyond all calibration parts it can't say more than that it is below its smallest.
pub fn in_words(p_value: f32, calibration_parts: usize) -> String {
    let smallest = 1.0 / (calibration_parts + 1) as f32;
    let beyond = calibration_parts > 0 && p_value <= smallest;
    let sign = if beyond { "<" } else { "" };
    format!("{sign}{p_value:.4}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threshold_is_the_conformal_rank() {
        let nineteen = Conformal::new((1..=19).rev().map(|i| i as f32).collect());
        assert_eq!(nineteen.threshold(0.05), Some(19.0));
        assert_eq!(nineteen.threshold(0.10), Some(18.0));
        assert_eq!(nineteen.threshold(0.01), None);
        assert_eq!(Conformal::needed(0.05), 19);
        assert_eq!(Conformal::needed(0.01), 99);
    }

    #[test]
    fn few_parts_promise_little() {
        let parts = |n: usize| Conformal::new((1..=n).map(|i| i as f32).collect());
        // Above the largest of n lies more than r of all with the probability (1 − r)^n.
        let worst = parts(13).rate_at_worst(13.0);
        assert!(
            (worst - (1.0 - 0.05f64.powf(1.0 / 13.0))).abs() < 1e-6,
            "{worst}"
        );
        // The 95 % point of Beta(6, 114), by SciPy.
        let worst = parts(119).rate_at_worst(114.0);
        assert!((worst - 0.0861).abs() < 1e-3, "{worst}");
        assert_eq!(Conformal::new(vec![]).rate_at_worst(0.0), 1.0);
        assert!(parts(5000).rate_at_worst(4751.0) < 0.056);
    }

    #[test]
    fn p_values_count_the_part_itself() {
        let four = Conformal::new(vec![1.0, 2.0, 3.0, 4.0]);
        assert_eq!(four.p_value(0.0), 1.0);
        assert_eq!(four.p_value(3.0), 0.6);
        assert_eq!(four.p_value(9.0), 0.2);
    }

    #[test]
    fn the_promise_holds_on_fresh_parts() {
        // A linear congruential sequence gives exchangeable scores.
        let mut state = 1u64;
        let mut next = || {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 40) as f32
        };
        let (mut rejected, rounds) = (0, 4000);
        for _ in 0..rounds {
            let calibrated = Conformal::new((0..39).map(|_| next()).collect());
            rejected += (next() > calibrated.threshold(0.05).unwrap()) as u32;
        }
        let rate = rejected as f64 / rounds as f64;
        assert!((0.03..0.062).contains(&rate), "{rate}");
    }
}
