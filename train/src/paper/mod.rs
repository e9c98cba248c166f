//! What only the `paper` profile uses: its backbone and the weights of it, the GPU it trains on, its score. The `edge`
//! profile uses none of it.

pub mod backbone;
pub mod cuda;
mod device;
mod encoding;
mod error;
pub mod gpu_check;
mod networks;
mod options;
mod score;
mod training;
pub mod weights;

pub use device::{Device, DeviceError, needed_bytes};
use encoding::{EncodingSource, teacher_features};
pub use error::PaperError;
pub use networks::PaperNetworks;
pub use options::PaperOptions;
pub use score::decide_as_the_paper;
pub use training::train;
