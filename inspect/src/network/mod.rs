//! The networks of a bundle and what they make of one frame.

mod features;
pub mod fine;
mod low_rank;
mod perception;
pub mod students;

use aecsad_program::unless_it_panics;

pub use aecsad_engine::{Input, Network, NetworkError, Outputs, Team};
pub use features::{Encoder, Features};
pub use fine::{FineMap, FineView};
pub use low_rank::{LowRank, STACKED};
pub use perception::{MAP_SIDE, Percept, Perception, Segmentation};
pub use students::{ResidualDirections, StudentMaps, Students};

/// Loads a network that may be anyone's: what breaks the engine is refused like any other file that it can't run.
pub fn load_network(name: &str, onnx: &[u8]) -> Result<Network, NetworkError> {
    unless_it_panics(|| Network::load(name, onnx)).unwrap_or_else(|| Err(broken_off(name)))
}

/// The same for an input of another shape than the file states.
pub fn load_network_at(name: &str, onnx: &[u8], shape: &[usize]) -> Result<Network, NetworkError> {
    let load = || Network::load_at(name, onnx, shape);
    unless_it_panics(load).unwrap_or_else(|| Err(broken_off(name)))
}

fn broken_off(name: &str) -> NetworkError {
    NetworkError::Load {
        name: name.to_owned(),
        why: "the engine broke off on it".to_owned(),
    }
}
