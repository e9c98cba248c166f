//! One branch fitted in one way, and how well it distinguishes anomalies from good parts.

use std::io;

use aecsad_inspect::branches::Branch;
use aecsad_inspect::branches::scorer::{RawScores, Scorer};
use aecsad_inspect::branches::statistics::Statistics;
use aecsad_inspect::decision::trimmed_z::{TrimmedZ, quantile};
use aecsad_inspect::network::Percept;

use super::planted_parts::{PlantedPart, PlantedParts};
use super::scores::{PlantedAuroc, Scores};
use super::way::Way;
use crate::dataset::Kind;

/// The parts that branches are compared on.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// Good validation parts.
    pub good: &'a [Percept],
    pub planted: &'a PlantedParts,
    /// Known bad parts.
    pub bad: &'a [Percept],
}

/// A branch's statistics and the scores that they give.
pub struct Candidate {
    pub way: Way,
    pub statistics: Statistics,
    /// Raw scores of good validation parts, `[good parts]`.
    pub good: Vec<f32>,
    pub z: TrimmedZ,
    pub planted: Vec<(Kind, f32)>,
    /// Raw scores of known bad parts, `[bad parts]`: as they are, since no edit left a seam on them.
    pub bad: Vec<f32>,
    pub auroc: PlantedAuroc,
}

/// None where all good parts score the same: such a branch has no scale to enter the sum with.
///
/// # Errors
/// If the planted parts can't be read.
pub fn measure(
    way: Way,
    statistics: Statistics,
    parts: &Parts<'_>,
) -> io::Result<Option<Candidate>> {
    let Parts { good, planted, bad } = *parts;
    let branch = way.branch();
    let mut scorer = Scorer::new(statistics);
    let mut score = |percept: &Percept| {
        let raw: RawScores = scorer.score(percept);
        raw[branch as usize]
            .filter(|s| s.is_finite())
            .unwrap_or(f32::MAX)
    };
    let good: Vec<f32> = good.iter().map(&mut score).collect();
    let bad = bad.iter().map(&mut score).collect();
    let mut scored = Vec::with_capacity(planted.parts().len());
    planted.each(|_, percept| scored.push(score(percept)))?;
    let planted = planted.parts();
    let editing = editing(planted, &scored, &good);
    let anomalies = planted.iter().zip(scored);
    let planted: Vec<(Kind, f32)> = anomalies
        .filter_map(|(p, score)| {
            let kind = p.anomaly?;
            Some((kind, counted(branch, kind, score, good[p.source], editing)))
        })
        .collect();
    let scores = Scores {
        good: widen(&good),
        planted: planted.iter().map(|(k, s)| (*k, f64::from(*s))).collect(),
    };
    Ok(TrimmedZ::fit(&good).map(|z| Candidate {
        way,
        auroc: PlantedAuroc::of(&scores),
        statistics: scorer.into_statistics(),
        z,
        good,
        planted,
        bad,
    }))
}

/// What a planted anomaly counts as having scored, on a good part that scored `source`.
fn counted(branch: Branch, kind: Kind, score: f32, source: f32, editing: f32) -> f32 {
    match (branch, kind) {
        // A logical anomaly is made of ordinary patches wherever they lie: what this branch sees of a planted one is the
        // seam, so it counts as having seen the good part.
        (Branch::Patch | Branch::FinePatch, Kind::Logical) => source,
        // Where seams show less than they mostly do, the part is still no better than it was.
        (_, Kind::Logical) => (score - editing).max(source),
        _ => score,
    }
}

/// What editing alone adds to a score: the median over harmless edits.
fn editing(planted: &[PlantedPart], scored: &[f32], good: &[f32]) -> f32 {
    let harmless = planted
        .iter()
        .zip(scored)
        .filter(|(p, _)| p.anomaly.is_none());
    let mut added: Vec<f64> = harmless
        .map(|(p, score)| f64::from(score - good[p.source]))
        .collect();
    added.sort_by(f64::total_cmp);
    match added.is_empty() {
        true => 0.0,
        false => quantile(&added, 0.5) as f32,
    }
}

fn widen(scores: &[f32]) -> Vec<f64> {
    scores.iter().map(|s| *s as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_editing_adds_is_the_median_over_harmless_edits() {
        let planted = |anomaly, source| PlantedPart {
            anomaly,
            source,
            record: 0,
        };
        let parts = [
            planted(None, 0),
            planted(Some(Kind::Logical), 0),
            planted(None, 1),
            planted(None, 1),
        ];
        let good = [1.0, 2.0];
        assert_eq!(editing(&parts, &[4.0, 100.0, 2.5, 90.0], &good), 3.0);
        assert_eq!(editing(&parts[1..2], &[100.0], &good), 0.0);
    }

    #[test]
    fn seams_are_taken_off_a_logical_anomaly_down_to_its_source() {
        let logical = |branch, score| counted(branch, Kind::Logical, score, 1.0, 2.0);
        assert_eq!(logical(Branch::Context, 7.0), 5.0);
        assert_eq!(logical(Branch::Context, 2.0), 1.0);
        assert_eq!(logical(Branch::Patch, 7.0), 1.0);
        let structural = counted(Branch::Context, Kind::Structural, 7.0, 1.0, 2.0);
        assert_eq!(structural, 7.0);
    }
}
