//! What other thresholds would reject of the test images. It shows a trade, and is no way to choose: a threshold that is
//! chosen on test images promises too much.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::JudgedImage;
use super::report::scores;
use crate::dataset::Kind;

/// Shares of good test images that a threshold may reject, in the table.
const SHARES: [f64; 6] = [0.0, 0.01, 0.02, 0.05, 0.1, 0.2];

/// How many test images of each kind score above a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AtThreshold {
    pub threshold: f64,
    pub good: usize,
    pub logical: usize,
    pub structural: usize,
}

/// The bundle's own threshold and those that reject round shares of the good images, the highest first.
pub fn at_thresholds(judged: &[JudgedImage], own: f32) -> Vec<AtThreshold> {
    let [mut good, logical, structural] =
        [Kind::Good, Kind::Logical, Kind::Structural].map(|kind| scores(judged, kind));
    good.sort_by(|a, b| b.total_cmp(a));
    let of_share = |share: f64| good.get((share * good.len() as f64) as usize).copied();
    let mut thresholds: Vec<f64> = SHARES.iter().filter_map(|share| of_share(*share)).collect();
    thresholds.push(f64::from(own));
    thresholds.sort_by(|a, b| b.total_cmp(a));
    thresholds.dedup();
    let above =
        |scores: &[f64], threshold| scores.iter().filter(|score| **score > threshold).count();
    let row = |threshold| AtThreshold {
        threshold,
        good: above(&good, threshold),
        logical: above(&logical, threshold),
        structural: above(&structural, threshold),
    };
    thresholds.into_iter().map(row).collect()
}

/// As a table, with an arrow at the bundle's own threshold.
pub fn table(rows: &[AtThreshold], own: f32) -> String {
    let mut text = String::from("threshold   good rejected   logical found   structural found\n");
    for row in rows {
        let here = if row.threshold == f64::from(own) {
            "  ← the bundle's"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "{:>9.3}   {:>13}   {:>13}   {:>16}{here}",
            row.threshold, row.good, row.logical, row.structural
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::category;
    use super::*;

    #[test]
    fn each_row_counts_what_scores_above_it() {
        let judged = category();
        let rows = at_thresholds(&judged, 2.0);
        let own = rows.iter().find(|row| row.threshold == 2.0).unwrap();
        let rejected = |kind| {
            let of_kind = judged.iter().filter(|image| image.kind == kind);
            of_kind.filter(|image| image.score > 2.0).count()
        };
        assert_eq!(own.good, rejected(Kind::Good));
        assert_eq!(own.structural, rejected(Kind::Structural));
        assert_eq!(rows[0].good, 0, "the highest good score rejects none");
        assert!(rows.is_sorted_by(|a, b| a.threshold > b.threshold && a.good <= b.good));
        assert_eq!(table(&rows, 2.0).matches("← the bundle's").count(), 1);
    }
}
