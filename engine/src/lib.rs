//! Runs the ONNX networks of a bundle: on the CPU through tract, or on a GPU through TensorRT where a device has it. The
//! shapes are fixed at load, so a frame can fail only where the network or its engine does.
//!
//! It is a crate of its own because tract's generics are compiled where they are used: a crate that uses this one does
//! not compile them again.

mod admission;
mod cpu;
mod input_shape;
mod kernels;
mod lowering;
mod memory;
mod network;
mod team;
mod tensorrt;

/// The messages of an ONNX file.
pub use tract_onnx::pb as onnx;

pub use cpu::{Cpu, fuses};
pub use kernels::float::{Points, Triangles};
pub use network::{Engine, Input, Network, NetworkError, Precision, Rounding};
pub use team::Team;
pub use tensorrt::{PLUGIN_VARIABLE, TensorRt, TensorRtError, TensorRtSettings};
