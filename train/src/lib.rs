//! aecsad-train: the host side. Good images in, one bundle out. This crate trains the networks, calibrates the
//! scores and packs what the runtime needs; nothing in it runs on the camera.

pub mod engine;
pub mod export;
pub mod lgst;
pub mod maps;
pub mod segmentation;
