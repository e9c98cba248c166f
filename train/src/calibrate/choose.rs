//! Which branches have a say, and with which weight: greedily, by planted anomalies.

use super::decide::{Candidate, PlantedAuroc};
use super::gain::{Scores, standard_error};

/// A further branch must raise the mean AUROC on planted anomalies by this much to have a say, and by more than the
/// standard error of the gain: among so many candidates some gain a little by chance.
pub const WORTHWHILE: f64 = 0.002;
/// A branch whose error (1 − AUROC), of both kinds or of one alone, is at most this many times the best one's, and clearly
/// below a coin's, may join even if it adds to the fused error `NEXT_TO_NOTHING` and this share of it.
const NEARLY_AS_GOOD: f64 = 1.5;
const NEXT_TO_NOTHING: f64 = 0.002;
const NEXT_TO_NOTHING_SHARE: f64 = 0.1;
const MAX_ERROR: f64 = 0.25;
/// What a further branch may cost the AUROC of either kind: both kinds are promised, and one is not sold for the other.
const COST_TO_A_KIND: f64 = 0.02;
/// A branch that is good at one kind only may help as a whisper and hurt as a voice.
const WEIGHTS: [f32; 3] = [1.0, 0.5, 0.25];

/// A candidate that has a say.
#[derive(Clone, Copy, Debug)]
pub struct Chosen {
    pub candidate: usize,
    pub weight: f32,
    /// What the sum reaches with it.
    pub auroc: PlantedAuroc,
}

/// The best branch alone, then whichever raises the fused AUROC most, at the weight at which it does, while it is worth
/// it. A branch nearly as good as the best joins as well if it costs next to nothing: its errors are others, and the sum
/// is steadier on defects that nobody planted. Planted damage is easily seen, so this is also how a branch that sees nothing
/// but damage joins others that see all of it already.
pub fn choose(candidates: &[Candidate]) -> Vec<Chosen> {
    let mut chosen: Vec<Chosen> = Vec::new();
    loop {
        let before = scores(candidates, &chosen);
        let worth_it = |added: &Chosen| {
            let (Some(best), Some(last)) = (chosen.first(), chosen.last()) else {
                return added.weight == 1.0;
            };
            let gain = added.auroc.mean() - last.auroc.mean();
            let kept = |before: Option<f64>, after: Option<f64>| {
                before
                    .zip(after)
                    .is_none_or(|(b, a)| a >= b - COST_TO_A_KIND)
            };
            let nearly_as_good = nearly_as_good(
                candidates[added.candidate].auroc,
                candidates[best.candidate].auroc,
                added.weight,
            );
            let needed = match nearly_as_good {
                true => -NEXT_TO_NOTHING - NEXT_TO_NOTHING_SHARE * (1.0 - last.auroc.mean()),
                false => {
                    let mut members = chosen.clone();
                    members.push(*added);
                    let after = scores(candidates, &members);
                    WORTHWHILE.max(standard_error(&before, &after))
                }
            };
            gain >= needed
                && kept(last.auroc.logical, added.auroc.logical)
                && kept(last.auroc.structural, added.auroc.structural)
        };
        let next = (0..candidates.len())
            .filter(|i| !chosen.iter().any(|c| c.candidate == *i))
            .flat_map(|i| WEIGHTS.map(|weight| (i, weight)))
            .map(|(candidate, weight)| {
                let mut members = chosen.clone();
                members.push(Chosen {
                    candidate,
                    weight,
                    auroc: PlantedAuroc::default(),
                });
                Chosen {
                    candidate,
                    weight,
                    auroc: reached(candidates, &members),
                }
            })
            .filter(worth_it)
            // The first of equals: the larger weight.
            .reduce(|a, b| match b.auroc.mean() > a.auroc.mean() {
                true => b,
                false => a,
            });
        match next {
            Some(added) => chosen.push(added),
            None => return chosen,
        }
    }
}

/// One that sees both kinds does so at full weight or not at all.
fn nearly_as_good(branch: PlantedAuroc, best: PlantedAuroc, weight: f32) -> bool {
    let close = |auroc: f64, best: f64| {
        let error = 1.0 - auroc;
        error <= NEARLY_AS_GOOD * (1.0 - best) && error < MAX_ERROR
    };
    let kinds = [
        branch.logical.zip(best.logical),
        branch.structural.zip(best.structural),
    ];
    (weight == 1.0 && close(branch.mean(), best.mean()))
        || kinds.into_iter().flatten().any(|(a, b)| close(a, b))
}

/// What the sum of the members reaches on planted anomalies.
pub fn reached(candidates: &[Candidate], members: &[Chosen]) -> PlantedAuroc {
    let Scores { good, planted } = scores(candidates, members);
    PlantedAuroc::of(&good, &planted)
}

/// The members' sum on all parts; nothing without members.
fn scores(candidates: &[Candidate], members: &[Chosen]) -> Scores {
    let first = members.first().map(|member| &candidates[member.candidate]);
    let (good, planted) = first.map_or((0, &[][..]), |c| (c.good.len(), &c.planted[..]));
    Scores {
        good: (0..good)
            .map(|part| fused(candidates, members, &|c| c.good[part]).into())
            .collect(),
        planted: (0..planted.len())
            .map(|p| {
                let sum = fused(candidates, members, &|c| c.planted[p].1);
                (planted[p].0, sum.into())
            })
            .collect(),
    }
}

/// The weighted sum of the members' z, as [`aecsad::score::decision::Decision`] makes it of `score`.
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
    use aecsad::score::scorer::Statistics;
    use aecsad::score::trimmed_z::TrimmedZ;

    use super::super::way::Way;
    use super::*;
    use crate::evaluate::Kind;

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
        let wide = |scores: &[f32]| scores.iter().map(|s| f64::from(*s)).collect::<Vec<_>>();
        let kinds: Vec<(Kind, f64)> = planted.iter().map(|(k, s)| (*k, f64::from(*s))).collect();
        Candidate {
            way,
            auroc: PlantedAuroc::of(&wide(&good), &kinds),
            z: TrimmedZ::fit(&good),
            statistics: Statistics::default(),
            good,
            planted,
        }
    }

    #[test]
    fn one_kind_is_not_sold_for_the_other() {
        let candidates = [
            candidate(Way::Layout, 1, 0.9, 0.0),
            candidate(Way::Patch, 7, 0.0, 0.6),
        ];
        let chosen = choose(&candidates);
        assert_eq!((chosen[0].candidate, chosen[0].weight), (0, 1.0));
        let alone = chosen[0].auroc;
        let last = chosen[chosen.len() - 1].auroc;
        assert!(
            last.logical.unwrap() >= alone.logical.unwrap() - COST_TO_A_KIND * chosen.len() as f64
        );
        assert!(
            last.structural.unwrap() > alone.structural.unwrap() + 0.05,
            "{chosen:?}"
        );
        assert!(chosen[1].weight < 1.0, "{chosen:?}");
    }

    #[test]
    fn a_branch_that_sees_nothing_has_no_say() {
        let candidates = [
            candidate(Way::Position(0), 1, 0.8, 0.8),
            candidate(Way::Pooled, 7, 0.0, 0.0),
        ];
        assert_eq!(choose(&candidates).len(), 1);
    }

    #[test]
    fn one_as_good_at_damage_alone_joins_and_a_worse_one_does_not() {
        let best = || candidate(Way::Position(0), 1, 1.5, 1.5);
        let with = |structural| choose(&[best(), candidate(Way::Patch, 7, 0.0, structural)]);
        assert_eq!(with(1.5).len(), 2);
        assert_eq!(with(0.4).len(), 1);
    }

    #[test]
    fn one_nearly_as_good_joins() {
        let candidates = [
            candidate(Way::Position(0), 1, 0.8, 0.8),
            candidate(Way::Patch, 7, 0.78, 0.78),
        ];
        assert_eq!(choose(&candidates).len(), 2);
    }
}
