//! From trained networks to the files a bundle carries.

pub mod layers;
pub mod matrix;
pub mod onnx;
