//! Statistics of good parts, and which branches may speak: from features of good images to everything a bundle says
//! beyond its networks.

mod candidate;
mod choose;
mod context;
mod decide;
mod fine_position;
pub(crate) mod histogram;
mod inventory;
mod k_means;
mod layout;
mod patch;
mod pooled;
mod position;
mod registration;
mod scores;
mod statistics;
mod student_error;
mod way;
mod weights;

pub use candidate::Planted;
pub(crate) use decide::threshold;
pub use decide::{BranchChoice, Selection, decide, decide_again, rank};
pub use scores::{PlantedAuroc, Scores};
pub use statistics::{Fitter, Good};
pub use way::{FitBranch, Way, recorded};
