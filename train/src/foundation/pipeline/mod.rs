//! The models, and what is made of their outputs.
//!
//! | Stage | File |
//! |---|---|
//! | ONNX Runtime and a network of it | `runtime`, `network` |
//! | tags | `ram` |
//! | boxes | `prompt`, `grounding`, `boxes` |
//! | masks | `sam`, `automatic`, `small_regions`, `mask` |
//! | which masks are parts | `two_stage` |
//! | descriptors | `rotations` |
//! | all images, one stage after another | `proposals`, `stages`, `cache`, `pictures` |

pub mod automatic;
mod bilinear;
pub mod boxes;
mod cache;
pub mod grounding;
pub mod mask;
mod network;
pub mod picture;
pub(super) mod pictures;
pub mod prompt;
mod proposals;
pub mod ram;
mod rotations;
pub mod runtime;
pub mod sam;
mod small_regions;
mod stages;
pub mod two_stage;

use super::{FoundationError, Request, catalogue, folder, settings, tags};
pub(super) use proposals::{check, propose};
