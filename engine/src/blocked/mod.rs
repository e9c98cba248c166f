//! Our own kernels for what tract is slow at. Between them maps stay in blocks of eight channels, so no operator has to
//! rearrange what the one before it wrote; what none of them takes runs in tract, on maps as ONNX has them.

mod attention;
mod convolution;
mod exponential;
mod geometry;
mod lanes;
mod layout;
mod lower;
mod ops;
mod separable;
mod shares;
mod take;
mod take_attention;
mod take_int8;
mod taps;
mod triangles;
mod window;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use geometry::{Axis, Padded};
pub(crate) use lanes::{LANES, fuses};
pub(crate) use lower::lower;
pub(crate) use shares::{CELLS_TOGETHER, Shares};
pub(crate) use taps::{Needed, Taps};
pub use triangles::Triangles;
