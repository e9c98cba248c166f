//! The frozen encoder and what it sees: features at strides 4, 8 and 16, shared by every branch.

use ndarray::{Array3, ArrayView3};

use super::{Network, NetworkError, load_network};

/// An encoder's features of one 256×256 image, channel first; the numbers of channels are EfficientNet-Lite0's.
#[derive(Clone, Debug)]
pub struct Features {
    /// `[24, 64, 64]`
    pub stride4: Array3<f32>,
    /// `[40, 32, 32]`
    pub stride8: Array3<f32>,
    /// `[112, 16, 16]`
    pub stride16: Array3<f32>,
}

/// Side of the maps at strides 4, 8 and 16.
const SIDES: [usize; 3] = [64, 32, 16];
/// An encoder with more channels in one map than this is not believed.
const MAX_CHANNELS: usize = 4096;

impl Features {
    pub const STRIDE4: (usize, usize, usize) = (24, 64, 64);
    pub const STRIDE8: (usize, usize, usize) = (40, 32, 32);
    pub const STRIDE16: (usize, usize, usize) = (112, 16, 16);

    /// All zero, to be written by [`Encoder::encode`], which brings them to its own numbers of channels.
    pub fn empty() -> Self {
        Features {
            stride4: Array3::zeros(Self::STRIDE4),
            stride8: Array3::zeros(Self::STRIDE8),
            stride16: Array3::zeros(Self::STRIDE16),
        }
    }

    pub fn scales(&self) -> [ArrayView3<'_, f32>; 3] {
        [
            self.stride4.view(),
            self.stride8.view(),
            self.stride16.view(),
        ]
    }
}

/// The backbone, frozen, to stride 16.
pub struct Encoder {
    network: Network,
    channels: [usize; 3],
}

impl Encoder {
    /// EfficientNet-Lite0's channels, which the statistics of features are made for.
    pub const LITE0: [usize; 3] = [
        Features::STRIDE4.0,
        Features::STRIDE8.0,
        Features::STRIDE16.0,
    ];

    /// # Errors
    /// If the graph doesn't give square maps at strides 4, 8 and 16 of a 256×256 image.
    pub fn load(onnx: &[u8]) -> Result<Self, NetworkError> {
        let network = load_network("encoder.onnx", onnx)?;
        let mut channels = [0; 3];
        for (index, side) in SIDES.into_iter().enumerate() {
            let shape = network.output_shape(index);
            channels[index] = match shape[..] {
                [1, count, height, width]
                    if height == side && width == side && count <= MAX_CHANNELS =>
                {
                    count
                }
                _ => {
                    return Err(NetworkError::Load {
                        name: network.name().to_owned(),
                        why: format!(
                            "its output {index} has shape {shape:?} instead of [1, channels, {side}, {side}]"
                        ),
                    });
                }
            };
        }
        Ok(Encoder { network, channels })
    }

    /// Channels at strides 4, 8 and 16.
    pub fn channels(&self) -> [usize; 3] {
        self.channels
    }

    /// Another one, to run beside this on another thread; the weights are shared.
    pub fn fork(&self) -> Result<Self, NetworkError> {
        Ok(Encoder {
            network: self.network.fork()?,
            channels: self.channels,
        })
    }

    /// `tensor` is `[3, 256, 256]` as [`crate::optics::Optics::tensor`] makes it. Writes into `features`.
    pub fn encode(&mut self, tensor: &[f32], features: &mut Features) -> Result<(), NetworkError> {
        let outputs = self.network.run(&[(&[1, 3, 256, 256], tensor)])?;
        let maps = [
            &mut features.stride4,
            &mut features.stride8,
            &mut features.stride16,
        ];
        for (index, map) in maps.into_iter().enumerate() {
            let shape = (self.channels[index], SIDES[index], SIDES[index]);
            if map.dim() != shape {
                *map = Array3::zeros(shape);
            }
            let values = outputs.slice(index, map.len())?;
            for (to, from) in map.iter_mut().zip(values) {
                *to = *from;
            }
        }
        Ok(())
    }
}
