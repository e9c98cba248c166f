//! The weights training starts from.

use std::sync::Mutex;

use burn::module::{Initializer, Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// burn's random generator is one per process: two networks initialised at once would share its numbers.
static INITIALISING: Mutex<()> = Mutex::new(());

/// A module whose initial weights depend on `seed` alone.
pub fn seeded_init<B: Backend, M: Module<B>>(
    seed: u64,
    device: &B::Device,
    init: impl FnOnce(&B::Device) -> M,
) -> M {
    let _guard = INITIALISING
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    B::seed(device, seed);
    let module = init(device);
    // Parameters are drawn when first looked at, which must happen before anyone else draws.
    module.num_params();
    module
}

/// A convolution to be followed by a ReLU: He's normal weights, which keep the variance from layer to layer, and no
/// bias. burn's default lets it shrink sixfold a layer, which a few hundred steps can't make up for.
pub fn rectified<B: Backend>(config: Conv2dConfig, device: &B::Device) -> Conv2d<B> {
    let initializer = Initializer::KaimingNormal {
        gain: std::f64::consts::SQRT_2,
        fan_out_only: false,
    };
    let mut layer = config.with_initializer(initializer).init(device);
    let channels = layer.weight.dims()[0];
    if layer.bias.is_some() {
        layer.bias = Some(Param::from_tensor(Tensor::zeros([channels], device)));
    }
    layer
}
