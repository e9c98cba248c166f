//! Our own kernels where tract is slow: in floats, and in int8 for quantised layers.

pub(crate) mod common;
pub(crate) mod float;
pub(crate) mod int8;
