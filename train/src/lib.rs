//! The host side of aecsad: good images in, one signed bundle out. Trains the networks, calibrates the scores and
//! packs what the runtime needs; nothing in it runs on the camera.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod calibrate;
pub mod cli;
mod conditions;
pub mod dataset;
pub mod engine;
mod estimators;
pub mod evaluate;
pub mod export;
pub mod fit;
pub mod foundation;
pub mod images;
pub mod lgst;
pub mod maps;
pub mod metrics;
pub mod networks;
pub mod paper;
pub mod planted;
mod progress;
pub mod pseudo_label;
pub mod quantise;
pub mod region;
pub mod screening;
pub mod segmentation;
mod training_run;
