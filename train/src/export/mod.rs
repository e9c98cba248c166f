//! From trained networks to the files a bundle carries.

pub mod layers;
pub mod onnx;
