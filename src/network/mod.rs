//! The networks of a bundle and what they make of one frame.

mod features;
mod perception;

pub use aecsad_engine::{Input, Network, NetworkError, Outputs, Team};
pub use features::{Encoder, Features};
pub use perception::{MAP_SIDE, Percept, Perception, Segmentation};
