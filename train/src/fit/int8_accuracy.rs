//! What int8 costs: the float networks and the quantised ones judge the same held-out good parts and planted anomalies,
//! each with its own scale and threshold.

use std::fmt::Write;
use std::io;

use aecsad_inspect::branches::scorer::Scorer;
use aecsad_inspect::network::Percept;
use serde::Serialize;

use crate::calibrate::{PlantedAuroc, PlantedParts, Scores, Selection};
use crate::metrics::rank_correlation;
use crate::quantise::{LayerPrecision, NetworkReport, Requirement};

/// Networks and scores in int8 against float.
#[derive(Clone, Debug, Serialize)]
pub struct Quantisation {
    #[serde(rename = "demand")]
    pub requirement: Requirement,
    pub scores: ScoreReport,
    pub networks: Vec<NetworkReport>,
}

/// Scores in int8 against float.
#[derive(Clone, Debug, Serialize)]
pub struct ScoreReport {
    pub good_parts: usize,
    /// Anomalies and harmless edits.
    pub planted_parts: usize,
    /// Spearman's, over good and planted parts together.
    pub rank_correlation: f64,
    /// The same, over good parts alone, which lie close together.
    pub rank_correlation_good: f64,
    /// Parts on another side of the threshold than in float.
    pub flipped_good: usize,
    pub flipped_planted: usize,
    /// Share of cells with the same class, where there are classes.
    pub same_class: Option<f64>,
    pub logical: Option<Ranking>,
    pub structural: Option<Ranking>,
}

/// AUROC on planted anomalies of one kind.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ranking {
    pub float: f64,
    pub int8: f64,
    /// Int8 minus float, in hundredths.
    pub points: f64,
}

/// Good parts and planted anomalies as one set of networks sees them, and what was decided on them.
pub struct Side<'a> {
    pub good: &'a [Percept],
    pub planted: &'a PlantedParts,
    pub selection: &'a Selection,
}

/// Scores and whether each part is rejected.
type JudgedParts = Vec<(f64, bool)>;

impl Side<'_> {
    fn judged(&self) -> io::Result<(JudgedParts, JudgedParts)> {
        let mut scorer = Scorer::new(self.selection.statistics.clone());
        let mut judge = |percept: &Percept| {
            let judged = self.selection.decision.judge(&scorer.score(percept));
            (f64::from(judged.score), judged.reject)
        };
        let good = self.good.iter().map(&mut judge).collect();
        let mut planted = Vec::new();
        self.planted
            .each(|_, percept| planted.push(judge(percept)))?;
        Ok((good, planted))
    }
}

/// Compares the two sides, which saw the same parts in the same order.
///
/// # Errors
/// If the planted parts can't be read.
pub fn compare(float: &Side<'_>, int8: &Side<'_>) -> io::Result<ScoreReport> {
    let (float_good, float_planted) = float.judged()?;
    let (int8_good, int8_planted) = int8.judged()?;
    let scores =
        |judged: &JudgedParts| judged.iter().map(|(score, _)| *score).collect::<Vec<f64>>();
    let both = |good: &JudgedParts, planted: &JudgedParts| [scores(good), scores(planted)].concat();
    let flips = |left: &JudgedParts, right: &JudgedParts| {
        let pairs = left.iter().zip(right);
        pairs.filter(|((_, l), (_, r))| l != r).count()
    };
    let ranked = |good: &JudgedParts, planted: &JudgedParts| {
        let anomalies = float.planted.parts().iter().zip(scores(planted));
        PlantedAuroc::of(&Scores {
            good: scores(good),
            planted: anomalies
                .filter_map(|(p, score)| Some((p.anomaly?, score)))
                .collect(),
        })
    };
    let left = ranked(&float_good, &float_planted);
    let right = ranked(&int8_good, &int8_planted);
    let ranking = |(float, int8): (f64, f64)| Ranking {
        float,
        int8,
        points: 100.0 * (int8 - float),
    };
    Ok(ScoreReport {
        good_parts: float_good.len(),
        planted_parts: float_planted.len(),
        rank_correlation: rank_correlation(
            &both(&float_good, &float_planted),
            &both(&int8_good, &int8_planted),
        ),
        rank_correlation_good: rank_correlation(&scores(&float_good), &scores(&int8_good)),
        flipped_good: flips(&float_good, &int8_good),
        flipped_planted: flips(&float_planted, &int8_planted),
        same_class: same_class(float, int8)?,
        logical: left.logical.zip(right.logical).map(ranking),
        structural: left.structural.zip(right.structural).map(ranking),
    })
}

fn same_class(float: &Side<'_>, int8: &Side<'_>) -> io::Result<Option<f64>> {
    let classes = |side: &Side<'_>| -> io::Result<Vec<u8>> {
        let mut classes = Vec::new();
        let mut note = |percept: &Percept| {
            if percept.probabilities.dim().0 > 0 {
                classes.extend(&percept.classes);
            }
        };
        side.good.iter().for_each(&mut note);
        side.planted.each(|_, percept| note(percept))?;
        Ok(classes)
    };
    let (float, int8) = (classes(float)?, classes(int8)?);
    let all = float.len().min(int8.len());
    let same = float.iter().zip(&int8).filter(|(f, i)| f == i).count();
    Ok((all > 0).then(|| same as f64 / all as f64))
}

impl ScoreReport {
    /// Share of all parts, good and edited, that get another verdict than in float.
    pub fn flipped(&self) -> f64 {
        let parts = self.good_parts + self.planted_parts;
        (self.flipped_good + self.flipped_planted) as f64 / parts.max(1) as f64
    }
}

impl Quantisation {
    /// In one line, for the manifest.
    pub fn summary(&self) -> String {
        let outputs = self.networks.iter().flat_map(|network| &network.outputs);
        let least = outputs
            .map(|output| output.agreement.sqnr_db)
            .fold(f64::INFINITY, f64::min);
        let scores = &self.scores;
        format!(
            "{}: outputs at least {least:.1} dB over the quantisation noise, scores' rank correlation with float {:.4}, \
             {} of {} verdicts differ",
            self.requirement.signs,
            scores.rank_correlation,
            scores.flipped_good + scores.flipped_planted,
            scores.good_parts + scores.planted_parts
        )
    }

    /// For a terminal: a line for each output, the scores, and the layers that stay float or agree least.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for network in &self.networks {
            let _ = writeln!(
                text,
                "{}: {} KB instead of {}, {:.1} % of the multiplications in int8, ranges by {}",
                network.network,
                network.int8_bytes / 1024,
                network.float_bytes / 1024,
                100.0 * network.int8_share,
                network.search
            );
            for output in &network.outputs {
                let _ = writeln!(
                    text,
                    "  {:<20} {:>6.1} dB  cosine {:.5}",
                    output.output, output.agreement.sqnr_db, output.agreement.cosine
                );
            }
            for layer in &network.layers {
                if layer.precision == LayerPrecision::FloatForTheOutputs {
                    let _ = writeln!(text, "  stays float: {} ({})", layer.layer, layer.shape);
                }
            }
        }
        let scores = &self.scores;
        let _ = writeln!(
            text,
            "scores of {} good parts and {} edited ones against float: rank correlation {:.4} ({:.4} among the \
             good), {} and {} verdicts differ",
            scores.good_parts,
            scores.planted_parts,
            scores.rank_correlation,
            scores.rank_correlation_good,
            scores.flipped_good,
            scores.flipped_planted
        );
        if let Some(same) = scores.same_class {
            let _ = writeln!(text, "the same class in {:.2} % of the cells", 100.0 * same);
        }
        for (kind, ranking) in [
            ("logical", scores.logical),
            ("structural", scores.structural),
        ] {
            if let Some(Ranking {
                float,
                int8,
                points,
            }) = ranking
            {
                let _ = writeln!(
                    text,
                    "AUROC on planted {kind} anomalies: {float:.4} in float, {int8:.4} in int8, {points:+.2} points"
                );
            }
        }
        text
    }
}
