//! One part as branches see it: where it lies, and what the networks saw of it as it would look if it lay as the
//! template does. Each is computed once a part, when a branch first needs it.

use ndarray::{Array2, Array3};

use super::low_rank::{GRID, LowRank, STACKED, stack};
use super::map::MapBuffer;
use super::registration::{self, Bilinear, Pose, Registration};
use crate::network::{FineMap, MAP_SIDE, Percept};

/// What aligns parts, with the buffers for it.
pub struct Aligner {
    registration: Option<Registration>,
    scratch: Option<registration::RegistrationScratch>,
    low_rank: Option<LowRank>,
    pose: Pose,
    stacked: Cached<Array2<f32>>,
    /// The stack of the frame as it is: resampling smooths, and more or less with each pose.
    unmoved: Cached<Array2<f32>>,
    vectors: Cached<Array2<f32>>,
    probabilities: Cached<Array3<f32>>,
    fine: Cached<Array2<f32>>,
}

/// A buffer, and whether it holds what belongs to the latest part.
struct Cached<T> {
    value: T,
    is_fresh: bool,
}

impl<T> Cached<T> {
    fn new(value: T) -> Self {
        Cached {
            value,
            is_fresh: false,
        }
    }

    /// Computes the value unless it is there.
    fn or_with(&mut self, compute: impl FnOnce(&mut T)) -> &T {
        if !self.is_fresh {
            compute(&mut self.value);
            self.is_fresh = true;
        }
        &self.value
    }
}

impl Aligner {
    pub fn new(registration: Option<Registration>, low_rank: Option<LowRank>) -> Self {
        let cells = GRID * GRID;
        let rank = low_rank.as_ref().map_or(0, LowRank::rank);
        Aligner {
            scratch: registration.as_ref().map(Registration::scratch),
            registration,
            low_rank,
            pose: Pose::default(),
            stacked: Cached::new(Array2::zeros((cells, STACKED))),
            unmoved: Cached::new(Array2::zeros((cells, STACKED))),
            vectors: Cached::new(Array2::zeros((cells, rank))),
            probabilities: Cached::new(Array3::zeros((0, MAP_SIDE, MAP_SIDE))),
            fine: Cached::new(Array2::zeros((0, 0))),
        }
    }

    /// What it was made of.
    pub fn into_parts(self) -> (Option<Registration>, Option<LowRank>) {
        (self.registration, self.low_rank)
    }

    /// Finds out where the part lies.
    pub fn align<'a>(&'a mut self, percept: &'a Percept) -> AlignedPart<'a> {
        self.pose = match (&self.registration, &mut self.scratch) {
            (Some(registration), Some(scratch)) => {
                registration.find(percept.features.stride4.view(), scratch)
            }
            _ => Pose::default(),
        };
        self.stacked.is_fresh = false;
        self.unmoved.is_fresh = false;
        self.vectors.is_fresh = false;
        self.probabilities.is_fresh = false;
        self.fine.is_fresh = false;
        AlignedPart {
            percept,
            aligner: self,
        }
    }

    /// Where the latest part lies.
    pub fn pose(&self) -> Pose {
        self.pose
    }
}

/// One part, seen through its pose.
pub struct AlignedPart<'a> {
    /// What the networks saw, in the frame's coordinates.
    pub percept: &'a Percept,
    aligner: &'a mut Aligner,
}

impl AlignedPart<'_> {
    pub fn pose(&self) -> Pose {
        self.aligner.pose
    }

    /// Lets `map` lie on the frame as the part does.
    pub fn place(&self, map: &mut MapBuffer) {
        let registration = self.aligner.registration.as_ref();
        map.pose = self.pose();
        map.margin = registration.and_then(Registration::margin);
    }

    /// The stacked features, registered and projected: `[GRID², rank]`. Of no columns where there is nothing to project
    /// with.
    pub fn vectors(&mut self) -> &Array2<f32> {
        let Aligner {
            low_rank,
            pose,
            stacked,
            vectors,
            ..
        } = &mut *self.aligner;
        vectors.or_with(|vectors| {
            if let Some(low_rank) = low_rank {
                let features = &self.percept.features;
                let stacked = stacked.or_with(|stacked| stack(features, pose, stacked));
                low_rank.project(stacked, vectors);
            }
        })
    }

    /// The stacked features of the frame as it is: `[GRID², STACKED]`.
    pub fn unmoved_stack(&mut self) -> &Array2<f32> {
        let aligner = &mut *self.aligner;
        if aligner.stacked.is_fresh && aligner.pose == Pose::default() {
            return &aligner.stacked.value;
        }
        let features = &self.percept.features;
        aligner
            .unmoved
            .or_with(|stacked| stack(features, &Pose::default(), stacked))
    }

    /// The vectors of the fine view, registered: `[rows·columns, rank]`.
    pub fn fine(&mut self) -> &Array2<f32> {
        let (map, pose) = (&self.percept.fine, self.aligner.pose);
        if pose == Pose::default() {
            return &map.vectors;
        }
        let fine = &mut self.aligner.fine;
        fine.or_with(|vectors| fine_through_pose(map, &pose, vectors))
    }

    /// The class probabilities, registered: `[classes, 64, 64]`.
    pub fn probabilities(&mut self) -> &Array3<f32> {
        let (percept, pose) = (self.percept, self.aligner.pose);
        self.aligner
            .probabilities
            .or_with(|probabilities| probabilities_through_pose(percept, &pose, probabilities))
    }
}

/// The registered vectors that [`AlignedPart::vectors`] gives, for fitting: `[GRID², rank]`.
pub fn vectors(percept: &Percept, pose: &Pose, low_rank: &LowRank) -> Array2<f32> {
    let mut stacked = Array2::zeros((GRID * GRID, STACKED));
    stack(&percept.features, pose, &mut stacked);
    let mut vectors = Array2::zeros((GRID * GRID, low_rank.rank()));
    low_rank.project(&stacked, &mut vectors);
    vectors
}

/// The vectors of a map of `cells` (rows and columns) as they would be if the part lay as the template does; `out` is
/// resized to their shape.
///
/// *Shapes*: `vectors` and `out` are `[rows·columns, rank]`.
pub fn cells_through_pose(
    vectors: &Array2<f32>,
    cells: (usize, usize),
    pose: &Pose,
    out: &mut Array2<f32>,
) {
    if out.raw_dim() != vectors.raw_dim() {
        *out = Array2::zeros(vectors.raw_dim());
    }
    let (rows, columns) = cells;
    let centre = |i: usize, cells: usize| (i as f32 + 0.5) / cells as f32;
    for (cell, mut vector) in out.rows_mut().into_iter().enumerate() {
        let (x, y) = (
            centre(cell % columns, columns),
            centre(cell / columns, rows),
        );
        let (x, y) = pose.to_frame(x, y);
        vector.fill(0.0);
        for (from, share) in Bilinear::on(x, y, cells).weighted() {
            vector.scaled_add(share, &vectors.row(from));
        }
    }
}

/// [`cells_through_pose`] of the fine view.
///
/// *Shapes*: `out` becomes `[rows·columns, rank]`.
pub fn fine_through_pose(map: &FineMap, pose: &Pose, out: &mut Array2<f32>) {
    cells_through_pose(&map.vectors, (map.rows, map.columns), pose, out);
}

/// A 64×64 map as it would look if the part lay as the template does.
///
/// *Shapes*: `source` and `out` are `[64, 64]`, row by row.
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
///
/// *Shapes*: `out` is `[classes, 64, 64]`.
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
