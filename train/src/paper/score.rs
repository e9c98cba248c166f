//! The paper's own score: the class histogram and both students, always both, added (eq. 10). Nothing is chosen, so
//! that its tables can be reproduced.

use std::collections::BTreeMap;

use aecsad_inspect::branches::Branch;
use aecsad_inspect::branches::histogram::Histogram;
use aecsad_inspect::branches::lgst::{Lgst, LgstScale};
use aecsad_inspect::branches::scorer::Scorer;
use aecsad_inspect::branches::shared::heat::Range;
use aecsad_inspect::branches::statistics::Statistics;
use aecsad_inspect::decision::conformal::Conformal;
use aecsad_inspect::decision::trimmed_z::{TrimmedZ, quantile};
use aecsad_inspect::decision::{Decision, WeightedBranch};
use aecsad_inspect::network::Percept;
use ndarray::Array3;

use crate::calibrate::histogram::{self, HistogramWay};
use crate::calibrate::{BranchChoice, PlantedAuroc, Selection, threshold};

/// One Gaussian over shares of the whole and a 2×2 grid.
const HISTOGRAM: HistogramWay = HistogramWay::gaussian(histogram::GRID);

/// `labelled` are the parts of D_L, `validation` held-out good parts; `classes` counts the background in
/// and is None for a product without components, which the students then judge alone. `rate` is the wanted share of
/// good parts rejected.
pub fn decide_as_the_paper(
    labelled: &[Percept],
    validation: &[Percept],
    classes: Option<usize>,
    rate: f64,
) -> Selection {
    let local = range(validation.iter().map(|percept| &percept.students.local));
    let global = range(validation.iter().map(|percept| &percept.students.global));
    let mut statistics = Statistics {
        ranges: vec![(
            Branch::Lgst,
            Range {
                q900: 0.0,
                q995: 0.1,
            },
        )],
        ..Statistics::default()
    }
    .with(Box::new(Lgst::new(LgstScale { local, global })));
    if let Some(classes) = classes {
        let model = histogram::fit(&segmented(labelled), classes, HISTOGRAM);
        statistics = statistics.with(Box::new(Histogram::new(model)));
    }
    let mut scorer = Scorer::new(statistics);
    let mut raw: BTreeMap<Branch, Vec<f32>> = BTreeMap::new();
    for percept in validation {
        let scores = scorer.score(percept);
        for branch in Branch::ALL {
            if let Some(score) = scores[branch as usize] {
                raw.entry(branch).or_default().push(score);
            }
        }
    }
    let z: Vec<(Branch, TrimmedZ)> = raw
        .iter()
        .filter_map(|(branch, scores)| Some((*branch, TrimmedZ::fit(scores)?)))
        .collect();
    let fused = (0..validation.len())
        .map(|part| z.iter().map(|(branch, z)| z.apply(raw[branch][part])).sum())
        .collect();
    let calibration = Conformal::new(fused);
    let (threshold, rate) = threshold(&calibration, rate);
    let branches = z
        .iter()
        .map(|(branch, z)| BranchChoice {
            branch: *branch,
            on: true,
            weight: 1.0,
            z: *z,
            planted: PlantedAuroc::default(),
            way: None,
            why: "the paper's score (eq. 10)".to_owned(),
        })
        .collect();
    let weighted = z
        .into_iter()
        .map(|(branch, z)| WeightedBranch {
            branch,
            weight: 1.0,
            z,
        })
        .collect();
    Selection {
        statistics: scorer.into_statistics(),
        decision: Decision {
            branches: weighted,
            threshold,
            calibration,
        },
        branches,
        planted: PlantedAuroc::default(),
        rate,
        planted_scores: None,
        left_out: Vec::new(),
        known_bad: None,
        cross_validated: None,
    }
}

fn segmented(parts: &[Percept]) -> Vec<Array3<f32>> {
    parts
        .iter()
        .map(|part| part.probabilities.clone())
        .collect()
}

/// The quantiles of all cells of all maps.
fn range<'a>(maps: impl Iterator<Item = &'a Vec<f32>>) -> Range {
    let mut cells: Vec<f64> = maps.flatten().map(|cell| f64::from(*cell)).collect();
    cells.sort_by(f64::total_cmp);
    Range {
        q900: quantile(&cells, 0.90) as f32,
        q995: quantile(&cells, 0.995) as f32,
    }
}
