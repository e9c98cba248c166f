//! What kernels in floats and in bytes share: where a kernel's taps lie, vector lanes, and how threads share a layer.

pub(crate) mod exponential;
pub(crate) mod geometry;
pub(crate) mod lanes;
pub(crate) mod shares;
pub(crate) mod taps;

#[cfg(test)]
pub(crate) mod tests;
