//! The host side of aecsad: good images in, one signed bundle out.

pub mod evaluate;
pub mod synth;
