//! All statistics of good parts in one place, each fitted on images that the threshold will never see.

use aecsad_inspect::network::{Features, Percept};
use aecsad_inspect::score::error_scale::ErrorScale;
use aecsad_inspect::score::low_rank::{GRID, LowRank, STACKED, stack};
use aecsad_inspect::score::pooled;
use aecsad_inspect::score::reference::Reference;
use aecsad_inspect::score::registration::{Pose, Registration};
use aecsad_inspect::score::scorer::{
    Statistics, probabilities_through_pose, through_pose, vectors,
};
use ndarray::{Array1, Array2, Array3, ArrayView2};
use rayon::prelude::*;

use super::histogram::View;
use super::way::Way;
use super::{
    context, histogram, inventory, low_rank, patch, position, registration, shrinkage,
    student_error,
};

/// Directions kept of the stacked features; fewer where there are few images to learn their spread from.
const RANK: usize = 40;
const SMALL_RANK: usize = 24;
const SMALL: usize = 40;
/// Added to each position's covariance, in mean variances.
const RIDGE: f32 = 0.05;

/// What good parts look like to the networks.
pub struct Good<'a> {
    pub train: &'a [Percept],
    /// Indices into `train` whose labels were reliable (D_L); all where nothing was labelled.
    pub labelled: &'a [usize],
    /// Good parts that trained nothing; only consulted on whether registration is worth it.
    pub held_out: &'a [Percept],
    /// Background included; none where the product has no components.
    pub classes: Option<usize>,
    pub students: bool,
    pub seed: u64,
    /// What was fitted on the same parts as other networks see them, and should differ by no more than those do.
    pub before: Option<&'a Statistics>,
    /// Take what lies far off all others for good too.
    pub keep_outliers: bool,
}

/// Good parts, registered and projected: fits each branch.
pub struct Fitter<'a> {
    good: &'a Good<'a>,
    registration: Option<Registration>,
    pub registration_why: String,
    low_rank: LowRank,
    vectors: Vec<Array2<f32>>,
    poses: Vec<Pose>,
    segmented: Vec<Array3<f32>>,
}

impl<'a> Fitter<'a> {
    pub fn new(good: &'a Good<'a>) -> Self {
        let train: Vec<Features> = good.train.iter().map(|p| p.features.clone()).collect();
        let held_out: Vec<Features> = good.held_out.iter().map(|p| p.features.clone()).collect();
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

    pub fn keeps_outliers(&self) -> bool {
        self.good.keep_outliers
    }

    /// No branch yet, only what all of them need.
    pub fn base(&self) -> Statistics {
        Statistics {
            registration: self.registration.clone(),
            low_rank: Some(self.low_rank.clone()),
            ..Default::default()
        }
    }

    /// A branch's statistics fitted in one way; none where the product has no components or no students for it.
    pub fn fit(&self, way: Way) -> Option<Statistics> {
        match way {
            Way::Histogram(view) => self.histogram(view),
            Way::Layout => self.layout(),
            Way::Local => self.local(),
            Way::Global => self.global(),
            Way::Position(reach) => Some(self.position(reach)),
            Way::Patch => self.patch(),
            Way::Pooled => Some(self.pooled()),
            Way::Context(codes) => Some(self.context(codes)),
            Way::Inventory => self.inventory(),
        }
    }

    fn position(&self, reach: usize) -> Statistics {
        let samples: Vec<ArrayView2<f32>> = self.vectors.iter().map(|v| v.view()).collect();
        Statistics {
            position: Some(position::fit(&samples, reach, RIDGE)),
            ..self.base()
        }
    }

    fn patch(&self) -> Option<Statistics> {
        let (parts, seed) = (self.good.train, self.good.seed);
        let patch = match self.good.before.and_then(|before| before.patch.as_ref()) {
            Some(before) => patch::fit_again(parts, seed, before)?,
            None => patch::fit(parts, seed)?,
        };
        Some(Statistics {
            patch: Some(patch),
            ..self.base()
        })
    }

    fn context(&self, codes: usize) -> Statistics {
        let samples: Vec<ArrayView2<f32>> = self.vectors.iter().map(|v| v.view()).collect();
        Statistics {
            context: Some(context::fit(&samples, codes)),
            ..self.base()
        }
    }

    fn pooled(&self) -> Statistics {
        let mut samples = Array2::zeros((self.good.train.len(), pooled::LENGTH));
        for (percept, mut row) in self.good.train.iter().zip(samples.rows_mut()) {
            let mut extremes = Array1::zeros(pooled::LENGTH);
            pooled::extremes(&percept.features, &mut extremes);
            row.assign(&extremes);
        }
        Statistics {
            pooled: Some(Reference::Gaussian(shrinkage::gaussian(&samples))),
            ..self.base()
        }
    }

    fn histogram(&self, view: View) -> Option<Statistics> {
        let classes = self.good.classes?;
        Some(Statistics {
            histogram: Some(histogram::fit(&self.segmented, classes, view)),
            ..self.base()
        })
    }

    /// All images count: where parts lie on each other labels are unreliable, and good all the same.
    fn inventory(&self) -> Option<Statistics> {
        let (parts, classes) = (self.good.train, self.good.classes?);
        let keep_outliers = self.good.keep_outliers;
        let inventory = match self
            .good
            .before
            .and_then(|before| before.inventory.as_ref())
        {
            Some(before) => inventory::fit_again(parts, before, keep_outliers)?,
            None => inventory::fit(parts, classes, keep_outliers)?,
        };
        Some(Statistics {
            inventory: Some(inventory),
            ..self.base()
        })
    }

    fn layout(&self) -> Option<Statistics> {
        let classes = self.good.classes?;
        Some(Statistics {
            layout: Some(histogram::fit_layout(
                &self.segmented,
                classes,
                histogram::GRID,
            )),
            ..self.base()
        })
    }

    fn local(&self) -> Option<Statistics> {
        let local = self.good.students.then(|| self.errors(|p| &p.local));
        local.map(|local| Statistics {
            local: Some(local),
            ..self.base()
        })
    }

    fn global(&self) -> Option<Statistics> {
        let global = self.good.students.then(|| self.errors(|p| &p.global));
        global.map(|global| Statistics {
            global: Some(global),
            ..self.base()
        })
    }

    fn errors(&self, map: impl Fn(&Percept) -> &Vec<f32>) -> ErrorScale {
        let maps: Vec<Vec<f32>> = self
            .good
            .train
            .iter()
            .zip(&self.poses)
            .map(|(percept, pose)| {
                let mut seen = vec![0.0; map(percept).len()];
                through_pose(map(percept), pose, &mut seen);
                seen
            })
            .collect();
        student_error::fit(&maps)
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
