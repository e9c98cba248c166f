//! The frozen teacher encoder of the `paper` profile: WideResNet-50-2 as trained on ImageNet.

mod random;
mod wide_resnet;

pub use random::random_state;
pub use wide_resnet::{FeatureMaps, WideResNet, WideResNetConfig};
