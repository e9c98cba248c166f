//! Statistics of good parts, and which branches are active: from features of good images to everything a bundle says
//! beyond its networks.

mod candidate;
mod choose;
mod context;
mod decide;
mod fine_position;
pub(crate) mod histogram;
mod inventory;
mod judged_apart;
mod k_means;
mod known_bad;
mod layout;
mod patch;
mod planted_parts;
mod pooled;
mod position;
mod registration;
mod scores;
mod statistics;
mod student_residual;
mod threshold;
mod way;
mod weights;

pub use candidate::Parts;
pub use decide::{BranchChoice, EarlierDecision, Selection, decide, decide_again, rank};
pub use judged_apart::{JudgedApart, WayScores, judge_apart};
pub use known_bad::{HeldOut, KnownBad, rejected};
pub use patch::fine as fine_patch;
pub use planted_parts::{PerceptFile, PlantedPart, PlantedParts};
pub use scores::{PlantedAuroc, Scores};
pub use statistics::{Fitter, GoodParts};
pub use threshold::Rule;
pub(crate) use threshold::threshold;
pub use way::{FitBranch, Way, recorded};
