//! From what the networks saw of a part to one raw score a branch, and the heat map.

use super::inventory::Counts;
use super::shared::aligned_part::Aligner;
use super::shared::heat::{HeatMap, Range};
use super::shared::map::AnomalyMap;
use super::shared::registration::Pose;
use super::statistics::{FineStatistics, Statistics};
use super::{Branch, BranchModel};
use crate::network::{Percept, ResidualDirections};

/// One raw score a branch, in the order of [`Branch::ALL`].
pub type RawScores = [Option<f32>; Branch::ALL.len()];

/// Statistics and the buffers that a part needs.
pub struct Scorer {
    aligner: Aligner,
    models: Vec<Box<dyn BranchModel>>,
    ranges: Vec<(Branch, Range)>,
    heat: HeatMap,
    fine: Option<FineStatistics>,
    residuals: Option<ResidualDirections>,
}

impl Scorer {
    pub fn new(statistics: Statistics) -> Self {
        let fine = statistics.fine.as_ref();
        Scorer {
            heat: fine.map_or_else(HeatMap::new, |fine| HeatMap::of_view(fine.cells)),
            aligner: Aligner::new(statistics.registration, statistics.low_rank),
            models: statistics.models,
            ranges: statistics.ranges,
            fine: statistics.fine,
            residuals: statistics.residuals,
        }
    }

    /// For training, which fits one statistic on what the others make of good parts.
    pub fn into_statistics(self) -> Statistics {
        let (registration, low_rank) = self.aligner.into_parts();
        Statistics {
            registration,
            low_rank,
            fine: self.fine,
            residuals: self.residuals,
            models: self.models,
            ranges: self.ranges,
        }
    }

    pub fn score(&mut self, percept: &Percept) -> RawScores {
        let mut raw: RawScores = [None; Branch::ALL.len()];
        let mut part = self.aligner.align(percept);
        for model in &mut self.models {
            raw[model.branch() as usize] = Some(model.score(&mut part));
        }
        raw
    }

    /// The map of a branch for the latest part. None for branches that have no map, or no model.
    pub fn map(&self, branch: Branch) -> Option<AnomalyMap<'_>> {
        let model = self.models.iter().find(|model| model.branch() == branch)?;
        model.map()
    }

    /// Where the latest part lies.
    pub fn pose(&self) -> Pose {
        self.aligner.pose()
    }

    /// The anomaly map of the part in the frame's coordinates: the sum of the maps, each from 0 (as on good parts) up, and the
    /// pieces that are wrong. `percept` is the latest part's.
    pub fn heat(&mut self, percept: &Percept) -> &mut HeatMap {
        self.heat.clear();
        for (branch, range) in &self.ranges {
            let mut models = self.models.iter();
            let model = models.find(|model| model.branch() == *branch);
            if let Some(map) = model.and_then(|model| model.map()) {
                self.heat.add(&map, *range);
            }
        }
        for model in &mut self.models {
            self.heat.add_marks(|marks| model.mark(percept, marks));
        }
        &mut self.heat
    }

    /// Parts that are too many or too few in the latest frame.
    pub fn unusual_counts(&self) -> Counts {
        let counts = self.models.iter().map(|model| model.unusual_counts());
        counts.flatten().take(Counts::new().capacity()).collect()
    }
}
