//! How well a score puts bad parts above good ones, whatever the threshold.

/// The probability that a bad part scores above a good one, a tie counting half (Mann–Whitney U / (n·m)). None when
/// either side is empty.
///
/// *Shapes*: `good` is `[good parts]`, `bad` `[bad parts]`, in any order.
pub fn auroc(good: &[f64], bad: &[f64]) -> Option<f64> {
    Some(Roc::new(good, bad)?.area())
}

/// Mean precision over the bad parts, in falling order of score; images of equal score are taken together. None when
/// either side is empty.
///
/// *Shapes*: `good` is `[good parts]`, `bad` `[bad parts]`, in any order.
pub fn average_precision(good: &[f64], bad: &[f64]) -> Option<f64> {
    let roc = Roc::new(good, bad)?;
    let precision_gained = roc.counts.windows(2).map(|step| {
        let (rejected, caught) = step[1];
        (caught - step[0].1) as f64 * caught as f64 / (caught + rejected) as f64
    });
    Some(precision_gained.sum::<f64>() / roc.bad as f64)
}

/// Spearman's rank correlation of two scores of the same parts, ties at their mean rank; 1 where a score is the same for
/// all parts, which then have no order to disagree on.
///
/// *Shapes*: `left` and `right` are `[parts]`, in one order.
pub fn rank_correlation(left: &[f64], right: &[f64]) -> f64 {
    let (left, right) = (ranks(left), ranks(right));
    let mean = (left.len() as f64 - 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum()
    };
    let spread = (product(&left, &left) * product(&right, &right)).sqrt();
    match spread > 0.0 {
        true => product(&left, &right) / spread,
        false => 1.0,
    }
}

fn ranks(scores: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let mut ranks = vec![0.0; scores.len()];
    let mut first = 0;
    for tied in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
        let rank = first as f64 + (tied.len() as f64 - 1.0) / 2.0;
        tied.iter().for_each(|part| ranks[*part] = rank);
        first += tied.len();
    }
    ranks
}

/// Share of bad parts caught against share of good parts rejected, for every threshold from above all scores to below.
#[derive(Clone, Debug, PartialEq)]
pub struct Roc {
    good: usize,
    bad: usize,
    /// (good parts rejected, bad parts caught) at each distinct score, both rising.
    counts: Vec<(usize, usize)>,
}

impl Roc {
    /// None when either side is empty.
    ///
    /// *Shapes*: `good` is `[good parts]`, `bad` `[bad parts]`, in any order.
    pub fn new(good: &[f64], bad: &[f64]) -> Option<Self> {
        if good.is_empty() || bad.is_empty() {
            return None;
        }
        let labelled = |scores: &[f64], is_bad| -> Vec<(f64, bool)> {
            // Adding zero makes -0.0 and 0.0 one score
            scores.iter().map(|score| (score + 0.0, is_bad)).collect()
        };
        let mut ranked = labelled(good, false);
        ranked.extend(labelled(bad, true));
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));

        let (mut rejected, mut caught) = (0, 0);
        let mut counts = vec![(0, 0)];
        for tied in ranked.chunk_by(|a, b| a.0 == b.0) {
            let bad_here = tied.iter().filter(|(_, is_bad)| *is_bad).count();
            caught += bad_here;
            rejected += tied.len() - bad_here;
            counts.push((rejected, caught));
        }
        Some(Self {
            good: good.len(),
            bad: bad.len(),
            counts,
        })
    }

    /// (false-reject rate, catch rate) from (0, 0) to (1, 1).
    pub fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        self.counts.iter().map(|(rejected, caught)| {
            (
                *rejected as f64 / self.good as f64,
                *caught as f64 / self.bad as f64,
            )
        })
    }

    pub fn area(&self) -> f64 {
        // Twice the area in whole pairs, so that the figure is exact
        let doubled: usize = self
            .counts
            .windows(2)
            .map(|step| (step[1].0 - step[0].0) * (step[0].1 + step[1].1))
            .sum();
        doubled as f64 / (2 * self.good * self.bad) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separated_scores_rank_perfectly_and_reversed_ones_not_at_all() {
        assert_eq!(auroc(&[1.0, 2.0], &[3.0, 4.0, 5.0]), Some(1.0));
        assert_eq!(auroc(&[3.0, 4.0], &[1.0, 2.0]), Some(0.0));
        assert_eq!(average_precision(&[1.0, 2.0], &[3.0]), Some(1.0));
    }

    #[test]
    fn a_tie_counts_half() {
        assert_eq!(auroc(&[7.0; 4], &[7.0; 3]), Some(0.5));
        assert_eq!(auroc(&[0.0], &[-0.0]), Some(0.5));
        // 16 pairs: 13 won, 3 tied
        assert_eq!(
            auroc(&[1.0, 2.0, 2.0, 3.0], &[2.0, 3.0, 4.0, 4.0]),
            Some(13.5 / 16.0)
        );
    }

    #[test]
    fn rank_correlation_agrees_with_scipy() {
        // spearmanr (SciPy 1.17.1) on the same values
        let left: Vec<f64> = (0..20).map(|i| f64::from(i * 7 % 11)).collect();
        let right: Vec<f64> = (0..20).map(|i| f64::from(i * 5 % 13)).collect();
        let found = rank_correlation(&left, &right);
        assert!((found - 0.206_505_354_087_290_3).abs() < 1e-12, "{found}");
        assert_eq!(rank_correlation(&[1.0, 2.0, 3.0], &[5.0, 6.0, 9.0]), 1.0);
        assert_eq!(rank_correlation(&[1.0, 1.0], &[2.0, 3.0]), 1.0);
    }

    #[test]
    fn an_empty_side_has_no_ranking() {
        assert_eq!(auroc(&[], &[1.0]), None);
        assert_eq!(auroc(&[1.0], &[]), None);
        assert_eq!(average_precision(&[], &[1.0]), None);
    }

    #[test]
    fn agrees_with_scikit_learn_on_tied_scores() {
        // roc_auc_score and average_precision_score (1.9.1) on the same values
        let good: Vec<f64> = (0..40).map(|i| f64::from(i * 37 % 23)).collect();
        let bad: Vec<f64> = (0..25).map(|i| f64::from(i * 29 % 19 + 8)).collect();
        let area = auroc(&good, &bad).unwrap();
        let precision = average_precision(&good, &bad).unwrap();
        assert!((area - 0.72).abs() < 1e-12, "{area}");
        assert!(
            (precision - 0.6249166189347208).abs() < 1e-12,
            "{precision}"
        );
    }
}
