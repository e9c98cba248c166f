//! Post-training quantisation: from a trained float network and good images to the same network with int8 convolutions,
//! and the report of what that costs.
//!
//! The networks are trained in float and never see a gradient again; only good images are needed. What is quantised,
//! and in which form, `places` and `rewrite` say.

mod agreement;
mod error;
mod graph;
mod magnitudes;
mod network;
mod observe;
mod places;
mod report;
mod rewrite;
mod statistics;
#[cfg(test)]
mod tests;
mod weights;

pub use agreement::Agreement;
pub use error::QuantiseError;
pub use magnitudes::{Search, Signs};
pub use network::{Quantised, Requirement, check_float, quantise};
pub use observe::Sample;
pub use report::{LayerPrecision, LayerReport, NetworkReport, OutputReport};
