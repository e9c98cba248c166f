//! aecsad: finds bad parts on a production line, from good images alone, and rejects them.
//!
//! The modules stand in the order in which a frame passes through them: `camera` → `optics` → `network` →
//! `score` → `inspector` (a verdict) → `line` (where is the part) → `reject` (the pulse). `station` joins them
//! with threads, and `journal` and `monitor` look on; `bundle` is the file that carries a trained model, `golden` what
//! proves its scores on this machine, `slots` the place where a station keeps its bundles.
//! No module uses one to its right.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod bundle;
pub mod calibration;
pub mod camera;
pub mod cli;
pub mod error;
pub mod golden;
pub mod heatmap;
pub mod inspector;
pub mod journal;
pub mod likeness;
pub mod line;
pub mod moment;
pub mod monitor;
pub mod network;
mod npy;
pub mod optics;
mod ownership;
pub mod printable;
pub mod program;
pub mod reject;
pub mod score;
mod sealed_text;
pub mod slots;
pub mod standard_streams;
pub mod station;
pub mod text_file;
pub mod whole_file;
pub mod written_name;

pub use error::{Error, Result};
