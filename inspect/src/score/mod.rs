//! Pure arithmetic from features and class maps to scores: no I/O, no clock. Training and the camera path share
//! it, so a score has exactly one implementation.

pub mod anomaly_map;
pub mod class_histogram;
pub mod conformal;
pub mod context;
pub mod decision;
pub mod error_scale;
pub mod heat;
pub mod inventory;
pub mod layout;
pub mod lgst;
pub mod low_rank;
pub mod outliers;
pub mod packed;
pub mod patch_mixture;
pub mod planted_scores;
pub mod pooled;
pub mod position_gaussian;
pub mod reference;
pub mod registration;
pub mod scorer;
pub mod shrunk_gaussian;
pub mod statistics_file;
pub mod trimmed_z;

use serde::{Deserialize, Serialize};

/// What the networks say of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// The encoder's features.
    Features,
    /// The segmentation's class probabilities.
    Components,
    /// How far the students are from the encoder and from each other.
    StudentErrors,
}

/// One independent opinion about a part. The order is that of the CSV's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Branch {
    /// Mahalanobis distance of the class histogram (paper, eq. 2).
    Histogram,
    /// Deviation of the class layout on a grid (paper, eq. 3).
    Layout,
    /// Teacher against local student (paper, eq. 4).
    Local,
    /// Global student against the local student's imitation of it (paper, eq. 7).
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
    /// The parts of each component, told apart by size and shape and counted.
    Inventory,
}

impl Branch {
    pub const ALL: [Branch; 10] = [
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
    ];

    /// What of a part it looks at, and so which networks a bundle with it needs.
    pub fn reads(self) -> Reads {
        match self {
            Branch::Position | Branch::Patch | Branch::Pooled | Branch::Context => Reads::Features,
            Branch::Histogram | Branch::Layout | Branch::Inventory => Reads::Components,
            Branch::Local | Branch::Global | Branch::Lgst => Reads::StudentErrors,
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
        }
    }
}

impl std::fmt::Display for Branch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}
