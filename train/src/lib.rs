//! The host side of aecsad: good images in, one signed bundle out.

pub mod cli;
pub mod dataset;
pub mod evaluate;
pub mod export;
pub mod synth;
