//! A DeepLabV3+ decoder (Chen et al., 2018): atrous spatial pyramid pooling where the map is small, then the detail of the
//! stride-4 features, then classes at a quarter of the image's resolution, where the histograms are counted.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use crate::engine::{Kernels, rectified};
use crate::export::layers;
use crate::export::onnx::{Graph, Value};
use crate::maps::{MAP_SIZE, resize};

/// Channels of the decoder's layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecoderWidths {
    /// Of each pyramid branch.
    pub branch: usize,
    /// Behind the pyramid and of the two convolutions at full size.
    pub trunk: usize,
    /// That the stride-4 features are reduced to.
    pub detail: usize,
}

impl DecoderWidths {
    /// Of the `edge` profile; `examples/search_widths.rs` measures others beside them.
    pub const EDGE: Self = Self {
        branch: 32,
        trunk: 48,
        detail: 24,
    };
    pub const PAPER: Self = Self {
        branch: 256,
        trunk: 256,
        detail: 48,
    };
}

#[derive(Config, Debug)]
pub struct DecoderConfig {
    /// C, background included.
    pub classes: usize,
    /// Channels of the encoder's stride-4 and stride-16 features.
    #[config(default = "[24, 112]")]
    pub encoder: [usize; 2],
    pub widths: DecoderWidths,
    /// Dilations of the 3×3 branches. Half the paper's: on a 16×16 map eight of the nine taps of a kernel dilated
    /// by 18 would only ever read padding.
    #[config(default = "[3, 6, 9]")]
    pub rates: [usize; 3],
}

/// Convolution, batch normalisation, ReLU.
#[derive(Module, Debug)]
struct Block<B: Backend> {
    layer: Conv2d<B>,
    norm: BatchNorm<B>,
}

impl<B: Kernels> Block<B> {
    /// A kernel of 1 or 3 cells a side that keeps the map's size.
    fn new(channels: [usize; 2], kernel: usize, rate: usize, device: &B::Device) -> Self {
        let pad = kernel / 2 * rate;
        Self {
            layer: rectified(
                Conv2dConfig::new(channels, [kernel, kernel])
                    .with_dilation([rate, rate])
                    .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
                    .with_bias(false),
                device,
            ),
            norm: BatchNormConfig::new(channels[1]).init(device),
        }
    }

    fn forward(&self, map: Tensor<B, 4>) -> Tensor<B, 4> {
        B::normalise_rectified(&self.norm, B::convolve(&self.layer, map))
    }

    fn write(&self, graph: &mut Graph, map: &Value) -> Value {
        let out = graph.convolution(
            map,
            &layers::normalised_convolution(&self.layer, &self.norm),
        );
        graph.relu(&out)
    }
}

#[derive(Module, Debug)]
pub struct Decoder<B: Backend> {
    /// The 1×1 branch, then the dilated ones.
    branches: Vec<Block<B>>,
    /// On the mean over the map; a batch of single cells has no statistics to normalise by.
    pooled: Conv2d<B>,
    fuse: Block<B>,
    detail: Block<B>,
    refine: Vec<Block<B>>,
    classify: Conv2d<B>,
}

impl DecoderConfig {
    pub fn init<B: Kernels>(&self, device: &B::Device) -> Decoder<B> {
        let DecoderWidths {
            branch,
            trunk,
            detail,
        } = self.widths;
        let [stride4, stride16] = self.encoder;
        let mut branches = vec![Block::new([stride16, branch], 1, 1, device)];
        branches.extend(
            self.rates
                .map(|rate| Block::new([stride16, branch], 3, rate, device)),
        );
        let pyramid = branch * (branches.len() + 1);
        Decoder {
            branches,
            pooled: rectified(Conv2dConfig::new([stride16, branch], [1, 1]), device),
            fuse: Block::new([pyramid, trunk], 1, 1, device),
            detail: Block::new([stride4, detail], 1, 1, device),
            refine: vec![
                Block::new([trunk + detail, trunk], 3, 1, device),
                Block::new([trunk, trunk], 3, 1, device),
            ],
            classify: Conv2dConfig::new([trunk, self.classes], [1, 1]).init(device),
        }
    }
}

impl<B: Kernels> Decoder<B> {
    /// Of a layer that sees the encoder's smallest map: its gradient has come through most others.
    pub fn first_weight(&self) -> &Param<Tensor<B, 4>> {
        &self.branches[1].layer.weight
    }

    /// Logits of the classes.
    ///
    /// # Shapes
    /// - `stride4`: `[B, C4, 64, 64]`, `stride16`: `[B, C16, 16, 16]`
    /// - output: `[B, C, 64, 64]`
    pub fn forward(&self, stride4: Tensor<B, 4>, stride16: Tensor<B, 4>) -> Tensor<B, 4> {
        let size = stride16.dims()[2];
        let mut pyramid: Vec<Tensor<B, 4>> = self
            .branches
            .iter()
            .map(|branch| branch.forward(stride16.clone()))
            .collect();
        let pooled = B::convolve_rectified(&self.pooled, stride16.mean_dim(2).mean_dim(3));
        pyramid.push(pooled.repeat_dim(2, size).repeat_dim(3, size));
        let context = resize(self.fuse.forward(Tensor::cat(pyramid, 1)), MAP_SIZE);
        let joined = Tensor::cat(vec![context, self.detail.forward(stride4)], 1);
        let refined = self
            .refine
            .iter()
            .fold(joined, |map, block| block.forward(map));
        B::convolve(&self.classify, refined)
    }

    /// The same with all logits multiplied by `factor`.
    pub fn sharpened(mut self, factor: f32) -> Self {
        let Conv2d { weight, bias, .. } = self.classify.clone();
        self.classify.weight = weight.map(|weight| weight.mul_scalar(factor));
        self.classify.bias = bias.map(|bias| bias.map(|bias| bias.mul_scalar(factor)));
        self
    }

    /// The graph for one image: inputs `stride4` and `stride16`, output `logits`, `[1, C, 64, 64]`.
    pub fn to_onnx(&self) -> Vec<u8> {
        let mut graph = Graph::new("segmentation");
        let stride4_channels = self.detail.layer.weight.dims()[1];
        let stride16_channels = self.pooled.weight.dims()[1];
        let size = MAP_SIZE / 4;
        let stride4 = graph.input("stride4", &[1, stride4_channels, MAP_SIZE, MAP_SIZE]);
        let stride16 = graph.input("stride16", &[1, stride16_channels, size, size]);

        let mut pyramid: Vec<Value> = self
            .branches
            .iter()
            .map(|branch| branch.write(&mut graph, &stride16))
            .collect();
        let pooled = graph.global_average(&stride16);
        let pooled = graph.convolution(&pooled, &layers::convolution(&self.pooled));
        let pooled = graph.relu(&pooled);
        pyramid.push(graph.resize(&pooled, [size; 2]));
        let pyramid = graph.concat(&pyramid.iter().collect::<Vec<_>>());
        let context = self.fuse.write(&mut graph, &pyramid);
        let context = graph.resize(&context, [MAP_SIZE; 2]);
        let detail = self.detail.write(&mut graph, &stride4);
        let mut map = graph.concat(&[&context, &detail]);
        for block in &self.refine {
            map = block.write(&mut graph, &map);
        }
        let logits = graph.convolution(&map, &layers::convolution(&self.classify));
        graph.output("logits", &logits);
        graph.finish()
    }
}
