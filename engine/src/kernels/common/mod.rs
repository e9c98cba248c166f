//! Code shared by float and int8 kernels: taps, vector lanes, and the division of a layer among threads.

pub(crate) mod exponential;
pub(crate) mod geometry;
pub(crate) mod lanes;
pub(crate) mod shares;
pub(crate) mod taps;

#[cfg(test)]
pub(crate) mod tests;
