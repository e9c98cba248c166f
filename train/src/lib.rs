//! The host side of aecsad: good images in, one signed bundle out.

pub mod pseudo_label;
