//! Chooses by planted anomalies and known bad parts which branches are active, which way each is fitted, and with which
//! weight.

use ndarray::{Array1, Array2};

use super::candidate::Candidate;
use super::scores::{PlantedAuroc, Scores};
use super::weights::{Contrast, weights};
use crate::dataset::Kind;
use crate::metrics::auroc;

/// A branch with less than this share of all that moves the sum is left out: it costs time on every part and adds
/// almost nothing.
const LEAST_SHARE: f64 = 0.1;
/// A score further from good parts' mean, in their deviations, counts as this far: how clear the clearest are must not
/// rule the weights.
const FAR: f32 = 30.0;
/// Weights are fitted to so many parts of a kind at most: the time goes with their square.
const MOST_PARTS: usize = 300;
/// So many known bad parts count as much as all planted anomalies: a few say little about what the next one looks like, and
/// planted ones are crude.
const AS_MUCH_AS_PLANTED: f64 = 10.0;

/// An active candidate.
#[derive(Clone, Copy, Debug)]
pub struct Chosen {
    pub candidate: usize,
    /// 1 is the largest.
    pub weight: f32,
    /// What the others reach without it, weighted anew; None for the only one, and until [`ablate`] has run.
    pub without: Option<Reached>,
}

impl Chosen {
    pub fn with(candidate: usize, weight: f32) -> Self {
        Chosen {
            candidate,
            weight,
            without: None,
        }
    }
}

/// How well a sum ranks anomalies above good parts.
#[derive(Clone, Copy, Debug)]
pub struct Reached {
    pub planted: PlantedAuroc,
    /// AUROC on known bad parts, where there are any.
    pub bad: Option<f64>,
}

/// The weights at which the sum ranks anomalies best, without the branches whose influence is too small. Where none sees anything the
/// one with the best AUROC is active alone. `bad` are the indices of the known bad parts that are shown to it.
pub fn choose(candidates: &[Candidate], bad: &[usize]) -> Vec<Chosen> {
    let best = best_of_each(candidates, bad);
    let mut members = best.clone();
    loop {
        let fitted = weighted(candidates, &members, bad);
        let says: Vec<f64> = fitted
            .iter()
            .map(|member| influence(candidates, member, bad))
            .collect();
        let sum: f64 = says.iter().sum();
        let least = (0..says.len()).min_by(|a, b| says[*a].total_cmp(&says[*b]));
        match least {
            Some(least) if says[least] < LEAST_SHARE * sum => {
                members.remove(least);
            }
            _ if sum > 0.0 => return rounded(fitted),
            // Of equals the first.
            _ => {
                let best = best.into_iter().rev().max_by(|a, b| {
                    let [a, b] = [a, b].map(|i| worth(&candidates[*i], bad));
                    a.total_cmp(&b)
                });
                return best.map(|i| Chosen::with(i, 1.0)).into_iter().collect();
            }
        }
    }
}

/// The way of each branch that ranks anomalies best; of equals the first. A branch's ways are neighbours in `candidates`.
pub fn best_of_each(candidates: &[Candidate], bad: &[usize]) -> Vec<usize> {
    let mut best: Vec<usize> = Vec::new();
    for (index, candidate) in candidates.iter().enumerate() {
        match best.last_mut() {
            Some(last) if candidates[*last].way.branch() == candidate.way.branch() => {
                if worth(candidate, bad) > worth(&candidates[*last], bad) {
                    *last = index;
                }
            }
            _ => best.push(index),
        }
    }
    best
}

/// AUROC of a branch alone, known bad parts beside planted ones as in the weights.
fn worth(candidate: &Candidate, bad: &[usize]) -> f64 {
    let good: Vec<f64> = candidate.good.iter().map(|s| f64::from(*s)).collect();
    let known: Vec<f64> = bad.iter().map(|i| f64::from(candidate.bad[*i])).collect();
    let share = bad.len() as f64 / (bad.len() as f64 + AS_MUCH_AS_PLANTED);
    let known = auroc(&good, &known).unwrap_or(0.0);
    (1.0 - share) * candidate.auroc.mean() + share * known
}

/// How far a member moves the sum: its weight times the deviation of its z over good parts and planted anomalies, or known bad
/// parts if they move it further. Of what lies far out on anomalies a small weight says much.
fn influence(candidates: &[Candidate], member: &Chosen, bad: &[usize]) -> f64 {
    let candidate = &candidates[member.candidate];
    let scores = scale(candidate);
    let deviation = |anomalous: Vec<f64>| {
        let all: Array1<f64> = scores.good.iter().copied().chain(anomalous).collect();
        if all.is_empty() { 0.0 } else { all.std(0.0) }
    };
    let planted = deviation(scores.planted.iter().map(|(_, z)| *z).collect());
    let moved = match bad.is_empty() {
        true => planted,
        false => planted.max(deviation(known(candidate, bad))),
    };
    f64::from(member.weight) * moved
}

/// The largest weight first and 1, all in hundredths.
fn rounded(mut fitted: Vec<Chosen>) -> Vec<Chosen> {
    fitted.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let largest = fitted.first().map_or(1.0, |first| first.weight);
    for member in &mut fitted {
        member.weight = (100.0 * member.weight / largest).round() / 100.0;
    }
    fitted
}

/// Finds out what the others reach without each.
pub fn ablate(candidates: &[Candidate], chosen: &mut [Chosen], bad: &[usize]) {
    let all: Vec<usize> = chosen.iter().map(|member| member.candidate).collect();
    for member in chosen {
        let others = all.iter().filter(|other| **other != member.candidate);
        let others: Vec<usize> = others.copied().collect();
        if !others.is_empty() {
            let others = weighted(candidates, &others, bad);
            member.without = Some(reached(candidates, &others, bad));
        }
    }
}

/// The members with the weights at which their sum ranks best.
fn weighted(candidates: &[Candidate], members: &[usize], bad: &[usize]) -> Vec<Chosen> {
    let columns: Vec<Scores> = members.iter().map(|i| scale(&candidates[*i])).collect();
    let right = table(columns.iter().map(|scores| scores.good.clone()));
    let planted = Kind::ANOMALOUS.map(|kind| table(columns.iter().map(|scores| scores.of(kind))));
    let known = table(members.iter().map(|i| known(&candidates[*i], bad)));
    let mut contrasts: Vec<Contrast<'_>> = planted
        .iter()
        .filter(|wrong| wrong.nrows() > 0)
        .map(|wrong| Contrast {
            right: right.view(),
            wrong: wrong.view(),
            weight: 1.0,
        })
        .collect();
    if !bad.is_empty() {
        contrasts.push(Contrast {
            right: right.view(),
            wrong: known.view(),
            weight: contrasts.len().max(1) as f64 * bad.len() as f64 / AS_MUCH_AS_PLANTED,
        });
    }
    let found = weights(&contrasts, members.len());
    let pairs = members.iter().zip(found);
    pairs
        .map(|(candidate, weight)| Chosen::with(*candidate, weight as f32))
        .collect()
}

/// A candidate's scores as z, none further out than [`FAR`].
fn scale(candidate: &Candidate) -> Scores {
    Scores {
        good: candidate.good.iter().map(|s| z(candidate, *s)).collect(),
        planted: candidate
            .planted
            .iter()
            .map(|(kind, score)| (*kind, z(candidate, *score)))
            .collect(),
    }
}

/// The same of known bad parts.
fn known(candidate: &Candidate, bad: &[usize]) -> Vec<f64> {
    bad.iter()
        .map(|i| z(candidate, candidate.bad[*i]))
        .collect()
}

fn z(candidate: &Candidate, score: f32) -> f64 {
    f64::from(candidate.z.apply(score).clamp(-FAR, FAR))
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

/// What the sum of the members reaches on planted anomalies, and on the known bad parts `bad`.
pub fn reached(candidates: &[Candidate], members: &[Chosen], bad: &[usize]) -> Reached {
    let first = members.first().map(|member| &candidates[member.candidate]);
    let (good, planted) = first.map_or((0, &[][..]), |c| (c.good.len(), &c.planted[..]));
    let scores = Scores {
        good: (0..good)
            .map(|part| fused(candidates, members, &|c| c.good[part]).into())
            .collect(),
        planted: (0..planted.len())
            .map(|p| {
                let sum = fused(candidates, members, &|c| c.planted[p].1);
                (planted[p].0, sum.into())
            })
            .collect(),
    };
    let known = bad
        .iter()
        .map(|part| fused(candidates, members, &|c| c.bad[*part]).into());
    Reached {
        planted: PlantedAuroc::of(&scores),
        bad: auroc(&scores.good, &known.collect::<Vec<f64>>()),
    }
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
            bad: Vec::new(),
        }
    }

    /// The same, with one known bad part at each of these scores.
    fn knowing(bad: &[f32], candidate: Candidate) -> Candidate {
        Candidate {
            bad: bad.to_vec(),
            ..candidate
        }
    }

    #[test]
    fn two_that_see_one_kind_each_both_speak() {
        let candidates = [
            candidate(&LayoutWay, 1, 0.9, 0.0),
            candidate(&PatchWay { view: View::Whole }, 7, 0.0, 0.6),
        ];
        let mut chosen = choose(&candidates, &[]);
        ablate(&candidates, &mut chosen, &[]);
        assert_eq!(chosen.len(), 2);
        assert!(chosen.iter().any(|c| c.weight == 1.0) && chosen.iter().all(|c| c.weight > 0.3));
        let together = reached(&candidates, &chosen, &[]).planted;
        for alone in &chosen {
            let without = alone.without.unwrap().planted;
            assert!(together.mean() > without.mean() + 0.05, "{chosen:?}");
        }
    }

    #[test]
    fn a_branch_that_sees_nothing_has_no_influence() {
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
        let mut chosen = choose(&candidates, &[]);
        ablate(&candidates, &mut chosen, &[]);
        assert_eq!((chosen.len(), chosen[0].candidate), (1, 0));
        assert!(chosen[0].without.is_none());
    }

    /// Its weight is small only because its scores are large.
    #[test]
    fn what_lies_far_out_speaks_with_a_small_weight() {
        let mut far = candidate(&InventoryWay, 1, 0.9, 0.0);
        far.z.std /= 20.0;
        let chosen = choose(
            &[far, candidate(&PatchWay { view: View::Whole }, 7, 0.0, 0.6)],
            &[],
        );
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
        assert_eq!(choose(&candidates, &[]).len(), 2);
    }

    /// What no planted anomaly resembles is seen by a branch that planted anomalies leave out.
    #[test]
    fn known_bad_parts_bring_in_the_branch_that_sees_them() {
        let (seen, unseen) = ([1.9; 10], [0.4; 10]);
        let candidates = [
            knowing(&unseen, candidate(&LayoutWay, 1, 0.9, 0.9)),
            knowing(&seen, candidate(&PooledWay, 7, 0.0, 0.0)),
        ];
        let of = |bad: &[usize]| -> Vec<usize> {
            let chosen = choose(&candidates, bad);
            chosen.iter().map(|chosen| chosen.candidate).collect()
        };
        assert_eq!(of(&[]), [0]);
        let mut both = of(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        both.sort_unstable();
        assert_eq!(both, [0, 1]);
    }

    /// Ten count as much as planted anomalies, so a way that is better on them by more wins.
    #[test]
    fn known_bad_parts_choose_among_ways_by_their_number() {
        let way = |reach| -> Way {
            match reach {
                0 => &PositionWay {
                    reach: 0,
                    view: View::Whole,
                },
                _ => &PositionWay {
                    reach: 1,
                    view: View::Whole,
                },
            }
        };
        let candidates = [
            knowing(&[0.5; 10], candidate(way(0), 1, 0.6, 0.6)),
            knowing(&[1.5; 10], candidate(way(1), 1, 0.5, 0.5)),
        ];
        let ten: Vec<usize> = (0..10).collect();
        assert_eq!(best_of_each(&candidates, &[]), [0]);
        assert_eq!(best_of_each(&candidates, &ten), [1]);
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
        let chosen = choose(&candidates, &[]);
        assert_eq!((chosen.len(), chosen[0].candidate), (1, 1));
        assert!(choose(&[], &[]).is_empty());
    }
}
