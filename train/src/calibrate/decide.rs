//! Which branches are active, and from which score on a part is rejected. Planted anomalies and known bad parts choose
//! the branches, good validation parts alone set scale and threshold; no test image is ever seen.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use aecsad_inspect::branches::Branch;
use aecsad_inspect::branches::scorer::Scorer;
use aecsad_inspect::branches::shared::heat::Range;
use aecsad_inspect::branches::statistics::Statistics;
use aecsad_inspect::decision::planted_scores::{DetectionRate, PlantedScores};
use aecsad_inspect::decision::trimmed_z::{TrimmedZ, quantile};
use aecsad_inspect::decision::{Decision, WeightedBranch};
use aecsad_inspect::network::Percept;
use ndarray::Array2;
use rayon::prelude::*;

use super::candidate::{Candidate, Parts, measure};
use super::choose::{Chosen, ablate, best_of_each, choose, reached};
use super::judged_apart::WayScores;
use super::known_bad::{self, KnownBad};
use super::scores::PlantedAuroc;
use super::statistics::Fitter;
use super::threshold::{FittedThreshold, Rule, threshold, with_training_parts};
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
    /// The false-reject rate that the threshold stands for; the requested one, or the best that so few parts allow.
    pub rate: f64,
    /// What the planted anomalies score; none where none were planted.
    pub planted_scores: Option<PlantedScores>,
    /// Validation parts that lie far off all others, by index: the threshold rests on the rest.
    pub left_out: Vec<usize>,
    /// What known bad parts say; None without any.
    pub known_bad: Option<KnownBad>,
    /// What training parts score where nothing is learnt from them; the threshold rests on them too. None where there are
    /// enough validation parts.
    pub cross_validated: Option<WayScores>,
}

impl Selection {
    /// How many planted anomalies the threshold rejects.
    pub fn caught(&self) -> Option<DetectionRate> {
        let planted = self.planted_scores.as_ref()?;
        Some(planted.caught(&self.decision, &self.decision))
    }

    /// The ways and weights of the branches that are on.
    pub fn weights(&self) -> Vec<(Way, f32)> {
        let on = self.branches.iter().filter(|branch| branch.on);
        on.filter_map(|branch| Some((branch.way?, branch.weight)))
            .collect()
    }

    /// Sets the threshold anew, for `rate`, on training parts with these cross-validated scores beside the validation parts;
    /// known bad parts are judged by it too.
    pub fn rest_on(&mut self, cross_validated: WayScores, rate: f64) {
        let scores = cross_validated.sums(&self.weights());
        let calibration = with_training_parts(&self.decision.calibration, &scores);
        (self.decision.threshold, self.rate) = threshold(&calibration, rate);
        self.decision.calibration = calibration;
        if let Some(known_bad) = &mut self.known_bad {
            known_bad.rest_on(&cross_validated, rate);
        }
        self.cross_validated = Some(cross_validated);
    }
}

/// `rule` says how the threshold is set. None if `cancel` was set meanwhile.
///
/// # Errors
/// If the planted parts can't be read.
pub fn decide(
    fitter: &Fitter<'_>,
    parts: &Parts<'_>,
    rule: Rule<'_>,
    cancel: &AtomicBool,
) -> io::Result<Option<Selection>> {
    let Some(candidates) = measured(fitter, &Branch::ALL, parts, cancel)? else {
        return Ok(None);
    };
    let mut chosen = choose(&candidates, &[]);
    let known_bad = known_bad::compare(&candidates, &chosen, rule, fitter.good().seed);
    let used = known_bad.as_ref().is_some_and(|known| known.used);
    let bad: Vec<usize> = (0..parts.bad.len()).filter(|_| used).collect();
    if used {
        chosen = choose(&candidates, &bad);
    }
    ablate(&candidates, &mut chosen, &bad);
    Ok(Some(Selection {
        branches: explain(&candidates, &chosen, &bad),
        known_bad,
        ..settle(fitter, &candidates, &chosen, parts.good, rule)
    }))
}

/// What was decided on the same parts as other networks see them.
#[derive(Clone, Copy)]
pub struct EarlierDecision<'a> {
    pub branches: &'a [BranchChoice],
    pub known_bad: Option<&'a KnownBad>,
}

/// The branches that `decided` has on, fitted in its ways and with its weights, on what other networks see of the same
/// parts: nothing is chosen again, statistics, scale and threshold are new. What it says of the other branches stays.
///
/// # Errors
/// If the planted parts can't be read.
pub fn decide_again(
    decided: EarlierDecision<'_>,
    fitter: &Fitter<'_>,
    parts: &Parts<'_>,
    rule: Rule<'_>,
) -> io::Result<Selection> {
    let mut candidates = Vec::new();
    let mut chosen = Vec::new();
    let mut branches = Vec::new();
    for branch in decided.branches {
        let way = branch.way.filter(|_| branch.on);
        let fitted = way.and_then(|way| Some((way, fitter.fit(way)?)));
        let candidate = match fitted {
            Some((way, fitted)) => measure(way, fitted, parts)?,
            None => None,
        };
        let Some(candidate) = candidate else {
            branches.push(branch.clone());
            continue;
        };
        branches.push(BranchChoice {
            z: candidate.z,
            planted: candidate.auroc,
            ..branch.clone()
        });
        chosen.push(Chosen::with(candidates.len(), branch.weight));
        candidates.push(candidate);
    }
    for way in decided.known_bad.into_iter().flat_map(KnownBad::ways) {
        let is_new = !candidates.iter().any(|c| known_bad::same(c.way, way));
        if let Some(fitted) = is_new.then(|| fitter.fit(way)).flatten() {
            candidates.extend(measure(way, fitted, parts)?);
        }
    }
    let known_bad = decided.known_bad;
    let known_bad = known_bad.map(|known| known_bad::judge_again(known, &candidates, rule));
    Ok(Selection {
        branches,
        known_bad,
        ..settle(fitter, &candidates, &chosen, parts.good, rule)
    })
}

/// Scale and threshold of the chosen branches.
fn settle(
    fitter: &Fitter<'_>,
    candidates: &[Candidate],
    chosen: &[Chosen],
    validation: &[Percept],
    rule: Rule<'_>,
) -> Selection {
    let threshold = FittedThreshold::of(known_bad::good_sums(candidates, chosen), rule);
    let planted = reached(candidates, chosen, &[]).planted;
    let statistics = merge(fitter.base(), candidates, chosen, validation);
    let mut chosen = chosen.to_vec();
    chosen.sort_by_key(|chosen| candidates[chosen.candidate].way.branch());
    let weighted = |chosen: &Chosen| {
        let candidate = &candidates[chosen.candidate];
        WeightedBranch {
            branch: candidate.way.branch(),
            weight: chosen.weight,
            z: candidate.z,
        }
    };
    let decision = Decision {
        branches: chosen.iter().map(weighted).collect(),
        threshold: threshold.value,
        calibration: threshold.calibration,
    };
    Selection {
        statistics,
        planted_scores: planted_scores(candidates, &chosen, &decision),
        decision,
        branches: Vec::new(),
        planted,
        rate: threshold.rate,
        left_out: threshold.left_out,
        known_bad: None,
        cross_validated: None,
    }
}

fn planted_scores(
    candidates: &[Candidate],
    chosen: &[Chosen],
    decision: &Decision,
) -> Option<PlantedScores> {
    let first = chosen.first()?;
    let anomalies = candidates[first.candidate].planted.len();
    let z = Array2::from_shape_fn((anomalies, chosen.len()), |(anomaly, weighted)| {
        let candidate = &candidates[chosen[weighted].candidate];
        candidate.z.apply(candidate.planted[anomaly].1)
    });
    PlantedScores::new(z, decision)
}

/// How well each of `branches` ranks planted anomalies alone, in its best way; left out where there are no components
/// or students for it.
///
/// # Errors
/// If the planted parts can't be read.
pub fn rank(
    fitter: &Fitter<'_>,
    branches: &[Branch],
    parts: &Parts<'_>,
) -> io::Result<Vec<(Way, PlantedAuroc)>> {
    let never = AtomicBool::new(false);
    let candidates = measured(fitter, branches, parts, &never)?.unwrap_or_default();
    let best = best_of_each(&candidates, &[]).into_iter();
    let best = best.map(|i| (candidates[i].way, candidates[i].auroc));
    Ok(best.collect())
}

/// `branches` in all ways, those of a branch one after the other.
fn measured(
    fitter: &Fitter<'_>,
    branches: &[Branch],
    parts: &Parts<'_>,
    cancel: &AtomicBool,
) -> io::Result<Option<Vec<Candidate>>> {
    let stopped = || cancel.load(Ordering::Relaxed);
    let measured: Vec<Candidate> = WAYS
        .into_par_iter()
        .filter(|way| branches.contains(&way.branch()) && !stopped())
        .filter_map(|way| measure(way, fitter.fit(way)?, parts).transpose())
        .collect::<io::Result<_>>()?;
    Ok((!stopped()).then_some(measured))
}

fn explain(candidates: &[Candidate], chosen: &[Chosen], bad: &[usize]) -> Vec<BranchChoice> {
    let together = reached(candidates, chosen, bad);
    let planted = together.planted.mean();
    let best = best_of_each(candidates, bad).into_iter();
    best.map(|index| {
        let candidate = &candidates[index];
        let member = chosen.iter().find(|c| c.candidate == index);
        let why = match member.map(|member| member.without) {
            Some(Some(without)) => {
                let known = together.bad.zip(without.bad);
                let known = known.map(|(with, without)| {
                    format!("; on known bad parts {with:.3} and {without:.3}")
                });
                format!(
                    "the sum's AUROC on planted anomalies is {planted:.3} with it and {:.3} without{}",
                    without.planted.mean(),
                    known.unwrap_or_default()
                )
            }
            Some(None) => format!("active alone (AUROC {planted:.3} on planted anomalies)"),
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
    let mut scorer = Scorer::new(merged.without_idle_views());
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

    use super::super::GoodParts;
    use super::super::planted_parts::tests::kept;
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
        let (train, held_out, anomalous) = (percepts(8), percepts(5), percepts(5));
        let good = GoodParts {
            train: &train,
            labelled: &[],
            held_out: &held_out,
            classes: None,
            seed: 1,
            directions: None,
            before: None,
            vouched: &[],
        };
        let planted = anomalous.into_iter().enumerate();
        let planted = planted.map(|(source, part)| (Some(Kind::Structural), source, part));
        let planted = kept(planted.collect());
        let fitter = Fitter::new(&good);
        let parts = Parts {
            good: &held_out,
            planted: &planted,
            bad: &[],
        };
        let rule = Rule {
            vouched: &[],
            rate: 0.2,
        };
        let with = |cancel| decide(&fitter, &parts, rule, &AtomicBool::new(cancel));
        assert!(with(true).unwrap().is_none());
        assert!(with(false).unwrap().is_some());
    }
}
