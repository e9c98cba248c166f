//! Which branches may speak, and from which score on a part is rejected. Planted anomalies choose the branches, good
//! validation parts set scale and threshold; no test image is ever seen.

use std::collections::BTreeMap;

use aecsad::network::Percept;
use aecsad::score::Branch;
use aecsad::score::conformal::Conformal;
use aecsad::score::decision::{Decision, Voice};
use aecsad::score::heat::Range;
use aecsad::score::scorer::{RawScores, Scorer, Statistics};
use aecsad::score::trimmed_z::{TrimmedZ, quantile};

use super::histogram::View;
use super::statistics::Fitter;
use crate::evaluate::{Kind, auroc};

/// A further branch must raise the mean AUROC on planted anomalies by this much to have a say.
const WORTHWHILE: f64 = 0.002;
/// A branch whose error (1 − AUROC) is at most this many times the best one's, and clearly below a coin's, may join
/// even if it adds to the fused error `NEXT_TO_NOTHING` and this share of it.
const NEARLY_AS_GOOD: f64 = 1.5;
const NEXT_TO_NOTHING: f64 = 0.002;
const NEXT_TO_NOTHING_SHARE: f64 = 0.1;
const MAX_ERROR: f64 = 0.25;
const REACHES: [usize; 3] = [0, 1, 2];
const CODES: [usize; 3] = [2, 5, 12];
const GRIDS: [usize; 3] = [1, 2, 4];

/// A planted anomaly as the networks see it.
pub struct Planted {
    pub kind: Kind,
    /// Index of the validation part it was planted on.
    pub source: usize,
    pub percept: Percept,
}

/// AUROC on planted anomalies of each kind, where there are any.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlantedAuroc {
    pub logical: Option<f64>,
    pub structural: Option<f64>,
}

impl PlantedAuroc {
    fn of(good: &[f64], planted: &[(Kind, f64)]) -> Self {
        let of = |kind| {
            let scores: Vec<f64> = planted
                .iter()
                .filter(|(k, _)| *k == kind)
                .map(|(_, s)| *s)
                .collect();
            auroc(good, &scores)
        };
        PlantedAuroc {
            logical: of(Kind::Logical),
            structural: of(Kind::Structural),
        }
    }

    pub fn mean(&self) -> f64 {
        let known: Vec<f64> = [self.logical, self.structural]
            .into_iter()
            .flatten()
            .collect();
        known.iter().sum::<f64>() / known.len().max(1) as f64
    }
}

/// What was decided about one branch, and why.
#[derive(Clone, Debug)]
pub struct BranchChoice {
    pub branch: Branch,
    pub on: bool,
    pub z: TrimmedZ,
    pub planted: PlantedAuroc,
    pub why: String,
}

/// Everything beyond the networks that a bundle says.
pub struct Selection {
    pub statistics: Statistics,
    pub decision: Decision,
    pub branches: Vec<BranchChoice>,
    /// AUROC of the fused score on planted anomalies.
    pub planted: PlantedAuroc,
    /// The false-reject rate that the threshold stands for; the asked one, or the best that so few parts allow.
    pub rate: f64,
}

/// A branch's statistics and the scores that they give.
struct Candidate {
    branch: Branch,
    statistics: Statistics,
    how: String,
    good: Vec<f32>,
    planted: Vec<(Kind, f32)>,
    auroc: PlantedAuroc,
}

/// `validation` are good parts that trained nothing; `rate` is the wanted share of good parts rejected.
pub fn decide(
    fitter: &Fitter<'_>,
    validation: &[Percept],
    planted: &[Planted],
    rate: f64,
) -> Selection {
    let candidates = best_of_each(fitter, validation, planted);
    let chosen = choose(&candidates);
    let all: BTreeMap<Branch, TrimmedZ> = candidates
        .iter()
        .map(|c| (c.branch, TrimmedZ::fit(&c.good)))
        .collect();
    let fused = |score_of: &dyn Fn(&Candidate) -> f32| -> f32 {
        chosen
            .iter()
            .map(|&(i, _)| all[&candidates[i].branch].apply(score_of(&candidates[i])))
            .sum()
    };
    let good: Vec<f32> = (0..validation.len())
        .map(|p| fused(&|c| c.good[p]))
        .collect();
    let anomalous: Vec<(Kind, f64)> = planted
        .iter()
        .enumerate()
        .map(|(p, planted)| (planted.kind, fused(&|c| c.planted[p].1) as f64))
        .collect();
    let fused_auroc = PlantedAuroc::of(&widen(&good), &anomalous);
    let branches = explain(&candidates, &chosen, &all);
    let statistics = merge(fitter.base(), &candidates, &chosen, validation);
    let calibration = Conformal::new(good);
    let (threshold, rate) = threshold(&calibration, rate);
    let mut order: Vec<Branch> = chosen.iter().map(|&(i, _)| candidates[i].branch).collect();
    order.sort();
    let voices = order
        .into_iter()
        .map(|branch| Voice {
            branch,
            weight: 1.0,
            z: all[&branch],
        })
        .collect();
    Selection {
        statistics,
        decision: Decision {
            voices,
            threshold,
            calibration,
        },
        branches,
        planted: fused_auroc,
        rate,
    }
}

/// With too few parts for the asked rate, the largest score stands for the rate that so many parts allow.
pub(super) fn threshold(calibration: &Conformal, rate: f64) -> (f32, f64) {
    if let Some(threshold) = calibration.threshold(rate) {
        return (threshold, rate);
    }
    let scores = calibration.scores();
    let largest = scores.last().copied().unwrap_or(f32::INFINITY);
    (largest, 1.0 / (scores.len() + 1) as f64)
}

fn widen(scores: &[f32]) -> Vec<f64> {
    scores.iter().map(|s| *s as f64).collect()
}

fn best_of_each(
    fitter: &Fitter<'_>,
    validation: &[Percept],
    planted: &[Planted],
) -> Vec<Candidate> {
    let mut ways: Vec<(Branch, Vec<(Statistics, String)>)> = Vec::new();
    let histograms = views().filter_map(|view| Some((fitter.histogram(view)?, view.to_string())));
    ways.push((Branch::Histogram, histograms.collect()));
    let single = |s: Option<Statistics>| s.map(|s| (s, String::new())).into_iter().collect();
    ways.push((Branch::Layout, single(fitter.layout())));
    ways.push((Branch::Local, single(fitter.local())));
    ways.push((Branch::Global, single(fitter.global())));
    let reaches = REACHES.map(|r| {
        (
            fitter.position(r),
            format!("neighbours up to {r} cells away"),
        )
    });
    ways.push((Branch::Position, reaches.into()));
    ways.push((Branch::Patch, single(Some(fitter.patch()))));
    ways.push((Branch::Pooled, single(Some(fitter.pooled()))));
    let codes = CODES.map(|c| (fitter.context(c), format!("a code of {c} numbers")));
    ways.push((Branch::Context, codes.into()));
    let mut best = Vec::new();
    for (branch, ways) in ways {
        let candidates = ways
            .into_iter()
            .map(|(statistics, how)| measure(branch, statistics, how, validation, planted));
        best.extend(candidates.reduce(|a, b| {
            if b.auroc.mean() > a.auroc.mean() {
                b
            } else {
                a
            }
        }));
    }
    best
}

fn views() -> impl Iterator<Item = View> {
    let flags = [(false, false), (false, true), (true, false), (true, true)];
    GRIDS.into_iter().flat_map(move |grid| {
        flags.map(|(variants, pieces)| View {
            grid,
            variants,
            pieces,
        })
    })
}

fn measure(
    branch: Branch,
    statistics: Statistics,
    how: String,
    validation: &[Percept],
    planted: &[Planted],
) -> Candidate {
    let mut scorer = Scorer::new(statistics);
    let mut score = |percept: &Percept| {
        let raw: RawScores = scorer.score(percept);
        raw[branch as usize]
            .filter(|s| s.is_finite())
            .unwrap_or(f32::MAX)
    };
    let good: Vec<f32> = validation.iter().map(&mut score).collect();
    let planted: Vec<(Kind, f32)> = planted
        .iter()
        .map(|p| match (branch, p.kind) {
            // A wrong arrangement is made of ordinary patches wherever they lie: what this branch sees of a planted one is
            // the seam, so it counts as having seen the good part.
            (Branch::Patch, Kind::Logical) => (p.kind, good[p.source]),
            _ => (p.kind, score(&p.percept)),
        })
        .collect();
    let wide: Vec<(Kind, f64)> = planted.iter().map(|(k, s)| (*k, *s as f64)).collect();
    Candidate {
        branch,
        auroc: PlantedAuroc::of(&widen(&good), &wide),
        statistics: scorer.into_statistics(),
        how,
        good,
        planted,
    }
}

/// Greedy: the best branch alone, then whichever raises the fused AUROC most, while it is worth it. A branch nearly as
/// good as the best joins as well if it costs next to nothing: its errors are others, and the sum is steadier on defects
/// that nobody planted. Gives the index of each chosen candidate and the AUROC reached with it.
fn choose(candidates: &[Candidate]) -> Vec<(usize, f64)> {
    let error = |i: usize| 1.0 - candidates[i].auroc.mean();
    let mut chosen: Vec<(usize, f64)> = Vec::new();
    loop {
        let reached = chosen.last().map_or(f64::NEG_INFINITY, |(_, auroc)| *auroc);
        let needed = |i: usize| match chosen.first() {
            Some(&(best, _))
                if error(i) <= NEARLY_AS_GOOD * error(best) && error(i) < MAX_ERROR =>
            {
                reached - NEXT_TO_NOTHING - NEXT_TO_NOTHING_SHARE * (1.0 - reached)
            }
            _ => reached + WORTHWHILE,
        };
        let next = (0..candidates.len())
            .filter(|i| !chosen.iter().any(|(c, _)| c == i))
            .map(|i| {
                let members: Vec<usize> = chosen.iter().map(|(c, _)| *c).chain([i]).collect();
                (i, fused_auroc(candidates, &members))
            })
            .filter(|(i, auroc)| *auroc >= needed(*i))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        match next {
            Some(added) => chosen.push(added),
            None => return chosen,
        }
    }
}

fn fused_auroc(candidates: &[Candidate], members: &[usize]) -> f64 {
    let z: Vec<TrimmedZ> = members
        .iter()
        .map(|&i| TrimmedZ::fit(&candidates[i].good))
        .collect();
    let sum = |score: &dyn Fn(&Candidate) -> f32| -> f64 {
        members
            .iter()
            .zip(&z)
            .map(|(&i, z)| z.apply(score(&candidates[i])) as f64)
            .sum()
    };
    let Some(first) = members.first().map(|&i| &candidates[i]) else {
        return 0.0;
    };
    let good: Vec<f64> = (0..first.good.len()).map(|p| sum(&|c| c.good[p])).collect();
    let planted: Vec<(Kind, f64)> = (0..first.planted.len())
        .map(|p| (first.planted[p].0, sum(&|c| c.planted[p].1)))
        .collect();
    PlantedAuroc::of(&good, &planted).mean()
}

fn explain(
    candidates: &[Candidate],
    chosen: &[(usize, f64)],
    all: &BTreeMap<Branch, TrimmedZ>,
) -> Vec<BranchChoice> {
    let of_chosen = |i: usize| chosen.iter().position(|(c, _)| *c == i);
    candidates
        .iter()
        .enumerate()
        .map(|(i, candidate)| {
            let rank = of_chosen(i);
            let reached = |k: usize| chosen.get(k).map_or(0.0, |(_, auroc)| *auroc);
            let why = match rank {
                Some(0) => format!(
                    "the best alone on planted anomalies (AUROC {:.3})",
                    reached(0)
                ),
                Some(k) if reached(k) < reached(k - 1) + WORTHWHILE => format!(
                    "nearly as good as the best, fused AUROC on planted anomalies {:.3} with it",
                    reached(k)
                ),
                Some(k) => format!(
                    "raises the fused AUROC on planted anomalies from {:.3} to {:.3}",
                    reached(k - 1),
                    reached(k)
                ),
                None => "adds nothing to the others on planted anomalies".to_owned(),
            };
            let how = if candidate.how.is_empty() {
                String::new()
            } else {
                format!("; {}", candidate.how)
            };
            BranchChoice {
                branch: candidate.branch,
                on: rank.is_some(),
                z: all[&candidate.branch],
                planted: candidate.auroc,
                why: why + &how,
            }
        })
        .collect()
}

/// The chosen branches' statistics in one, with the range of each map over good validation parts.
fn merge(
    mut merged: Statistics,
    candidates: &[Candidate],
    chosen: &[(usize, f64)],
    validation: &[Percept],
) -> Statistics {
    for &(i, _) in chosen {
        let s = candidates[i].statistics.clone();
        match candidates[i].branch {
            Branch::Histogram => merged.histogram = s.histogram,
            Branch::Layout => merged.layout = s.layout,
            Branch::Local => merged.local = s.local,
            Branch::Global => merged.global = s.global,
            Branch::Position => merged.position = s.position,
            Branch::Patch => merged.patch = s.patch,
            Branch::Pooled => merged.pooled = s.pooled,
            Branch::Context => merged.context = s.context,
            Branch::Lgst => merged.lgst = s.lgst,
        }
    }
    let mut scorer = Scorer::new(merged);
    let mut values: BTreeMap<Branch, Vec<f64>> = BTreeMap::new();
    for percept in validation {
        scorer.score(percept);
        for branch in Branch::ALL {
            if let Some((map, _)) = scorer.map(branch) {
                values
                    .entry(branch)
                    .or_default()
                    .extend(map.iter().map(|v| *v as f64));
            }
        }
    }
    let mut statistics = scorer.into_statistics();
    for (branch, mut values) in values {
        values.sort_by(f64::total_cmp);
        let range = Range {
            q900: quantile(&values, 0.90) as f32,
            q995: quantile(&values, 0.995) as f32,
        };
        statistics.ranges.push((branch, range));
    }
    statistics
}
