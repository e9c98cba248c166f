//! The frozen encoder and what it sees: features at strides 4, 8 and 16, shared by every branch.

use ndarray::{Array3, ArrayView3};

use super::{Network, NetworkError};

/// EfficientNet-Lite0's features of one 256×256 image, channel first.
#[derive(Clone, Debug)]
pub struct Features {
    /// `[24, 64, 64]`
    pub stride4: Array3<f32>,
    /// `[40, 32, 32]`
    pub stride8: Array3<f32>,
    /// `[112, 16, 16]`
    pub stride16: Array3<f32>,
}

impl Features {
    pub const STRIDE4: (usize, usize, usize) = (24, 64, 64);
    pub const STRIDE8: (usize, usize, usize) = (40, 32, 32);
    pub const STRIDE16: (usize, usize, usize) = (112, 16, 16);

    /// All zero, to be written by [`Encoder::encode`].
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
}

impl Encoder {
    pub fn load(onnx: &[u8]) -> Result<Self, NetworkError> {
        Ok(Encoder {
            network: Network::load("encoder.onnx", onnx)?,
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
            let values = outputs.slice(index, map.len())?;
            for (to, from) in map.iter_mut().zip(values) {
                *to = *from;
            }
        }
        Ok(())
    }
}
