//! Two bundles on the same test images: what a change, such as int8 instead of float, does to the figures.

use std::fmt::Write;

use serde::Serialize;

use super::report::scores;
use super::{EvaluateError, Fraction, JudgedImage};
use crate::dataset::Kind;
use crate::metrics::{auroc, rank_correlation};

/// One bundle against a reference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Against {
    pub reference: String,
    /// AUROC on each kind of anomaly that there is.
    pub auroc: Vec<AurocDifference>,
    /// Spearman's, over all test images.
    pub rank_correlation: f64,
    /// Parts that only one of the two rejects.
    pub good_flipped: Fraction,
    pub bad_flipped: Fraction,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AurocDifference {
    pub kind: Kind,
    pub reference: f64,
    pub found: f64,
    /// Found minus reference, in hundredths.
    pub points: f64,
}

impl Against {
    /// `name` is the reference's file; both judged the same images in the same order.
    ///
    /// # Errors
    /// If they judged other images.
    pub fn measure(
        name: &str,
        reference: &[JudgedImage],
        found: &[JudgedImage],
    ) -> Result<Self, EvaluateError> {
        let paths =
            |judged: &[JudgedImage]| judged.iter().map(|j| j.path.clone()).collect::<Vec<_>>();
        if paths(reference) != paths(found) {
            return Err(EvaluateError::OtherImages);
        }
        let difference = |kind: Kind| {
            let of =
                |judged: &[JudgedImage]| auroc(&scores(judged, Kind::Good), &scores(judged, kind));
            let (reference, found) = (of(reference)?, of(found)?);
            Some(AurocDifference {
                kind,
                reference,
                found,
                points: 100.0 * (found - reference),
            })
        };
        let all = |judged: &[JudgedImage]| {
            judged
                .iter()
                .map(|j| f64::from(j.score))
                .collect::<Vec<_>>()
        };
        let flipped = |is_good: bool| {
            let pairs = reference.iter().zip(found);
            let pairs = pairs.filter(|(r, _)| (r.kind == Kind::Good) == is_good);
            Fraction {
                count: pairs.clone().filter(|(r, f)| r.reject != f.reject).count(),
                of: pairs.count(),
            }
        };
        Ok(Self {
            reference: name.to_owned(),
            auroc: Kind::ANOMALOUS.into_iter().filter_map(difference).collect(),
            rank_correlation: rank_correlation(&all(reference), &all(found)),
            good_flipped: flipped(true),
            bad_flipped: flipped(false),
        })
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let mut text = format!("against {}:\n", self.reference);
        for difference in &self.auroc {
            let _ = writeln!(
                text,
                "  AUROC {:<11} {:.4} instead of {:.4}, {:+.2} points",
                difference.kind.name(),
                difference.found,
                difference.reference,
                difference.points
            );
        }
        let _ = writeln!(
            text,
            "  rank correlation of the scores {:.4}; other verdicts on {} good and {} bad parts",
            self.rank_correlation, self.good_flipped, self.bad_flipped
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::category;
    use super::*;

    #[test]
    fn the_same_scores_have_no_difference_and_a_swap_is_seen() {
        let reference = category();
        let same = Against::measure("f32.aecsad", &reference, &reference).unwrap();
        assert!(same.auroc.iter().all(|d| d.points == 0.0));
        assert_eq!((same.rank_correlation, same.good_flipped.count), (1.0, 0));

        let mut found = category();
        let good = found.iter().position(|j| j.kind == Kind::Good).unwrap();
        let bad = found.iter().position(|j| j.kind != Kind::Good).unwrap();
        let swapped = (found[bad].score, found[good].score);
        (found[good].score, found[bad].score) = swapped;
        found[good].reject = !found[good].reject;
        let other = Against::measure("f32.aecsad", &reference, &found).unwrap();
        assert!(other.auroc[0].points < 0.0, "{other:?}");
        assert!(other.rank_correlation < 1.0);
        assert_eq!((other.good_flipped.count, other.bad_flipped.count), (1, 0));
        assert!(other.text().contains("f32.aecsad"));

        found.pop();
        assert!(Against::measure("f32.aecsad", &reference, &found).is_err());
    }
}
