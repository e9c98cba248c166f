//! Random weights, to test the code where the real ones are not installed. Features of random convolutions distinguish
//! textures and places, but far worse than trained ones.

use std::collections::BTreeMap;
use std::path::Path;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::WideResNetConfig;
use crate::paper::weights::{StateDict, StoredTensor};

/// How much of each block joins the sum: at 1 the features would grow by half from block to block.
const BLOCK_SHARE: f32 = 0.3;

/// He's normal weights under torchvision's names; batch statistics of a network that has seen nothing.
pub fn random_state(config: &WideResNetConfig, seed: u64) -> StateDict {
    let mut noise = ChaCha8Rng::seed_from_u64(seed);
    let mut tensors = BTreeMap::new();
    for (name, shape) in config.tensors() {
        let count = shape.iter().product::<usize>();
        let values: Vec<f32> = match shape[..] {
            [_, input, height, width] => {
                let deviation = (2.0 / (input * height * width) as f32).sqrt();
                let mut draw = || -> f32 { StandardNormal.sample(&mut noise) };
                (0..count).map(|_| deviation * draw()).collect()
            }
            _ if name.ends_with("bn3.weight") => vec![BLOCK_SHARE; count],
            _ if name.ends_with("running_var") || name.ends_with("weight") => vec![1.0; count],
            _ => vec![0.0; count],
        };
        tensors.insert(name, StoredTensor { shape, values });
    }
    StateDict::new(Path::new("random weights"), tensors)
}
