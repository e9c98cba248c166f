//! What the `paper` profile has of its own: its backbone and that one's weights, the GPU it trains on, its score. The
//! `edge` profile, which runs every day, uses none of it.

pub mod backbone;
pub mod cuda;
mod device;
mod encoding;
pub mod gpu_check;
mod networks;
mod score;
pub mod weights;

pub use device::{Device, DeviceError, needed_bytes};
pub use encoding::{Encoding, teacher_features};
pub use networks::PaperNetworks;
pub use score::decide_as_the_paper;
