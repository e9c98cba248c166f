//! What several branches use.

pub mod aligned_part;
pub mod class_shares;
pub mod heat;
pub mod low_rank;
pub mod map;
pub mod packed;
pub mod position_gaussian;
pub mod reference;
pub mod registration;
pub mod shrunk_gaussian;
