//! The global student: an autoencoder through a single cell, with self-attention where the map is small. It reproduces
//! a part from a code of the whole, so it renders an unknown arrangement as one that it knows.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::backend::Backend;
use burn::tensor::{Distribution, Tensor, TensorData};
use rand::Rng;
use rand::RngExt;

use super::attention::{SelfAttention, SelfAttentionConfig};
use crate::engine::{Kernels, rectified};
use crate::export::layers;
use crate::export::onnx::{Graph, Value};
use crate::maps::resize;

/// The encoder halves the map five times, then reads what is left with one kernel.
const HALVINGS: usize = 5;

#[derive(Config, Debug)]
pub struct GlobalStudentConfig {
    /// Channels after each of the five halvings.
    #[config(default = "[16, 32, 32, 64, 64]")]
    pub encoder: [usize; 5],
    /// Cells along a side before the kernel that leaves one cell: an eighth of 64 for a 256×256 image.
    #[config(default = 8)]
    pub bottleneck_kernel: usize,
    /// Channels of the single cell and of the decoder.
    #[config(default = 64)]
    pub width: usize,
    /// Channels of the last decoder convolution, at full size: half the decoder's work is done there.
    #[config(default = 32)]
    pub head_width: usize,
    /// Sizes the map is brought to, each before a convolution; the last is the size of the output.
    #[config(default = "vec![2, 4, 8, 16, 32, 32, 64]")]
    pub decoder: Vec<usize>,
    /// Side of the decoder's kernels but the last; an even one makes the map a cell larger (15 cells become 16).
    #[config(default = 3)]
    pub decoder_kernel: usize,
    /// Side of the kernel that makes the output.
    #[config(default = 1)]
    pub head_kernel: usize,
    /// Where the decoder first has this many cells a side it adds a learned map: a decoder that grows from one cell
    /// has nothing but its padding to tell it where it is, and takes thousands of steps to make use of that. 0, as in
    /// the paper: nowhere.
    #[config(default = 16)]
    pub position: usize,
    /// Self-attention after the 3rd and 5th decoder convolution too; quadratic in the cells.
    #[config(default = false)]
    pub decoder_attention: bool,
    /// d_k: channels of the attention's queries and keys.
    #[config(default = 16)]
    pub key_channels: usize,
    #[config(default = 0.2)]
    pub dropout: f64,
    /// Channels of the map it imitates.
    pub channels: usize,
}

#[derive(Module, Debug)]
pub struct GlobalStudent<B: Backend> {
    halvings: Vec<Conv2d<B>>,
    bottleneck: Conv2d<B>,
    /// After the 4th and the 5th halving.
    encoder_attention: Vec<SelfAttention<B>>,
    /// One for each decoder size.
    decoder: Vec<Conv2d<B>>,
    decoder_attention: Vec<SelfAttention<B>>,
    /// `[1, width, position, position]`.
    position: Option<Param<Tensor<B, 4>>>,
    head: Conv2d<B>,
    sizes: Vec<usize>,
    dropout: f64,
}

impl GlobalStudentConfig {
    /// The paper's network for a teacher map of `channels`.
    pub fn paper(channels: usize) -> Self {
        Self {
            encoder: [32, 32, 64, 64, 64],
            bottleneck_kernel: 8,
            width: 64,
            head_width: 64,
            decoder: vec![3, 8, 15, 32, 63, 127, 64],
            decoder_kernel: 4,
            head_kernel: 3,
            position: 0,
            decoder_attention: true,
            key_channels: 64,
            dropout: 0.2,
            channels,
        }
    }

    pub fn init<B: Backend>(&self, device: &B::Device) -> GlobalStudent<B> {
        let mut input = 3;
        let mut halvings = Vec::with_capacity(HALVINGS);
        for output in self.encoder {
            let halving = Conv2dConfig::new([input, output], [4, 4])
                .with_stride([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
            halvings.push(rectified(halving, device));
            input = output;
        }
        let attention = |channels| {
            SelfAttentionConfig::new(channels)
                .with_key_channels(self.key_channels)
                .init(device)
        };
        let last = self.decoder.len().saturating_sub(1);
        let decoder = (0..self.decoder.len()).map(|index| {
            let output = if index == last {
                self.head_width
            } else {
                self.width
            };
            let kernel = if index == last {
                3
            } else {
                self.decoder_kernel
            };
            rectified(padded([self.width, output], kernel), device)
        });
        let kernel = self.bottleneck_kernel;
        GlobalStudent {
            halvings,
            bottleneck: Conv2dConfig::new([input, self.width], [kernel, kernel]).init(device),
            encoder_attention: vec![attention(self.encoder[3]), attention(self.encoder[4])],
            decoder: decoder.collect(),
            decoder_attention: if self.decoder_attention {
                vec![attention(self.width), attention(self.width)]
            } else {
                Vec::new()
            },
            position: (self.position > 0).then(|| {
                Param::from_tensor(Tensor::zeros(
                    [1, self.width, self.position, self.position],
                    device,
                ))
            }),
            head: padded([self.head_width, self.channels], self.head_kernel).init(device),
            sizes: self.decoder.clone(),
            dropout: self.dropout,
        }
    }

    /// The side of the square images it accepts.
    pub fn image_size(&self) -> usize {
        self.bottleneck_kernel << HALVINGS
    }
}

impl<B: Kernels> GlobalStudent<B> {
    /// Of the layer that sees the image: its gradient has come through all others.
    pub fn first_weight(&self) -> &Param<Tensor<B, 4>> {
        &self.halvings[0].weight
    }

    /// F_G. With `dropout` some cells are dropped; without it the network is as it will be used.
    ///
    /// # Shapes
    /// - `image`: `[B, 3, H, W]`, normalised
    /// - output: `[B, D, S, S]`, where S is the last decoder size
    pub fn forward<R: Rng>(
        &self,
        image: Tensor<B, 4>,
        mut dropout: Option<Dropout<'_, R>>,
    ) -> Tensor<B, 4> {
        let mut map = image;
        for (index, layer) in self.halvings.iter().enumerate() {
            map = B::convolve_rectified(layer, map);
            if let Some(attention) = attention_after(index, [3, 4], &self.encoder_attention) {
                map = attention.forward(map);
            }
        }
        map = B::convolve(&self.bottleneck, map);
        let last = self.sizes.len().saturating_sub(1);
        let placed = self.placed();
        for (index, (layer, &size)) in self.decoder.iter().zip(&self.sizes).enumerate() {
            map = resize(map, size);
            if let Some(position) = self.position.as_ref().filter(|_| Some(index) == placed) {
                map = map + position.val();
            }
            map = B::convolve_rectified(layer, map);
            if let Some(attention) = attention_after(index, [2, 4], &self.decoder_attention) {
                map = attention.forward(map);
            }
            if let Some(dropout) = dropout.as_mut().filter(|_| index != last) {
                map = dropout.apply(map, self.dropout);
            }
        }
        B::convolve(&self.head, map)
    }

    /// The decoder stage that knows where it is.
    fn placed(&self) -> Option<usize> {
        let cells = self.position.as_ref()?.dims()[2];
        self.sizes.iter().position(|&size| size == cells)
    }

    /// F_G as ONNX nodes.
    pub fn write(&self, graph: &mut Graph, image: &Value) -> Value {
        let mut map = image.clone();
        for (index, layer) in self.halvings.iter().enumerate() {
            map = graph.convolution(&map, &layers::convolution(layer));
            map = graph.relu(&map);
            if let Some(attention) = attention_after(index, [3, 4], &self.encoder_attention) {
                map = attention.write(graph, &map);
            }
        }
        map = graph.convolution(&map, &layers::convolution(&self.bottleneck));
        let placed = self.placed();
        for (index, (layer, &size)) in self.decoder.iter().zip(&self.sizes).enumerate() {
            map = graph.resize(&map, [size; 2]);
            if let Some(position) = self.position.as_ref().filter(|_| Some(index) == placed) {
                let position = position.val();
                let position = graph.constant_f32(&position.dims(), &layers::values(&position));
                map = graph.add(&map, &position);
            }
            map = graph.convolution(&map, &layers::convolution(layer));
            map = graph.relu(&map);
            if let Some(attention) = attention_after(index, [2, 4], &self.decoder_attention) {
                map = attention.write(graph, &map);
            }
        }
        graph.convolution(&map, &layers::convolution(&self.head))
    }
}

/// A kernel that keeps the map's size, or makes it a cell larger if its side is even.
fn padded(channels: [usize; 2], kernel: usize) -> Conv2dConfig {
    let pad = kernel / 2;
    Conv2dConfig::new(channels, [kernel, kernel])
        .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
}

fn attention_after<B: Backend>(
    index: usize,
    places: [usize; 2],
    blocks: &[SelfAttention<B>],
) -> Option<&SelfAttention<B>> {
    let place = places.iter().position(|&place| place == index)?;
    blocks.get(place)
}

/// Where the random numbers of dropout come from.
pub enum Dropout<'a, R> {
    /// A generator of ours: burn's is one per process and would make shards on several threads depend on each other.
    Host(&'a mut R),
    /// burn's own, which on a GPU draws where the numbers are needed. The caller has seeded it.
    Device,
}

impl<R: Rng> Dropout<'_, R> {
    /// Zeroes `share` of the cells and makes up for it in the others.
    fn apply<B: Backend>(&mut self, map: Tensor<B, 4>, share: f64) -> Tensor<B, 4> {
        let kept = 1.0 / (1.0 - share);
        let shape = map.dims();
        let device = map.device();
        let mask = match self {
            Dropout::Host(noise) => {
                let mask: Vec<f32> = (0..shape.iter().product())
                    .map(|_| if noise.random_bool(share) { 0.0 } else { 1.0 })
                    .collect();
                Tensor::from_data(TensorData::new(mask, shape), &device)
            }
            Dropout::Device => Tensor::random(shape, Distribution::Bernoulli(1.0 - share), &device),
        };
        map * mask.mul_scalar(kept)
    }
}
