//! Int8 layers of a quantised network. The file describes them in floats, with QuantizeLinear and DequantizeLinear around
//! each layer. Here consecutive layers exchange bytes, and floats are made only where another operator needs them.
//!
//! Maps lie in blocks of sixteen channels: `[C / 16, H, W, 16]`, the last block padded with the zero point.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod convert;
mod convolution;
mod dots;
mod epilogue;
#[cfg(target_arch = "aarch64")]
mod neon;
mod ops;
mod portable;
mod scale;
mod scratch;
mod weights;
mod window;

#[cfg(test)]
mod tests;

pub(crate) use convolution::Int8Convolution;
pub(crate) use dots::LANES;
pub(crate) use epilogue::Epilogue;
pub(crate) use ops::Int8Op;
pub(crate) use scale::Scale;
pub(crate) use weights::{Int8Weights, take as take_weights};
pub(crate) use window::Int8Window;
