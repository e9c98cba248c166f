//! What training parts score by branches that were fitted without them, in every way that a decision may weigh: so that
//! the thresholds of several decisions can rest on the same parts.

use std::io;

use aecsad_inspect::decision::outliers;
use aecsad_inspect::network::Percept;
use rayon::prelude::*;

use super::candidate::{Candidate, Parts, measure};
use super::choose::{Chosen, fused};
use super::known_bad::{good_sums, same};
use super::planted_parts::PlantedParts;
use super::statistics::Fitter;
use super::threshold::{FittedThreshold, Rule};
use super::way::Way;

/// The z of parts in several ways.
#[derive(Clone, Debug, Default)]
pub struct WayScores {
    /// `[parts]` each.
    ways: Vec<(Way, Vec<f32>)>,
}

impl WayScores {
    /// *Shapes*: the scores of each way are `[parts]`.
    pub fn new(ways: Vec<(Way, Vec<f32>)>) -> Self {
        WayScores { ways }
    }

    /// The parts' weighted sums of z. A way that is not known adds nothing.
    ///
    /// *Shapes*: the result is `[parts]`.
    pub fn sums(&self, branches: &[(Way, f32)]) -> Vec<f32> {
        let parts = self.ways.first().map_or(0, |(_, z)| z.len());
        let mut sums = vec![0.0; parts];
        for (way, weight) in branches {
            let known = self.ways.iter().find(|(known, _)| same(*known, *way));
            for (sum, z) in sums.iter_mut().zip(known.map_or(&[][..], |(_, z)| z)) {
                *sum += weight * z;
            }
        }
        sums
    }

    /// Takes what `part` has for parts `indices` of so many.
    pub fn insert(&mut self, part: &WayScores, indices: &[usize], parts: usize) {
        for (way, found) in &part.ways {
            let known = self.ways.iter().position(|(known, _)| same(*known, *way));
            let at = known.unwrap_or_else(|| {
                self.ways.push((*way, vec![0.0; parts]));
                self.ways.len() - 1
            });
            for (index, z) in indices.iter().zip(found) {
                self.ways[at].1[*index] = *z;
            }
        }
    }
}

/// Parts that were judged by branches that have not seen them.
pub struct JudgedApart {
    pub ways: WayScores,
    /// The weighted sums of z of the decision's branches, `[parts]`.
    pub sums: Vec<f32>,
    /// A sum above it lies far off those of all good validation parts.
    pub limit: f32,
}

/// Fits `branches`, and the ways in `more`, on the parts of `fitter`, and judges the parts `apart`.
///
/// # Errors
/// None where nothing is planted, as here: those of [`measure`].
pub fn judge_apart(
    branches: &[(Way, f32)],
    more: &[Way],
    fitter: &Fitter<'_>,
    validation: &[Percept],
    apart: &[Percept],
    rule: Rule<'_>,
) -> io::Result<JudgedApart> {
    let mut ways: Vec<Way> = branches.iter().map(|(way, _)| *way).collect();
    for way in more {
        if !ways.iter().any(|known| same(*known, *way)) {
            ways.push(*way);
        }
    }
    let nothing = PlantedParts::default();
    let parts = Parts {
        good: validation,
        planted: &nothing,
        bad: apart,
    };
    let candidates: Vec<Candidate> = ways
        .into_par_iter()
        .filter_map(|way| measure(way, fitter.fit(way)?, &parts).transpose())
        .collect::<io::Result<_>>()?;
    let chosen: Vec<Chosen> = branches
        .iter()
        .filter_map(|(way, weight)| {
            let candidate = candidates.iter().position(|c| same(c.way, *way))?;
            Some(Chosen::with(candidate, *weight))
        })
        .collect();
    let validated = FittedThreshold::of(good_sums(&candidates, &chosen), rule);
    let limit = outliers::limit(validated.calibration.scores(), outliers::FAR);
    let sums = (0..apart.len()).map(|part| fused(&candidates, &chosen, &|c| c.bad[part]));
    Ok(JudgedApart {
        limit: limit.unwrap_or(f32::INFINITY),
        sums: sums.collect(),
        ways: WayScores::new(
            candidates
                .iter()
                .map(|c| (c.way, c.bad.iter().map(|score| c.z.apply(*score)).collect()))
                .collect(),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::layout::LayoutWay;
    use super::super::pooled::PooledWay;
    use super::*;

    #[test]
    fn sums_are_weighted_and_parts_keep_their_places() {
        let fold = |layout: &[f32], pooled: &[f32]| {
            WayScores::new(vec![
                (&LayoutWay, layout.to_vec()),
                (&PooledWay, pooled.to_vec()),
            ])
        };
        let mut all = WayScores::default();
        all.insert(&fold(&[1.0, 3.0], &[10.0, 30.0]), &[0, 2], 3);
        all.insert(&fold(&[2.0], &[20.0]), &[1], 3);
        assert_eq!(
            all.sums(&[(&PooledWay, 1.0), (&LayoutWay, 0.5)]),
            [10.5, 21.0, 31.5]
        );
        assert_eq!(all.sums(&[(&LayoutWay, 2.0)]), [2.0, 4.0, 6.0]);
        assert!(WayScores::default().sums(&[(&LayoutWay, 2.0)]).is_empty());
    }
}
