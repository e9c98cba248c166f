//! Kernels in floats. Between them maps stay in blocks of eight channels, so no operator has to rearrange what the one
//! before it wrote; what none of them takes runs in tract, on maps as ONNX has them.

pub(crate) mod attention;
pub(crate) mod convolution;
pub(crate) mod layout;
pub(crate) mod ops;
mod points;
pub(crate) mod separable;
mod triangles;
pub(crate) mod window;

#[cfg(test)]
mod tests;

pub use points::Points;
pub use triangles::Triangles;
