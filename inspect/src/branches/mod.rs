//! From what the networks saw of a part to one raw score a branch and a heat map: pure arithmetic, without I/O or clock.
//! Training and the camera path share it, so a score has exactly one implementation.
//!
//! A branch is a file or a folder that holds a [`BranchModel`], with its reader in [`READERS`]. What several branches use is
//! in [`shared`].

pub mod context;
pub mod histogram;
pub mod inventory;
pub mod layout;
pub mod lgst;
pub mod patch;
pub mod pooled;
pub mod position;
pub mod scorer;
pub mod shared;
pub mod statistics;
pub mod student_error;
pub mod student_residual;

use std::any::Any;
use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use crate::arrays::Arrays;
use crate::network::Percept;
use inventory::Counts;
use shared::aligned_part::AlignedPart;
use shared::map::AnomalyMap;
use statistics::{ArraySource, StatisticsError};
use student_residual::Student;

/// What good parts look like to one branch, and how far the latest part is from that.
pub trait BranchModel: Any + Debug + Send + Sync {
    fn branch(&self) -> Branch;

    /// The raw score of a part; an anomalous part has a larger one. The model's buffers are used again for each part.
    fn score(&mut self, part: &mut AlignedPart<'_>) -> f32;

    /// The anomaly map of the latest part. None for a branch that looks at the part as a whole.
    fn map(&self) -> Option<AnomalyMap<'_>> {
        None
    }

    /// Adds to `heat` (`[64, 64]`, row by row) the anomalies of the latest part that no [`map`](Self::map) shows. `percept`
    /// is the latest part's.
    fn mark(&mut self, _percept: &Percept, _heat: &mut [f32]) {}

    /// Pieces that are too many or too few in the latest part.
    fn unusual_counts(&self) -> Counts {
        Counts::new()
    }

    /// Classes of the segmentation that it reads, background included. None for one that reads none.
    fn classes(&self) -> Option<usize> {
        None
    }

    /// Adds its arrays, named after the branch.
    fn write(&self, arrays: &mut Arrays);

    fn boxed(&self) -> Box<dyn BranchModel>;
}

impl Clone for Box<dyn BranchModel> {
    fn clone(&self) -> Self {
        self.boxed()
    }
}

/// Reads a branch's arrays. None where the file has none of them.
pub type Reader = fn(&ArraySource<'_>) -> Result<Option<Box<dyn BranchModel>>, StatisticsError>;

/// The readers of all branches.
pub const READERS: [Reader; Branch::ALL.len()] = [
    histogram::read,
    layout::read,
    read_local,
    read_global,
    position::read,
    patch::read,
    pooled::read,
    context::read,
    lgst::read,
    inventory::read,
    position::read_fine,
    patch::read_fine,
];

fn read_local(source: &ArraySource<'_>) -> Result<Option<Box<dyn BranchModel>>, StatisticsError> {
    read_student(source, Student::Local)
}

fn read_global(source: &ArraySource<'_>) -> Result<Option<Box<dyn BranchModel>>, StatisticsError> {
    read_student(source, Student::Global)
}

/// Its residual, or its error in bundles of earlier versions.
fn read_student(
    source: &ArraySource<'_>,
    student: Student,
) -> Result<Option<Box<dyn BranchModel>>, StatisticsError> {
    match student_residual::read(source, student)? {
        Some(model) => Ok(Some(model)),
        None => student_error::read(source, student.branch()),
    }
}

/// How a part is seen: as a whole in few pixels, or finely, as its damage needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    Whole,
    Fine,
}

impl View {
    /// What the names of its statistics' arrays begin with.
    pub fn prefix(self) -> &'static str {
        match self {
            View::Whole => "",
            View::Fine => "fine.",
        }
    }
}

/// Which of the networks' outputs a branch reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// The encoder's features of the whole view.
    Features,
    /// Those of the fine view.
    FineFeatures,
    /// The segmentation's class probabilities.
    Components,
    /// How far the students are from the encoder and from each other.
    Students,
}

/// One independent opinion about a part. The order is that of the CSV's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Branch {
    /// Mahalanobis distance of the class histogram (paper, eq. 2).
    Histogram,
    /// Deviation of the class layout on a grid (paper, eq. 3).
    Layout,
    /// Teacher against local student (paper, eq. 4): its residual, in bundles of earlier versions its squared error.
    Local,
    /// Teacher against global student; in bundles of earlier versions the global student against the local one's imitation
    /// of it (paper, eq. 7).
    Global,
    /// Per-position Gaussian on low-rank features, after alignment.
    Position,
    /// Mixture of Gaussians over the patches of good images, wherever they lie.
    Patch,
    /// Mahalanobis distance of the pooled deep feature.
    Pooled,
    /// Per-position Gaussian on what the rest of the part does not predict.
    Context,
    /// Both students as the paper reads them: the largest value of the sum of their scaled error maps.
    Lgst,
    /// The parts of each component, distinguished by size and shape and counted.
    Inventory,
    /// As `position`, in the fine view.
    #[serde(rename = "fine_position")]
    FinePosition,
    /// As `patch`, in the fine view.
    #[serde(rename = "fine_patch")]
    FinePatch,
}

impl Branch {
    pub const ALL: [Branch; 12] = [
        Branch::Histogram,
        Branch::Layout,
        Branch::Local,
        Branch::Global,
        Branch::Position,
        Branch::Patch,
        Branch::Pooled,
        Branch::Context,
        Branch::Lgst,
        Branch::Inventory,
        Branch::FinePosition,
        Branch::FinePatch,
    ];

    /// What of a part it looks at, and so which networks a bundle with it needs.
    pub fn reads(self) -> Reads {
        match self {
            Branch::Position | Branch::Patch | Branch::Pooled | Branch::Context => Reads::Features,
            Branch::FinePosition | Branch::FinePatch => Reads::FineFeatures,
            Branch::Histogram | Branch::Layout | Branch::Inventory => Reads::Components,
            Branch::Local | Branch::Global | Branch::Lgst => Reads::Students,
        }
    }

    /// The name in the CSV's header, the manifest and every table.
    pub fn name(self) -> &'static str {
        match self {
            Branch::Histogram => "histogram",
            Branch::Layout => "layout",
            Branch::Local => "local",
            Branch::Global => "global",
            Branch::Position => "position",
            Branch::Patch => "patch",
            Branch::Pooled => "pooled",
            Branch::Context => "context",
            Branch::Lgst => "lgst",
            Branch::Inventory => "inventory",
            Branch::FinePosition => "fine_position",
            Branch::FinePatch => "fine_patch",
        }
    }
}

impl std::fmt::Display for Branch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}
