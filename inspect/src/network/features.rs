//! The frozen encoder and what it sees: features at strides 4, 8 and 16, shared by every branch.

use ndarray::{Array3, ArrayView3};

use super::{Cpu, Engine, Network, NetworkError, load_network};
use crate::frame::Size;

/// An encoder's features of one image, channel first; the numbers of channels are EfficientNet-Lite0's, the sizes those of
/// an image of 256×256 pixels.
#[derive(Clone, Debug)]
pub struct Features {
    /// `[24, 64, 64]`
    pub stride4: Array3<f32>,
    /// `[40, 32, 32]`
    pub stride8: Array3<f32>,
    /// `[112, 16, 16]`
    pub stride16: Array3<f32>,
}

const STRIDES: [u32; 3] = [4, 8, 16];
/// An encoder with more channels in one map than this is refused.
const MAX_CHANNELS: usize = 4096;

impl Features {
    pub const STRIDE4: (usize, usize, usize) = (24, 64, 64);
    pub const STRIDE8: (usize, usize, usize) = (40, 32, 32);
    pub const STRIDE16: (usize, usize, usize) = (112, 16, 16);

    /// All zero, to be written by [`Encoder::encode`], which brings them to its own shapes.
    pub fn empty() -> Self {
        Features {
            stride4: Array3::zeros(Self::STRIDE4),
            stride8: Array3::zeros(Self::STRIDE8),
            stride16: Array3::zeros(Self::STRIDE16),
        }
    }

    /// Of no cells, which take no memory.
    pub fn none() -> Self {
        let none = || Array3::zeros((0, 0, 0));
        Features {
            stride4: none(),
            stride8: none(),
            stride16: none(),
        }
    }

    /// *Shapes*: `[channels, height, width]` at strides 4, 8 and 16.
    pub fn scales(&self) -> [ArrayView3<'_, f32>; 3] {
        [
            self.stride4.view(),
            self.stride8.view(),
            self.stride16.view(),
        ]
    }
}

/// The backbone, frozen, to stride 16, for images of one size.
pub struct Encoder {
    network: Network,
    size: Size,
    /// Of the maps at strides 4, 8 and 16: channels, height, width.
    shapes: [(usize, usize, usize); 3],
}

impl Encoder {
    /// EfficientNet-Lite0's channels, which the statistics of features are made for.
    pub const LITE0: [usize; 3] = [
        Features::STRIDE4.0,
        Features::STRIDE8.0,
        Features::STRIDE16.0,
    ];

    /// For the whole of a part, on the CPU.
    ///
    /// # Errors
    /// If the graph doesn't give maps at strides 4, 8 and 16 of a 256×256 image.
    pub fn load(onnx: &[u8]) -> Result<Self, NetworkError> {
        Self::load_at(&Cpu, onnx, Size::WHOLE)
    }

    /// For images of `size`, whatever size the file states.
    ///
    /// # Errors
    /// If the graph doesn't give maps at strides 4, 8 and 16 of such an image.
    pub fn load_at(engine: &dyn Engine, onnx: &[u8], size: Size) -> Result<Self, NetworkError> {
        let Size { width, height } = size;
        let input = [1, 3, height as usize, width as usize];
        let network = load_network(engine, "encoder.onnx", onnx, Some(&input))?;
        let mut shapes = [(0, 0, 0); 3];
        for (index, stride) in STRIDES.into_iter().enumerate() {
            let (rows, columns) = ((height / stride) as usize, (width / stride) as usize);
            let shape = network.output_shape(index);
            shapes[index] = match shape[..] {
                [1, channels, h, w] if h == rows && w == columns && channels <= MAX_CHANNELS => {
                    (channels, h, w)
                }
                _ => {
                    return Err(NetworkError::Load {
                        name: network.name().to_owned(),
                        why: format!(
                            "its output {index} has shape {shape:?} instead of [1, channels, {rows}, {columns}] for an \
                             image of {size}"
                        ),
                    });
                }
            };
        }
        Ok(Encoder {
            network,
            size,
            shapes,
        })
    }

    /// Channels at strides 4, 8 and 16.
    pub fn channels(&self) -> [usize; 3] {
        self.shapes.map(|(channels, _, _)| channels)
    }

    /// Another one, to run beside this on another thread; the weights are shared.
    pub fn fork(&self) -> Result<Self, NetworkError> {
        Ok(Encoder {
            network: self.network.fork()?,
            size: self.size,
            shapes: self.shapes,
        })
    }

    /// `tensor` is `[3, height, width]` as [`crate::optics::Optics`] makes it. Writes into `features`.
    pub fn encode(&mut self, tensor: &[f32], features: &mut Features) -> Result<(), NetworkError> {
        let Size { width, height } = self.size;
        let shape = [1, 3, height as usize, width as usize];
        self.network.run(&[(&shape, tensor)])?;
        let maps = [
            &mut features.stride4,
            &mut features.stride8,
            &mut features.stride16,
        ];
        for (index, map) in maps.into_iter().enumerate() {
            if map.dim() != self.shapes[index] {
                *map = Array3::zeros(self.shapes[index]);
            }
            let values = self.network.output(index, map.len())?;
            if let Some(map) = map.as_slice_mut() {
                map.copy_from_slice(values);
            }
        }
        Ok(())
    }
}
