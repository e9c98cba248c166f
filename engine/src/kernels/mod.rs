//! Our own kernels for what tract is slow at: in floats, and in bytes for quantised layers.

pub(crate) mod common;
pub(crate) mod float;
pub(crate) mod int8;
