//! From what the networks saw to one raw score a branch, and the heat map. Holds the statistics of good parts.

use ndarray::{Array1, Array2, Array3};

use super::anomaly_map::top_mean;
use super::class_histogram::{length, shares};
use super::context::Context;
use super::error_scale::ErrorScale;
use super::heat::{HeatMap, Range};
use super::inventory::{self, Inventory};
use super::lgst::LgstScale;
use super::low_rank::{GRID, LowRank, STACKED, stack};
use super::patch_mixture::{self, PatchMixture};
use super::position_gaussian::PositionGaussian;
use super::reference::Reference;
use super::registration::{self, Bilinear, Pose, Registration};
use super::{Branch, layout, pooled};
use crate::network::{MAP_SIDE, Percept};

/// Share of a map's cells whose mean is its image score.
const TOP_SHARE: f32 = 0.01;

/// Class histograms and what good ones look like.
#[derive(Clone, Debug)]
pub struct HistogramModel {
    pub classes: usize,
    pub grid: usize,
    pub reference: Reference,
}

/// The mean normal layout, `[grid²·(classes − 1)]`.
#[derive(Clone, Debug)]
pub struct LayoutModel {
    pub classes: usize,
    pub grid: usize,
    pub mean: Array1<f32>,
}

/// The statistics of good parts; a branch without its statistics has no score.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    pub registration: Option<Registration>,
    /// What position and context compare; none in a bundle without these branches.
    pub low_rank: Option<LowRank>,
    pub position: Option<PositionGaussian>,
    pub patch: Option<PatchMixture>,
    pub pooled: Option<Reference>,
    pub context: Option<Context>,
    pub histogram: Option<HistogramModel>,
    pub layout: Option<LayoutModel>,
    pub local: Option<ErrorScale>,
    pub global: Option<ErrorScale>,
    pub lgst: Option<LgstScale>,
    pub inventory: Option<Inventory>,
    /// How each map-making branch enters the heat map.
    pub ranges: Vec<(Branch, Range)>,
}

impl Statistics {
    /// Whether `branch` has a score.
    pub fn has(&self, branch: Branch) -> bool {
        match branch {
            Branch::Histogram => self.histogram.is_some(),
            Branch::Layout => self.layout.is_some(),
            Branch::Local => self.local.is_some(),
            Branch::Global => self.global.is_some(),
            Branch::Position => self.position.is_some(),
            Branch::Patch => self.patch.is_some(),
            Branch::Pooled => self.pooled.is_some(),
            Branch::Context => self.context.is_some(),
            Branch::Lgst => self.lgst.is_some(),
            Branch::Inventory => self.inventory.is_some(),
        }
    }
}

/// How strange each place of the latest frame is to one branch.
pub struct Map<'a> {
    /// `[side²]`, row by row.
    pub values: &'a [f32],
    pub side: usize,
    /// How the map lies on the frame: that of the part, or the default where the branch reads the frame as it is.
    pub pose: Pose,
}

/// One raw score a branch, in the order of [`Branch::ALL`].
pub type RawScores = [Option<f32>; Branch::ALL.len()];

/// Statistics and the buffers that a frame needs.
pub struct Scorer {
    statistics: Statistics,
    registration: Option<registration::Scratch>,
    stacked: Array2<f32>,
    /// The stack of the frame as it is, for patches of a part that was moved: resampling smooths, and more or less with each
    /// pose.
    unmoved: Array2<f32>,
    vectors: Array2<f32>,
    patches: Option<patch_mixture::Scratch>,
    position_map: Vec<f32>,
    patch_map: Vec<f32>,
    rebuilt: Array2<f32>,
    context_map: Vec<f32>,
    local_map: Vec<f32>,
    global_map: Vec<f32>,
    lgst_map: Vec<f32>,
    probabilities: Array3<f32>,
    shares: Vec<f32>,
    inventory: Option<inventory::Scratch>,
    pooled: Array1<f32>,
    sorted: Vec<f32>,
    heat: HeatMap,
    pose: Pose,
}

impl Scorer {
    pub fn new(statistics: Statistics) -> Self {
        let cells = GRID * GRID;
        let rank = statistics.low_rank.as_ref().map_or(0, LowRank::rank);
        Scorer {
            registration: statistics.registration.as_ref().map(Registration::scratch),
            stacked: Array2::zeros((cells, STACKED)),
            unmoved: Array2::zeros((cells, STACKED)),
            vectors: Array2::zeros((cells, rank)),
            patches: statistics.patch.as_ref().map(PatchMixture::scratch),
            position_map: vec![0.0; cells],
            patch_map: vec![0.0; cells],
            rebuilt: Array2::zeros((cells, rank)),
            context_map: vec![0.0; cells],
            local_map: vec![0.0; MAP_SIDE * MAP_SIDE],
            global_map: vec![0.0; MAP_SIDE * MAP_SIDE],
            lgst_map: vec![0.0; MAP_SIDE * MAP_SIDE],
            probabilities: Array3::zeros((0, MAP_SIDE, MAP_SIDE)),
            shares: Vec::new(),
            inventory: statistics
                .inventory
                .as_ref()
                .map(|_| inventory::Scratch::default()),
            pooled: Array1::zeros(pooled::LENGTH),
            sorted: Vec::with_capacity(MAP_SIDE * MAP_SIDE),
            heat: HeatMap::new(),
            pose: Pose::default(),
            statistics,
        }
    }

    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// For training, which fits one statistic on what the others make of good parts.
    pub fn into_statistics(self) -> Statistics {
        self.statistics
    }

    pub fn score(&mut self, percept: &Percept) -> RawScores {
        let mut raw: RawScores = [None; Branch::ALL.len()];
        self.register(percept);
        let s = &self.statistics;
        let compares_places = s.position.is_some() || s.context.is_some();
        if let Some(low_rank) = &s.low_rank
            && compares_places
        {
            stack(&percept.features, &self.pose, &mut self.stacked);
            low_rank.project(&self.stacked, &mut self.vectors);
        }
        if let Some(position) = &s.position {
            position.map(&self.vectors, &mut self.position_map);
            raw[Branch::Position as usize] = Some(top_mean(
                &self.position_map,
                GRID,
                TOP_SHARE,
                &mut self.sorted,
            ));
        }
        if let (Some(patch), Some(scratch)) = (&s.patch, &mut self.patches) {
            let stacked = if compares_places && self.pose == Pose::default() {
                &self.stacked
            } else {
                stack(&percept.features, &Pose::default(), &mut self.unmoved);
                &self.unmoved
            };
            patch.map(stacked, scratch, &mut self.patch_map);
            raw[Branch::Patch as usize] =
                Some(top_mean(&self.patch_map, GRID, TOP_SHARE, &mut self.sorted));
        }
        if let Some(context) = &s.context {
            context.map(&self.vectors, &mut self.rebuilt, &mut self.context_map);
            raw[Branch::Context as usize] = Some(top_mean(
                &self.context_map,
                GRID,
                TOP_SHARE,
                &mut self.sorted,
            ));
        }
        if let Some(reference) = &s.pooled {
            pooled::extremes(&percept.features, &mut self.pooled);
            raw[Branch::Pooled as usize] = Some(reference.distance(self.pooled.view()));
        }
        for (branch, scale, source, map) in [
            (Branch::Local, &s.local, &percept.local, &mut self.local_map),
            (
                Branch::Global,
                &s.global,
                &percept.global,
                &mut self.global_map,
            ),
        ] {
            if let Some(scale) = scale {
                through_pose(source, &self.pose, map);
                scale.apply(map);
                raw[branch as usize] = Some(top_mean(map, MAP_SIDE, TOP_SHARE, &mut self.sorted));
            }
        }
        if let Some(scale) = &s.lgst {
            let score = scale.apply(&percept.local, &percept.global, &mut self.lgst_map);
            raw[Branch::Lgst as usize] = Some(score);
        }
        if s.histogram.is_some() || s.layout.is_some() {
            probabilities_through_pose(percept, &self.pose, &mut self.probabilities);
        }
        if let Some(model) = &s.histogram {
            let vector = histogram(self.probabilities.view(), model.grid, &mut self.shares);
            let vector = ndarray::ArrayView1::from(vector);
            raw[Branch::Histogram as usize] = Some(model.reference.distance(vector));
        }
        if let Some(model) = &s.layout {
            let vector = histogram(self.probabilities.view(), model.grid, &mut self.shares);
            let kept = model.classes.saturating_sub(1);
            let cells = ndarray::ArrayView1::from(&vector[kept..]);
            raw[Branch::Layout as usize] = Some(layout::deviation(cells, &model.mean, kept));
        }
        if let (Some(inventory), Some(scratch)) = (&s.inventory, &mut self.inventory) {
            let amiss = inventory.amiss(percept.probabilities.view(), scratch);
            raw[Branch::Inventory as usize] = Some(amiss);
        }
        raw
    }

    /// The map of a branch for the latest frame. None for branches that have no map, or no statistics.
    pub fn map(&self, branch: Branch) -> Option<Map<'_>> {
        let (pose, unmoved) = (self.pose, Pose::default());
        let (values, side, pose) = match branch {
            Branch::Position => (&self.position_map, GRID, pose),
            Branch::Patch => (&self.patch_map, GRID, unmoved),
            Branch::Context => (&self.context_map, GRID, pose),
            Branch::Local => (&self.local_map, MAP_SIDE, pose),
            Branch::Global => (&self.global_map, MAP_SIDE, pose),
            Branch::Lgst => (&self.lgst_map, MAP_SIDE, pose),
            Branch::Histogram | Branch::Layout | Branch::Pooled | Branch::Inventory => return None,
        };
        self.statistics
            .has(branch)
            .then_some(Map { values, side, pose })
    }

    /// Where the part of the latest frame lies.
    pub fn pose(&self) -> Pose {
        self.pose
    }

    /// What is strange where, in the frame's coordinates: the sum of the maps, each from 0 (as on good parts) up, and the
    /// pieces that are amiss. `percept` is the latest frame's.
    pub fn heat(&mut self, percept: &Percept) -> &HeatMap {
        let mut heat = std::mem::take(&mut self.heat);
        heat.clear();
        for (branch, range) in &self.statistics.ranges {
            if let Some(map) = self.map(*branch) {
                heat.add(map.values, map.side, *range, &map.pose);
            }
        }
        if let (Some(inventory), Some(scratch)) = (&self.statistics.inventory, &mut self.inventory)
        {
            inventory.mark(percept.probabilities.view(), scratch, &mut heat.values);
        }
        self.heat = heat;
        &self.heat
    }

    /// Parts that are too many or too few in the latest frame.
    pub fn unusual_counts(&self) -> inventory::Counts {
        match (&self.statistics.inventory, &self.inventory) {
            (Some(inventory), Some(scratch)) => inventory.unusual(scratch).collect(),
            _ => inventory::Counts::new(),
        }
    }

    fn register(&mut self, percept: &Percept) {
        self.pose = match (&self.statistics.registration, &mut self.registration) {
            (Some(registration), Some(scratch)) => {
                registration.find(percept.features.stride4.view(), scratch)
            }
            _ => Pose::default(),
        };
    }
}

/// The registered vectors that [`Scorer::score`] would compare, for fitting: `[GRID², rank]`.
pub fn vectors(percept: &Percept, pose: &Pose, low_rank: &LowRank) -> Array2<f32> {
    let mut stacked = Array2::zeros((GRID * GRID, STACKED));
    stack(&percept.features, pose, &mut stacked);
    let mut vectors = Array2::zeros((GRID * GRID, low_rank.rank()));
    low_rank.project(&stacked, &mut vectors);
    vectors
}

/// A 64×64 map as it would look if the part lay as the template does.
pub fn through_pose(source: &[f32], pose: &Pose, out: &mut [f32]) {
    if *pose == Pose::default() {
        out.copy_from_slice(source);
        return;
    }
    let centre = |i: usize| (i as f32 + 0.5) / MAP_SIDE as f32;
    for (cell, value) in out.iter_mut().enumerate() {
        let (x, y) = pose.to_frame(centre(cell % MAP_SIDE), centre(cell / MAP_SIDE));
        *value = Bilinear::new(x, y, MAP_SIDE).sample(source);
    }
}

/// The class probabilities as they would be if the part lay as the template does; `out` is resized to their shape.
pub fn probabilities_through_pose(percept: &Percept, pose: &Pose, out: &mut Array3<f32>) {
    let source = &percept.probabilities;
    if out.raw_dim() != source.raw_dim() {
        *out = Array3::zeros(source.raw_dim());
    }
    for (from, mut to) in source.outer_iter().zip(out.outer_iter_mut()) {
        if let (Some(from), Some(to)) = (from.as_slice(), to.as_slice_mut()) {
            through_pose(from, pose, to);
        }
    }
}

/// The class histogram of a part: root shares over the whole and a grid. `vector` is the buffer that the result stands in.
pub fn histogram<'a>(
    probabilities: ndarray::ArrayView3<'_, f32>,
    grid: usize,
    vector: &'a mut Vec<f32>,
) -> &'a [f32] {
    vector.resize(length(probabilities.dim().0, grid), 0.0);
    shares(probabilities, grid, vector);
    vector
}

/// `[channels, 64, 64]` of zeros, for a template in the making.
pub fn empty_template(channels: usize) -> Array3<f32> {
    Array3::zeros((channels, registration::SIDE, registration::SIDE))
}
