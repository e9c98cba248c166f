//! The host side of aecsad: trains a bundle from good images.

pub mod synth;
