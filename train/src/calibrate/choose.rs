//! Which branches have a say, and with which weight: by planted anomalies.

use ndarray::{Array1, Array2};

use super::candidate::Candidate;
use super::scores::{PlantedAuroc, Scores};
use super::weights::{Contrast, weights};
use crate::dataset::Kind;

/// A branch with less than this share of all that moves the sum is left out: it costs time on every part and hardly says
/// anything.
const LEAST_SHARE: f64 = 0.1;
/// A score further from good parts' mean, in their deviations, counts as this far: how clear the clearest are must not
/// rule the weights.
const FAR: f32 = 30.0;
/// Weights are fitted to so many parts of a kind at most: the time goes with their square.
const MOST_PARTS: usize = 300;

/// A candidate that has a say.
#[derive(Clone, Copy, Debug)]
pub struct Chosen {
    pub candidate: usize,
    /// 1 is the largest.
    pub weight: f32,
    /// What the others reach without it, weighted anew; None for the only one.
    pub without: Option<PlantedAuroc>,
}

/// The weights at which the sum ranks planted anomalies best, without the branches that hardly have any. Where none sees
/// anything the one with the best AUROC speaks alone.
pub fn choose(candidates: &[Candidate]) -> Vec<Chosen> {
    let mut members: Vec<usize> = (0..candidates.len()).collect();
    loop {
        let fitted = weighted(candidates, &members);
        let says: Vec<f64> = fitted
            .iter()
            .map(|member| say(candidates, member))
            .collect();
        let sum: f64 = says.iter().sum();
        let least = (0..says.len()).min_by(|a, b| says[*a].total_cmp(&says[*b]));
        match least {
            Some(least) if says[least] < LEAST_SHARE * sum => {
                members.remove(least);
            }
            _ if sum > 0.0 => return finished(candidates, fitted),
            _ => return best_alone(candidates),
        }
    }
}

/// How far a member moves the sum: its weight times the deviation of its z over all parts. Of what lies far out on planted
/// anomalies a small weight says much.
fn say(candidates: &[Candidate], member: &Chosen) -> f64 {
    let scores = scale(&candidates[member.candidate]);
    let planted = scores.planted.iter().map(|(_, z)| *z);
    let all: Array1<f64> = scores.good.iter().copied().chain(planted).collect();
    match all.is_empty() {
        true => 0.0,
        false => f64::from(member.weight) * all.std(0.0),
    }
}

fn best_alone(candidates: &[Candidate]) -> Vec<Chosen> {
    let mean = |i: &usize| candidates[*i].auroc.mean();
    let best = (0..candidates.len()).max_by(|a, b| mean(a).total_cmp(&mean(b)).then(b.cmp(a)));
    let alone = |candidate| Chosen {
        candidate,
        weight: 1.0,
        without: None,
    };
    best.map(alone).into_iter().collect()
}

/// The largest weight first and 1, all in hundredths.
fn finished(candidates: &[Candidate], mut fitted: Vec<Chosen>) -> Vec<Chosen> {
    fitted.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let largest = fitted.first().map_or(1.0, |first| first.weight);
    let all = fitted.clone();
    for member in &mut fitted {
        member.weight = (100.0 * member.weight / largest).round() / 100.0;
        let others: Vec<usize> = all
            .iter()
            .map(|other| other.candidate)
            .filter(|other| *other != member.candidate)
            .collect();
        if !others.is_empty() {
            member.without = Some(reached(candidates, &weighted(candidates, &others)));
        }
    }
    fitted
}

/// The members with the weights at which their sum ranks best.
fn weighted(candidates: &[Candidate], members: &[usize]) -> Vec<Chosen> {
    let columns: Vec<Scores> = members.iter().map(|i| scale(&candidates[*i])).collect();
    let right = table(columns.iter().map(|scores| scores.good.clone()));
    let wrong = [Kind::Logical, Kind::Structural]
        .map(|kind| table(columns.iter().map(|scores| scores.of(kind))));
    let contrasts: Vec<Contrast<'_>> = wrong
        .iter()
        .filter(|wrong| wrong.nrows() > 0)
        .map(|wrong| Contrast {
            right: right.view(),
            wrong: wrong.view(),
        })
        .collect();
    let found = weights(&contrasts, members.len());
    let pairs = members.iter().zip(found);
    pairs
        .map(|(candidate, weight)| Chosen {
            candidate: *candidate,
            weight: weight as f32,
            without: None,
        })
        .collect()
}

/// A candidate's scores as z, none further out than [`FAR`].
fn scale(candidate: &Candidate) -> Scores {
    let z = |score: f32| f64::from(candidate.z.apply(score).clamp(-FAR, FAR));
    Scores {
        good: candidate.good.iter().map(|score| z(*score)).collect(),
        planted: candidate
            .planted
            .iter()
            .map(|(kind, score)| (*kind, z(*score)))
            .collect(),
    }
}

/// `[parts, branches]`, of many parts evenly spread ones.
fn table(columns: impl Iterator<Item = Vec<f64>>) -> Array2<f64> {
    let columns: Vec<Vec<f64>> = columns.collect();
    let all = columns.first().map_or(0, Vec::len);
    let parts = all.min(MOST_PARTS);
    Array2::from_shape_fn((parts, columns.len()), |(part, branch)| {
        columns[branch][part * all / parts]
    })
}

/// What the sum of the members reaches on planted anomalies.
pub fn reached(candidates: &[Candidate], members: &[Chosen]) -> PlantedAuroc {
    let first = members.first().map(|member| &candidates[member.candidate]);
    let (good, planted) = first.map_or((0, &[][..]), |c| (c.good.len(), &c.planted[..]));
    PlantedAuroc::of(&Scores {
        good: (0..good)
            .map(|part| fused(candidates, members, &|c| c.good[part]).into())
            .collect(),
        planted: (0..planted.len())
            .map(|p| {
                let sum = fused(candidates, members, &|c| c.planted[p].1);
                (planted[p].0, sum.into())
            })
            .collect(),
    })
}

/// The weighted sum of the members' z, as [`aecsad_inspect::decision::Decision`] makes it of `score`.
pub fn fused(
    candidates: &[Candidate],
    members: &[Chosen],
    score: &dyn Fn(&Candidate) -> f32,
) -> f32 {
    members
        .iter()
        .map(|member| {
            let candidate = &candidates[member.candidate];
            member.weight * candidate.z.apply(score(candidate))
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use aecsad_inspect::branches::View;
    use aecsad_inspect::branches::statistics::Statistics;
    use aecsad_inspect::decision::trimmed_z::TrimmedZ;

    use super::super::inventory::InventoryWay;
    use super::super::layout::LayoutWay;
    use super::super::patch::PatchWay;
    use super::super::pooled::PooledWay;
    use super::super::position::PositionWay;
    use super::super::way::Way;
    use super::*;
    use crate::dataset::Kind;

    const PARTS: usize = 40;

    /// Good parts score evenly from 0 to 1, planted ones likewise but so much more.
    fn candidate(way: Way, order: usize, logical: f32, structural: f32) -> Candidate {
        let ramp = |i: usize| ((i * order) % PARTS) as f32 / PARTS as f32;
        let good: Vec<f32> = (0..PARTS).map(ramp).collect();
        let planted: Vec<(Kind, f32)> = (0..PARTS)
            .flat_map(|i| {
                let score = ramp(i + 11);
                [
                    (Kind::Logical, score + logical),
                    (Kind::Structural, score + structural),
                ]
            })
            .collect();
        let scores = Scores {
            good: good.iter().map(|s| f64::from(*s)).collect(),
            planted: planted.iter().map(|(k, s)| (*k, f64::from(*s))).collect(),
        };
        Candidate {
            way,
            auroc: PlantedAuroc::of(&scores),
            z: TrimmedZ::fit(&good).unwrap(),
            statistics: Statistics::default(),
            good,
            planted,
        }
    }

    #[test]
    fn two_that_see_one_kind_each_both_speak() {
        let candidates = [
            candidate(&LayoutWay, 1, 0.9, 0.0),
            candidate(&PatchWay { view: View::Whole }, 7, 0.0, 0.6),
        ];
        let chosen = choose(&candidates);
        assert_eq!(chosen.len(), 2);
        assert!(chosen.iter().any(|c| c.weight == 1.0) && chosen.iter().all(|c| c.weight > 0.3));
        let together = reached(&candidates, &chosen);
        for alone in &chosen {
            assert!(
                together.mean() > alone.without.unwrap().mean() + 0.05,
                "{chosen:?}"
            );
        }
    }

    #[test]
    fn a_branch_that_sees_nothing_has_no_say() {
        let candidates = [
            candidate(
                &PositionWay {
                    reach: 0,
                    view: View::Whole,
                },
                1,
                0.8,
                0.8,
            ),
            candidate(&PooledWay, 7, 0.0, 0.0),
        ];
        let chosen = choose(&candidates);
        assert_eq!((chosen.len(), chosen[0].candidate), (1, 0));
        assert!(chosen[0].without.is_none());
    }

    /// Its weight is small only because its scores are large.
    #[test]
    fn what_lies_far_out_speaks_with_a_small_weight() {
        let mut far = candidate(&InventoryWay, 1, 0.9, 0.0);
        far.z.std /= 20.0;
        let chosen = choose(&[far, candidate(&PatchWay { view: View::Whole }, 7, 0.0, 0.6)]);
        let smallest = chosen.iter().min_by(|a, b| a.weight.total_cmp(&b.weight));
        let smallest = smallest.unwrap();
        assert!(
            chosen.len() == 2 && smallest.candidate == 0 && smallest.weight < 0.1,
            "{chosen:?}"
        );
    }

    #[test]
    fn one_nearly_as_good_speaks_too() {
        let candidates = [
            candidate(
                &PositionWay {
                    reach: 0,
                    view: View::Whole,
                },
                1,
                0.8,
                0.8,
            ),
            candidate(&PatchWay { view: View::Whole }, 7, 0.78, 0.78),
        ];
        assert_eq!(choose(&candidates).len(), 2);
    }

    #[test]
    fn of_many_parts_evenly_spread_ones_are_taken() {
        let many: Vec<f64> = (0..600).map(f64::from).collect();
        let taken = table([many.clone(), many].into_iter());
        assert_eq!(taken.dim(), (MOST_PARTS, 2));
        assert_eq!((taken[[1, 0]], taken[[299, 1]]), (2.0, 598.0));
        assert_eq!(
            table([vec![3.0, 4.0]].into_iter()),
            ndarray::array![[3.0], [4.0]]
        );
    }

    #[test]
    fn where_all_are_blind_the_least_blind_speaks_alone() {
        let candidates = [
            candidate(
                &PositionWay {
                    reach: 0,
                    view: View::Whole,
                },
                1,
                -0.3,
                -0.3,
            ),
            candidate(&PatchWay { view: View::Whole }, 7, -0.1, -0.1),
        ];
        let chosen = choose(&candidates);
        assert_eq!((chosen.len(), chosen[0].candidate), (1, 1));
        assert!(choose(&[]).is_empty());
    }
}
