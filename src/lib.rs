//! aecsad: finds bad parts on a production line, from good images alone, and rejects them.
//!
//! The modules stand in the order in which a part passes through them: `camera` → `station` (three threads and their
//! queues; the verdict is [`aecsad_inspect`]'s) → `line` (tracking to the gate) → `reject` (the pulse). `journal`,
//! `pictures` and `monitor` record it, `page` shows it in a browser, `operator` holds what persons decide there, `slots`
//! stores a station's bundles, and `cli` is the command line.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod calibration;
pub mod camera;
pub mod cli;
pub mod engines;
pub mod journal;
pub mod line;
pub mod monitor;
mod npy;
pub mod operator;
mod ownership;
pub mod page;
pub mod pictures;
pub mod reject;
pub mod serial;
pub mod slots;
pub mod station;

pub use cli::error::{Error, Result};
