//! The networks of a bundle and what they make of one frame.

mod features;
pub mod fine;
mod low_rank;
mod perception;
pub mod students;

use aecsad_program::unless_it_panics;

pub use aecsad_engine::{
    Cpu, Engine, Input, Network, NetworkError, Precision, Rounding, Team, TensorRt, TensorRtError,
    TensorRtSettings,
};
pub use features::{Encoder, Features};
pub use fine::{FineMap, FineView};
pub use low_rank::{LowRank, STACKED};
pub use perception::{MAP_SIDE, Percept, Perception, Segmentation};
pub use students::{ResidualDirections, StudentMaps, Students};

/// Loads a network that may be anyone's, at `shape` where that is given in place of the file's own: what breaks the
/// engine is refused like any other file that it can't run.
pub fn load_network(
    engine: &dyn Engine,
    name: &str,
    onnx: &[u8],
    shape: Option<&[usize]>,
) -> Result<Network, NetworkError> {
    let load = || engine.load(name, onnx, shape);
    unless_it_panics(load).unwrap_or_else(|| {
        Err(NetworkError::Load {
            name: name.to_owned(),
            why: "the engine broke off on it".to_owned(),
        })
    })
}
