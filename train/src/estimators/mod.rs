//! Estimates that several modules make of samples: a shrunk covariance, a projection of low rank.

pub mod low_rank;
pub mod shrinkage;
