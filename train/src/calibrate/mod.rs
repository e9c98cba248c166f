//! Statistics of good parts, and which branches may speak: from features of good images to everything a bundle says
//! beyond its networks.

mod context;
mod decide;
mod histogram;
mod low_rank;
mod patch;
mod position;
mod registration;
mod shrinkage;
mod statistics;
mod student_error;

pub use decide::{BranchChoice, Planted, PlantedAuroc, Selection, decide};
pub use statistics::{Fitter, Good};
