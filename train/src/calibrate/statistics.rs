//! All statistics of good parts in one place, each fitted on images that the threshold will never see.

use aecsad_inspect::branches::shared::aligned_part::{probabilities_through_pose, vectors};
use aecsad_inspect::branches::shared::low_rank::{GRID, LowRank, STACKED, stack};
use aecsad_inspect::branches::shared::registration::{Pose, Registration};
use aecsad_inspect::branches::statistics::Statistics;
use aecsad_inspect::network::{Features, Percept};
use ndarray::{Array2, Array3, ArrayView2};
use rayon::prelude::*;

use super::registration;
use super::way::Way;
use crate::estimators::low_rank;
use crate::networks::Directions;

/// Directions kept of the stacked features; fewer where there are few images to learn their spread from.
const RANK: usize = 40;
const SMALL_RANK: usize = 24;
const SMALL: usize = 40;

/// What good parts look like to the networks.
pub struct GoodParts<'a> {
    pub train: &'a [Percept],
    /// Indices into `train` whose labels were reliable (D_L); all where nothing was labelled.
    pub labelled: &'a [usize],
    /// Held-out good parts; only consulted on whether registration is worth it.
    pub held_out: &'a [Percept],
    /// Background included; none where the product has no components.
    pub classes: Option<usize>,
    pub seed: u64,
    /// Onto which what the parts show is projected; none where it isn't.
    pub directions: Option<&'a Directions>,
    /// What was fitted on the same parts as other networks see them, and should differ by no more than those do.
    pub before: Option<&'a Statistics>,
    /// Indices into `train` of parts that are good however far off they lie: someone vouches for them.
    pub vouched: &'a [usize],
}

/// Good parts, registered and projected: fits each branch.
pub struct Fitter<'a> {
    good: &'a GoodParts<'a>,
    registration: Option<Registration>,
    pub registration_why: String,
    low_rank: LowRank,
    vectors: Vec<Array2<f32>>,
    poses: Vec<Pose>,
    segmented: Vec<Array3<f32>>,
}

impl<'a> Fitter<'a> {
    pub fn new(good: &'a GoodParts<'a>) -> Self {
        let features = |parts: &'a [Percept]| -> Vec<&'a Features> {
            parts.iter().map(|part| &part.features).collect()
        };
        let (train, held_out) = (features(good.train), features(good.held_out));
        let outcome = registration::fit(&train, &held_out);
        let poses: Vec<Pose> = match &outcome.registration {
            Some(registration) => train
                .par_iter()
                .map_init(
                    || registration.scratch(),
                    |scratch, f| registration.find(f.stride4.view(), scratch),
                )
                .collect(),
            None => vec![Pose::default(); train.len()],
        };
        let stacks = stacks(good.train, &poses);
        let rank = if train.len() < SMALL {
            SMALL_RANK
        } else {
            RANK
        };
        let low_rank = low_rank::fit(&stacks, rank);
        drop(stacks);
        let vectors = good
            .train
            .par_iter()
            .zip(&poses)
            .map(|(percept, pose)| vectors(percept, pose, &low_rank))
            .collect();
        let segmented = good
            .labelled
            .iter()
            .map(|&i| {
                let mut probabilities = Array3::zeros((0, 0, 0));
                probabilities_through_pose(&good.train[i], &poses[i], &mut probabilities);
                probabilities
            })
            .collect();
        Fitter {
            good,
            registration: outcome.registration,
            registration_why: outcome.why,
            low_rank,
            vectors,
            poses,
            segmented,
        }
    }

    /// No branch yet, only what all of them need.
    pub fn base(&self) -> Statistics {
        let directions = self.good.directions.cloned().unwrap_or_default();
        Statistics {
            registration: self.registration.clone(),
            low_rank: Some(self.low_rank.clone()),
            fine: directions.fine,
            residuals: directions.residuals,
            ..Default::default()
        }
    }

    /// A branch's statistics fitted in one way; none where the product has no components or no students for it.
    pub fn fit(&self, way: Way) -> Option<Statistics> {
        Some(self.base().with(way.fit(self)?))
    }

    pub fn good(&self) -> &GoodParts<'a> {
        self.good
    }

    /// The low-rank vectors of each part, registered: `[GRID², rank]` each.
    pub fn vectors(&self) -> Vec<ArrayView2<'_, f32>> {
        self.vectors.iter().map(|v| v.view()).collect()
    }

    /// Where each part lies.
    pub fn poses(&self) -> &[Pose] {
        &self.poses
    }

    /// The class probabilities of the parts of D_L, registered: `[classes, 64, 64]` each.
    pub fn segmented(&self) -> &[Array3<f32>] {
        &self.segmented
    }
}

/// The features of each part as its pose shows them, `[GRID², STACKED]` each.
fn stacks(parts: &[Percept], poses: &[Pose]) -> Vec<Array2<f32>> {
    parts
        .par_iter()
        .zip(poses)
        .map(|(percept, pose)| {
            let mut stacked = Array2::zeros((GRID * GRID, STACKED));
            stack(&percept.features, pose, &mut stacked);
            stacked
        })
        .collect()
}
