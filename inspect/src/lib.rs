//! From a frame to a verdict: the code that the station's program and the trainer share.
//!
//! The modules stand in the order in which a frame passes through them: `image_files` → `frame` → `optics` → `network`
//! → `branches` (raw scores) → `decision` → `inspector` (a verdict) → `heatmap`. `bundle` is the file of a trained
//! model, `golden` checks its scores on this machine, and `similarity` detects repeated frames of one part.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod arrays;
pub mod branches;
pub mod bundle;
pub mod decision;
mod exit_codes;
pub mod frame;
pub mod golden;
pub mod heatmap;
pub mod image_files;
pub mod inspector;
pub mod network;
pub mod optics;
pub mod similarity;
