//! From trained networks to the one file that a technician carries to the line.

pub mod layers;
pub mod matrix;
pub mod onnx;
pub mod signing;
