//! The global student: an autoencoder through a single cell, with self-attention where the map is small. Whatever
//! it reproduces it must have understood as a whole; an arrangement never seen comes out as one that was.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use rand::Rng;
use rand::RngExt;

use super::attention::{SelfAttention, SelfAttentionConfig};
use crate::engine::rectified;
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
    /// Where the decoder first has this many cells a side it adds a learned map: a decoder that grows from one cell
    /// has nothing but its padding to tell it where it is, and takes thousands of steps to make use of that.
    #[config(default = 16)]
    pub position: usize,
    /// Self-attention after the 3rd and 5th decoder convolution too; quadratic in the cells.
    #[config(default = false)]
    pub decoder_attention: bool,
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
    position: Param<Tensor<B, 4>>,
    head: Conv2d<B>,
    sizes: Vec<usize>,
    dropout: f64,
}

impl GlobalStudentConfig {
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
        let attention = |channels| SelfAttentionConfig::new(channels).init(device);
        let last = self.decoder.len().saturating_sub(1);
        let decoder = (0..self.decoder.len()).map(|index| {
            let output = if index == last {
                self.head_width
            } else {
                self.width
            };
            let layer = Conv2dConfig::new([self.width, output], [3, 3])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
            rectified(layer, device)
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
            position: Param::from_tensor(Tensor::zeros(
                [1, self.width, self.position, self.position],
                device,
            )),
            head: Conv2dConfig::new([self.head_width, self.channels], [1, 1]).init(device),
            sizes: self.decoder.clone(),
            dropout: self.dropout,
        }
    }

    /// The side of the square images it accepts.
    pub fn image_size(&self) -> usize {
        self.bottleneck_kernel << HALVINGS
    }
}

impl<B: Backend> GlobalStudent<B> {
    /// F_G. With `noise` dropout acts; without it the network is as it will be used.
    ///
    /// # Shapes
    /// - `image`: `[B, 3, H, W]`, normalised
    /// - output: `[B, D, S, S]`, where S is the last decoder size
    pub fn forward<R: Rng>(&self, image: Tensor<B, 4>, mut noise: Option<&mut R>) -> Tensor<B, 4> {
        let mut map = image;
        for (index, layer) in self.halvings.iter().enumerate() {
            map = relu(layer.forward(map));
            if let Some(attention) = attention_after(index, [3, 4], &self.encoder_attention) {
                map = attention.forward(map);
            }
        }
        map = self.bottleneck.forward(map);
        let last = self.sizes.len().saturating_sub(1);
        let placed = self.placed();
        for (index, (layer, &size)) in self.decoder.iter().zip(&self.sizes).enumerate() {
            map = resize(map, size);
            if Some(index) == placed {
                map = map + self.position.val();
            }
            map = relu(layer.forward(map));
            if let Some(attention) = attention_after(index, [2, 4], &self.decoder_attention) {
                map = attention.forward(map);
            }
            if let Some(noise) = noise.as_deref_mut().filter(|_| index != last) {
                map = drop_out(map, self.dropout, noise);
            }
        }
        self.head.forward(map)
    }

    /// The decoder stage that is told where it is.
    fn placed(&self) -> Option<usize> {
        let cells = self.position.dims()[2];
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
            if Some(index) == placed {
                let position = self.position.val();
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

fn attention_after<B: Backend>(
    index: usize,
    places: [usize; 2],
    blocks: &[SelfAttention<B>],
) -> Option<&SelfAttention<B>> {
    let place = places.iter().position(|&place| place == index)?;
    blocks.get(place)
}

/// Dropout from a generator of ours: burn's is one per process and would make shards depend on each other.
fn drop_out<B: Backend, R: Rng>(map: Tensor<B, 4>, share: f64, noise: &mut R) -> Tensor<B, 4> {
    let kept = (1.0 / (1.0 - share)) as f32;
    let shape = map.dims();
    let mask: Vec<f32> = (0..shape.iter().product())
        .map(|_| if noise.random_bool(share) { 0.0 } else { kept })
        .collect();
    let device = map.device();
    map * Tensor::from_data(TensorData::new(mask, shape), &device)
}
