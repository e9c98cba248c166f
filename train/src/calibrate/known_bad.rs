//! Known bad parts in the choice of weights: whether weights that also rest on them are better, and which of them would
//! pass. Each is judged by a decision that was fitted without it.

use std::cmp::Ordering;

use aecsad_inspect::decision::conformal::Conformal;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::candidate::Candidate;
use super::choose::{Chosen, choose, fused};
use super::judged_apart::WayScores;
use super::threshold::{FittedThreshold, Rule, threshold, with_training_parts};
use super::way::Way;
use crate::metrics::auroc;

/// Up to so many parts each is left out alone, more of them in so many groups.
const ALONE: usize = 10;
const GROUPS: usize = 5;

/// A decision, and the known bad parts that it has not seen.
#[derive(Clone, Debug)]
pub struct Fold {
    /// Indices of known bad parts.
    held_out: Vec<usize>,
    branches: Vec<(Way, f32)>,
    /// What good validation parts score by it.
    calibration: Conformal,
}

impl Fold {
    fn rest_on(&self, cross_validated: &WayScores, rate: f64, parts: &mut [HeldOut]) {
        let scores = cross_validated.sums(&self.branches);
        let calibration = with_training_parts(&self.calibration, &scores);
        let (value, _) = threshold(&calibration, rate);
        for part in &self.held_out {
            parts[*part].threshold = value;
        }
    }
}

/// A known bad part judged by a decision that has not seen it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeldOut {
    pub score: f32,
    pub threshold: f32,
    /// Share of the good validation parts that score less; ties count half.
    above: f64,
}

impl HeldOut {
    pub fn is_rejected(&self) -> bool {
        self.score.is_nan() || self.score > self.threshold
    }
}

/// What was found out by the known bad parts.
#[derive(Clone, Debug)]
pub struct KnownBad {
    /// One for each part, in order, by weights of planted anomalies alone.
    pub without: Vec<HeldOut>,
    /// The same by weights that rest on the other known bad parts too.
    pub with: Vec<HeldOut>,
    /// The weights rest on known bad parts too, because that rejects more of them, or as many and ranks them clearly higher.
    pub used: bool,
    alone: Vec<Fold>,
    crossed: Vec<Fold>,
}

impl KnownBad {
    /// One for each part, in order, as the weights in use judge it.
    pub fn parts(&self) -> &[HeldOut] {
        match self.used {
            true => &self.with,
            false => &self.without,
        }
    }

    /// Sets the threshold of each decision anew, for `rate`, as the bundle's: on training parts with these cross-validated
    /// scores beside the validation parts. Which weights are used stays.
    pub fn rest_on(&mut self, cross_validated: &WayScores, rate: f64) {
        for fold in &self.alone {
            fold.rest_on(cross_validated, rate, &mut self.without);
        }
        for fold in &self.crossed {
            fold.rest_on(cross_validated, rate, &mut self.with);
        }
    }

    /// All ways that its decisions were made in, some of them more than once.
    pub fn ways(&self) -> impl Iterator<Item = Way> {
        let folds = self.alone.iter().chain(&self.crossed);
        folds.flat_map(|fold| &fold.branches).map(|(way, _)| *way)
    }
}

/// Compares weights of planted anomalies alone, those of `chosen`, with weights that rest on known bad parts too. None where
/// there are no known bad parts.
pub fn compare(
    candidates: &[Candidate],
    chosen: &[Chosen],
    rule: Rule<'_>,
    seed: u64,
) -> Option<KnownBad> {
    let parts = candidates.first().map_or(0, |c| c.bad.len());
    if parts == 0 {
        return None;
    }
    let fold = |held_out, chosen: &[Chosen]| Fold {
        held_out,
        branches: chosen
            .iter()
            .map(|chosen| (candidates[chosen.candidate].way, chosen.weight))
            .collect(),
        calibration: Conformal::new(Vec::new()),
    };
    let mut alone = vec![fold((0..parts).collect(), chosen)];
    let mut crossed: Vec<Fold> = divided(parts, seed)
        .into_par_iter()
        .map(|held_out| {
            let seen: Vec<usize> = (0..parts).filter(|part| !held_out.contains(part)).collect();
            fold(held_out, &choose(candidates, &seen))
        })
        .collect();
    let without = judge(candidates, &mut alone, rule);
    let with = judge(candidates, &mut crossed, rule);
    Some(KnownBad {
        used: are_better(&with, &without),
        without,
        with,
        alone,
        crossed,
    })
}

/// The same decisions on what other networks see of the same parts: `candidates` hold at least their ways.
pub fn judge_again(before: &KnownBad, candidates: &[Candidate], rule: Rule<'_>) -> KnownBad {
    let mut again = before.clone();
    again.without = judge(candidates, &mut again.alone, rule);
    again.with = judge(candidates, &mut again.crossed, rule);
    again
}

/// The more are rejected the better. Of as many, they must rank higher by more than all good parts are worth to one of them:
/// less may be chance.
fn are_better(with: &[HeldOut], without: &[HeldOut]) -> bool {
    let above = |parts: &[HeldOut]| parts.iter().map(|part| part.above).sum::<f64>();
    match rejected(with).cmp(&rejected(without)) {
        Ordering::Greater => true,
        Ordering::Equal => above(with) > above(without) + 1.0,
        Ordering::Less => false,
    }
}

pub fn rejected(parts: &[HeldOut]) -> usize {
    parts.iter().filter(|part| part.is_rejected()).count()
}

/// One for each known bad part, in order. Sets the folds' calibrations.
fn judge(candidates: &[Candidate], folds: &mut [Fold], rule: Rule<'_>) -> Vec<HeldOut> {
    let mut judged: Vec<(usize, HeldOut)> = Vec::new();
    for fold in folds {
        let branches = fold.branches.iter().filter_map(|(way, weight)| {
            let candidate = candidates.iter().position(|c| same(c.way, *way))?;
            Some(Chosen::with(candidate, *weight))
        });
        let branches: Vec<Chosen> = branches.collect();
        let good = good_sums(candidates, &branches);
        let wide: Vec<f64> = good.iter().map(|score| f64::from(*score)).collect();
        let fitted = FittedThreshold::of(good, rule);
        let threshold = fitted.value;
        fold.calibration = fitted.calibration;
        judged.extend(fold.held_out.iter().map(|part| {
            let score = fused(candidates, &branches, &|c| c.bad[*part]);
            let part_judged = HeldOut {
                score,
                threshold,
                above: auroc(&wide, &[f64::from(score)]).unwrap_or(0.0),
            };
            (*part, part_judged)
        }));
    }
    judged.sort_by_key(|(part, _)| *part);
    judged.into_iter().map(|(_, judged)| judged).collect()
}

/// What good validation parts score: weighted sums of z.
///
/// *Shapes*: the result is `[good parts]`.
pub fn good_sums(candidates: &[Candidate], chosen: &[Chosen]) -> Vec<f32> {
    let parts = candidates.first().map_or(0, |c| c.good.len());
    (0..parts)
        .map(|part| fused(candidates, chosen, &|c| c.good[part]))
        .collect()
}

pub fn same(one: Way, other: Way) -> bool {
    one.branch() == other.branch() && one.record() == other.record()
}

/// Groups of parts that are left out together, each part in one.
fn divided(parts: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..parts).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let groups = if parts <= ALONE { parts } else { GROUPS };
    (0..groups)
        .map(|group| order.iter().skip(group).step_by(groups).copied().collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use aecsad_inspect::branches::View;
    use aecsad_inspect::branches::statistics::Statistics;
    use aecsad_inspect::decision::trimmed_z::TrimmedZ;

    use super::super::layout::LayoutWay;
    use super::super::patch::PatchWay;
    use super::super::scores::{PlantedAuroc, Scores};
    use super::*;
    use crate::dataset::Kind;

    const RULE: Rule<'_> = Rule {
        vouched: &[],
        rate: 0.05,
    };

    /// Forty good parts score evenly from 0 to 1; planted anomalies likewise but so much more.
    fn candidate(way: Way, order: usize, planted: f32, bad: &[f32]) -> Candidate {
        let ramp = |i: usize| ((i * order) % 40) as f32 / 40.0;
        let good: Vec<f32> = (0..40).map(ramp).collect();
        let planted: Vec<(Kind, f32)> = (0..40)
            .map(|i| (Kind::Structural, ramp(i + 11) + planted))
            .collect();
        let scores = Scores {
            good: good.iter().map(|s| f64::from(*s)).collect(),
            planted: planted.iter().map(|(k, s)| (*k, f64::from(*s))).collect(),
        };
        Candidate {
            way,
            statistics: Statistics::default(),
            z: TrimmedZ::fit(&good).unwrap(),
            auroc: PlantedAuroc::of(&scores),
            good,
            planted,
            bad: bad.to_vec(),
        }
    }

    fn compared(candidates: &[Candidate]) -> KnownBad {
        compare(candidates, &choose(candidates, &[]), RULE, 1).unwrap()
    }

    #[test]
    fn what_only_known_bad_parts_show_improves_the_weights() {
        let bad = vec![1.6; 8];
        let candidates = [
            candidate(&LayoutWay, 1, 1.0, &[0.5; 8]),
            candidate(&PatchWay { view: View::Whole }, 7, 0.0, &bad),
        ];
        let known = compared(&candidates);
        assert!(known.used);
        assert_eq!((rejected(&known.without), rejected(&known.with)), (0, 8));
        assert_eq!(known.parts(), known.with);
        assert_eq!(judge_again(&known, &candidates, RULE).with, known.with);
    }

    /// Each bad part is seen by a branch of its own, so the others say nothing about it: in sample, the weights would look
    /// better.
    #[test]
    fn a_part_is_judged_by_weights_that_have_not_seen_it() {
        let candidates = [
            candidate(&LayoutWay, 1, 0.6, &[0.5, 2.5]),
            candidate(&PatchWay { view: View::Whole }, 7, 0.0, &[2.0, 0.0]),
        ];
        let known = compared(&candidates);
        let seeing_both = choose(&candidates, &[0, 1]);
        let first = fused(&candidates, &seeing_both, &|c| c.bad[0]);
        let threshold = FittedThreshold::of(good_sums(&candidates, &seeing_both), RULE).value;
        assert!(known.with[0].score - known.with[0].threshold < first - threshold);
    }

    #[test]
    fn what_improves_nothing_is_not_used_and_without_parts_there_is_nothing_to_say() {
        let bad = vec![3.0; 12];
        let known = compared(&[candidate(&LayoutWay, 1, 1.0, &bad)]);
        assert!(!known.used);
        assert_eq!(rejected(known.parts()), 12);
        let none = [candidate(&LayoutWay, 1, 1.0, &[])];
        assert!(compare(&none, &choose(&none, &[]), RULE, 1).is_none());
    }

    #[test]
    fn training_parts_raise_the_threshold_of_known_bad_parts_too() {
        let candidates = [candidate(&LayoutWay, 1, 1.0, &[1.1; 8])];
        let mut known = compared(&candidates);
        assert_eq!(rejected(known.parts()), 8);
        let z = |score| candidates[0].z.apply(score);
        let training = vec![z(1.2); 40];
        let both = with_training_parts(&known.alone[0].calibration, &training);
        let (expected, _) = threshold(&both, RULE.rate);
        known.rest_on(&WayScores::new(vec![(&LayoutWay, training)]), RULE.rate);
        assert_eq!(known.parts()[0].threshold, expected);
        assert_eq!(rejected(known.parts()), 0);
        assert!(known.with.iter().all(|part| part.threshold > z(1.1)));
    }

    #[test]
    fn of_as_many_rejected_only_a_clearly_higher_rank_counts() {
        let parts = |above: f64, rejected: usize| -> Vec<HeldOut> {
            (0..10)
                .map(|part| HeldOut {
                    score: if part < rejected { 2.0 } else { 0.0 },
                    threshold: 1.0,
                    above,
                })
                .collect()
        };
        assert!(!are_better(&parts(0.85, 5), &parts(0.8, 5)));
        assert!(are_better(&parts(0.95, 5), &parts(0.8, 5)));
        assert!(are_better(&parts(0.8, 6), &parts(0.8, 5)));
        assert!(!are_better(&parts(1.0, 4), &parts(0.5, 5)));
    }

    #[test]
    fn each_part_is_left_out_once_by_seed() {
        for (parts, groups) in [(1, 1), (10, 10), (11, 5), (53, 5)] {
            let divided_once = divided(parts, 3);
            assert_eq!(divided_once.len(), groups);
            let mut all = divided_once.concat();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..parts));
        }
        assert_eq!(divided(53, 3), divided(53, 3));
        assert_ne!(divided(53, 3), divided(53, 4));
    }
}
