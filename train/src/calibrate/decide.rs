//! Which branches may speak, and from which score on a part is rejected. Planted anomalies choose the branches, good
//! validation parts set scale and threshold; no test image is ever seen.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use aecsad_inspect::branches::Branch;
use aecsad_inspect::branches::scorer::Scorer;
use aecsad_inspect::branches::shared::heat::Range;
use aecsad_inspect::branches::statistics::Statistics;
use aecsad_inspect::decision::conformal::Conformal;
use aecsad_inspect::decision::outliers;
use aecsad_inspect::decision::planted_scores::{Caught, PlantedScores};
use aecsad_inspect::decision::trimmed_z::{TrimmedZ, quantile};
use aecsad_inspect::decision::{Decision, Voice};
use aecsad_inspect::network::Percept;
use ndarray::Array2;
use rayon::prelude::*;

use super::candidate::{Candidate, Planted, measure};
use super::choose::{Chosen, choose, fused, reached};
use super::scores::PlantedAuroc;
use super::statistics::Fitter;
use super::way::{WAYS, Way};

/// What was decided about one branch, and why.
#[derive(Clone, Debug)]
pub struct BranchChoice {
    pub branch: Branch,
    pub on: bool,
    /// Of its z in the sum.
    pub weight: f32,
    pub z: TrimmedZ,
    pub planted: PlantedAuroc,
    /// None where nothing is chosen.
    pub way: Option<Way>,
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
    /// What the planted anomalies score; none where none were planted.
    pub planted_scores: Option<PlantedScores>,
    /// Validation parts that lie far off all others, by index: the threshold rests on the rest.
    pub left_out: Vec<usize>,
}

impl Selection {
    /// How many planted anomalies the threshold rejects.
    pub fn caught(&self) -> Option<Caught> {
        let planted = self.planted_scores.as_ref()?;
        Some(planted.caught(&self.decision, &self.decision))
    }
}

/// `validation` are good parts that trained nothing; `rate` is the wanted share of good parts rejected.
/// None if `cancel` was set meanwhile.
pub fn decide(
    fitter: &Fitter<'_>,
    validation: &[Percept],
    planted: &[Planted],
    rate: f64,
    cancel: &AtomicBool,
) -> Option<Selection> {
    let candidates = best_of_each(fitter, &Branch::ALL, validation, planted, cancel)?;
    let chosen = choose(&candidates);
    let branches = explain(&candidates, &chosen);
    Some(settle(
        fitter,
        &candidates,
        &chosen,
        branches,
        validation,
        rate,
    ))
}

/// The branches of `decided` that are on, fitted in its ways and with its weights, on what other networks see of the same
/// parts: nothing is chosen again, statistics, scale and threshold are new. What it says of the others stays.
pub fn decide_again(
    decided: &[BranchChoice],
    fitter: &Fitter<'_>,
    validation: &[Percept],
    planted: &[Planted],
    rate: f64,
) -> Selection {
    let mut candidates = Vec::new();
    let mut chosen = Vec::new();
    let mut branches = Vec::new();
    for branch in decided {
        let way = branch.way.filter(|_| branch.on);
        let candidate = way.and_then(|way| measure(way, fitter.fit(way)?, validation, planted));
        let Some(candidate) = candidate else {
            branches.push(branch.clone());
            continue;
        };
        branches.push(BranchChoice {
            z: candidate.z,
            planted: candidate.auroc,
            ..branch.clone()
        });
        chosen.push(Chosen {
            candidate: candidates.len(),
            weight: branch.weight,
            without: None,
        });
        candidates.push(candidate);
    }
    settle(fitter, &candidates, &chosen, branches, validation, rate)
}

/// Scale and threshold of the chosen branches.
fn settle(
    fitter: &Fitter<'_>,
    candidates: &[Candidate],
    chosen: &[Chosen],
    branches: Vec<BranchChoice>,
    validation: &[Percept],
    rate: f64,
) -> Selection {
    let good: Vec<f32> = (0..validation.len())
        .map(|part| fused(candidates, chosen, &|c| c.good[part]))
        .collect();
    let limit = match fitter.keeps_outliers() {
        true => None,
        false => outliers::limit(&good, outliers::FAR),
    };
    let limit = limit.unwrap_or(f32::INFINITY);
    let left_out = (0..good.len()).filter(|i| good[*i] > limit).collect();
    let good: Vec<f32> = good.into_iter().filter(|score| *score <= limit).collect();
    let planted = reached(candidates, chosen);
    let statistics = merge(fitter.base(), candidates, chosen, validation);
    let calibration = Conformal::new(good);
    let (threshold, rate) = threshold(&calibration, rate);
    let mut chosen = chosen.to_vec();
    chosen.sort_by_key(|chosen| candidates[chosen.candidate].way.branch());
    let voice = |chosen: &Chosen| {
        let candidate = &candidates[chosen.candidate];
        Voice {
            branch: candidate.way.branch(),
            weight: chosen.weight,
            z: candidate.z,
        }
    };
    let decision = Decision {
        voices: chosen.iter().map(voice).collect(),
        threshold,
        calibration,
    };
    Selection {
        statistics,
        planted_scores: planted_scores(candidates, &chosen, &decision),
        decision,
        branches,
        planted,
        rate,
        left_out,
    }
}

fn planted_scores(
    candidates: &[Candidate],
    chosen: &[Chosen],
    decision: &Decision,
) -> Option<PlantedScores> {
    let first = chosen.first()?;
    let anomalies = candidates[first.candidate].planted.len();
    let z = Array2::from_shape_fn((anomalies, chosen.len()), |(anomaly, voice)| {
        let candidate = &candidates[chosen[voice].candidate];
        candidate.z.apply(candidate.planted[anomaly].1)
    });
    PlantedScores::new(z, decision)
}

/// With too few parts for the asked rate, the largest score stands for the rate that so many parts allow.
pub fn threshold(calibration: &Conformal, rate: f64) -> (f32, f64) {
    if let Some(threshold) = calibration.threshold(rate) {
        return (threshold, rate);
    }
    let scores = calibration.scores();
    let largest = scores.last().copied().unwrap_or(f32::INFINITY);
    (largest, 1.0 / (scores.len() + 1) as f64)
}

/// How well each of `branches` ranks planted anomalies alone, in its best way; left out where there are no components or
/// students for it.
pub fn rank(
    fitter: &Fitter<'_>,
    branches: &[Branch],
    validation: &[Percept],
    planted: &[Planted],
) -> Vec<(Way, PlantedAuroc)> {
    best_of_each(
        fitter,
        branches,
        validation,
        planted,
        &AtomicBool::new(false),
    )
    .into_iter()
    .flatten()
    .map(|candidate| (candidate.way, candidate.auroc))
    .collect()
}

/// The way of each branch that ranks planted anomalies best; of equals the first.
fn best_of_each(
    fitter: &Fitter<'_>,
    branches: &[Branch],
    validation: &[Percept],
    planted: &[Planted],
    cancel: &AtomicBool,
) -> Option<Vec<Candidate>> {
    let stopped = || cancel.load(Ordering::Relaxed);
    let measured: Vec<Candidate> = WAYS
        .into_par_iter()
        .filter(|way| branches.contains(&way.branch()) && !stopped())
        .filter_map(|way| measure(way, fitter.fit(way)?, validation, planted))
        .collect();
    if stopped() {
        return None;
    }
    let mut best: Vec<Candidate> = Vec::new();
    for candidate in measured {
        match best.last_mut() {
            Some(last) if last.way.branch() == candidate.way.branch() => {
                if candidate.auroc.mean() > last.auroc.mean() {
                    *last = candidate;
                }
            }
            _ => best.push(candidate),
        }
    }
    Some(best)
}

fn explain(candidates: &[Candidate], chosen: &[Chosen]) -> Vec<BranchChoice> {
    let together = reached(candidates, chosen).mean();
    candidates
        .iter()
        .enumerate()
        .map(|(i, candidate)| {
            let member = chosen.iter().find(|c| c.candidate == i);
            let why = match member.map(|member| member.without) {
                Some(Some(without)) => format!(
                    "the sum's AUROC on planted anomalies is {together:.3} with it and {:.3} without",
                    without.mean()
                ),
                Some(None) => format!("speaks alone (AUROC {together:.3} on planted anomalies)"),
                None => "adds nothing to the others on planted anomalies".to_owned(),
            };
            let how = match candidate.way.how() {
                how if how.is_empty() => how,
                how => format!("; {how}"),
            };
            BranchChoice {
                branch: candidate.way.branch(),
                on: member.is_some(),
                weight: member.map_or(1.0, |member| member.weight),
                z: candidate.z,
                planted: candidate.auroc,
                way: Some(candidate.way),
                why: why + &how,
            }
        })
        .collect()
}

/// The chosen branches' statistics in one, with the range of each map over good validation parts.
fn merge(
    mut merged: Statistics,
    candidates: &[Candidate],
    chosen: &[Chosen],
    validation: &[Percept],
) -> Statistics {
    for chosen in chosen {
        let candidate = &candidates[chosen.candidate];
        for model in &candidate.statistics.models {
            merged = merged.with(model.clone());
        }
    }
    let mut scorer = Scorer::new(merged.without_idle_view());
    let mut values: BTreeMap<Branch, Vec<f64>> = BTreeMap::new();
    for percept in validation {
        scorer.score(percept);
        for branch in Branch::ALL {
            if let Some(map) = scorer.map(branch) {
                values
                    .entry(branch)
                    .or_default()
                    .extend(map.values.iter().map(|v| *v as f64));
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

#[cfg(test)]
mod tests {
    use crate::dataset::Kind;
    use aecsad_inspect::network::Features;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::Good;
    use super::*;

    /// Noise in the place of an encoder's features.
    fn percept(noise: &mut ChaCha8Rng) -> Percept {
        let mut percept = Percept::empty();
        let Features {
            stride4,
            stride8,
            stride16,
        } = &mut percept.features;
        for map in [stride4, stride8, stride16] {
            map.mapv_inplace(|_| noise.random());
        }
        percept
    }

    #[test]
    fn stopped_it_decides_nothing() {
        let mut noise = ChaCha8Rng::seed_from_u64(1);
        let mut percepts =
            |count| -> Vec<Percept> { (0..count).map(|_| percept(&mut noise)).collect() };
        let (train, held_out, strange) = (percepts(8), percepts(5), percepts(5));
        let good = Good {
            train: &train,
            labelled: &[],
            held_out: &held_out,
            classes: None,
            students: false,
            seed: 1,
            fine: None,
            before: None,
            keep_outliers: false,
        };
        let planted: Vec<Planted> = strange
            .into_iter()
            .enumerate()
            .map(|(source, percept)| Planted {
                anomaly: Some(Kind::Structural),
                source,
                percept,
            })
            .collect();
        let fitter = Fitter::new(&good);
        let with = |cancel| decide(&fitter, &held_out, &planted, 0.2, &AtomicBool::new(cancel));
        assert!(with(true).is_none());
        assert!(with(false).is_some());
    }
}
