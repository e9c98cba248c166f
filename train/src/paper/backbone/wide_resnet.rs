//! WideResNet-50-2 (Zagoruyko and Komodakis, 2016) with torchvision's names and strides. It is never trained here,
//! so each batch normalisation is folded into the convolution before it when the weights are read.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::backend::Backend;
use burn::tensor::module::max_pool2d;
use burn::tensor::{Tensor, TensorData};

use crate::engine::Kernels;
use crate::export::layers;
use crate::export::onnx::{Graph, Value};
use crate::paper::weights::{StateDict, WeightsError};

/// ε of torchvision's batch normalisation.
const EPSILON: f64 = 1e-5;
/// Output channels of a block, in multiples of its stage's planes.
const EXPANSION: usize = 4;
/// Side of the images of the exported graph.
const IMAGE_SIZE: usize = 256;

#[derive(Config, Debug)]
pub struct WideResNetConfig {
    /// Channels of the first convolution, and planes of the first stage; they double from stage to stage.
    #[config(default = 64)]
    pub stem: usize,
    /// How much wider than its planes a block is inside: 2 in WideResNet-50-2.
    #[config(default = 2)]
    pub widening: usize,
    #[config(default = "[3, 4, 6, 3]")]
    pub blocks: [usize; 4],
}

impl WideResNetConfig {
    /// Channels at strides 4, 8, 16 and 32.
    pub fn channels(&self) -> [usize; 4] {
        std::array::from_fn(|stage| (self.stem << stage) * EXPANSION)
    }

    /// Each convolution with the names of its tensors: convolution, batch normalisation, `[out, in, k, k]`, stride.
    fn layers(&self) -> Vec<TorchvisionName> {
        let mut layers = vec![TorchvisionName::new("conv1", "bn1", [self.stem, 3], 7, 2)];
        let mut input = self.stem;
        for (stage, &blocks) in self.blocks.iter().enumerate() {
            let planes = self.stem << stage;
            let width = planes * self.widening;
            let output = planes * EXPANSION;
            for block in 0..blocks {
                let stride = if block == 0 && stage > 0 { 2 } else { 1 };
                let at = format!("layer{}.{block}", stage + 1);
                let name = |what: &str| format!("{at}.{what}");
                let mut add = |conv: &str, norm: &str, channels, kernel, stride| {
                    let layer =
                        TorchvisionName::new(&name(conv), &name(norm), channels, kernel, stride);
                    layers.push(layer);
                };
                add("conv1", "bn1", [width, input], 1, 1);
                add("conv2", "bn2", [width, width], 3, stride);
                add("conv3", "bn3", [output, width], 1, 1);
                if block == 0 {
                    add("downsample.0", "downsample.1", [output, input], 1, stride);
                }
                input = output;
            }
        }
        layers
    }

    /// Takes every layer out of `state` and folds the batch normalisations away.
    ///
    /// # Errors
    /// If a tensor is missing, has another shape, or is left over; the classifier `fc` may be there.
    pub fn load<B: Backend>(
        &self,
        mut state: StateDict,
        device: &B::Device,
    ) -> Result<WideResNet<B>, WeightsError> {
        let mut layers = Vec::new();
        for name in self.layers() {
            layers.push(name.take::<B>(&mut state, device)?);
        }
        state.finish(|name| name == "fc.weight" || name == "fc.bias")?;
        let mut layers = layers.into_iter();
        let mut next = || layers.next().expect("as many layers as names");
        let stem = next();
        let stages = self
            .blocks
            .iter()
            .map(|&blocks| {
                let block = |index| Bottleneck {
                    reduce: next(),
                    spatial: next(),
                    expand: next(),
                    shortcut: (index == 0).then(&mut next),
                };
                (0..blocks).map(block).collect()
            })
            .collect();
        Ok(WideResNet { stem, stages })
    }

    /// Names and shapes of all tensors that [`load`](Self::load) takes.
    pub(super) fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let mut tensors = Vec::new();
        for layer in self.layers() {
            tensors.push((format!("{}.weight", layer.conv), layer.shape().to_vec()));
            for part in ["weight", "bias", "running_mean", "running_var"] {
                tensors.push((format!("{}.{part}", layer.norm), vec![layer.channels[0]]));
            }
        }
        tensors
    }
}

/// How torchvision calls one convolution and the normalisation behind it.
struct TorchvisionName {
    conv: String,
    norm: String,
    /// Out, in.
    channels: [usize; 2],
    kernel: usize,
    stride: usize,
}

impl TorchvisionName {
    fn new(conv: &str, norm: &str, channels: [usize; 2], kernel: usize, stride: usize) -> Self {
        Self {
            conv: conv.into(),
            norm: norm.into(),
            channels,
            kernel,
            stride,
        }
    }

    fn shape(&self) -> [usize; 4] {
        let [output, input] = self.channels;
        [output, input, self.kernel, self.kernel]
    }

    fn take<B: Backend>(
        &self,
        state: &mut StateDict,
        device: &B::Device,
    ) -> Result<Conv2d<B>, WeightsError> {
        let [output, input] = self.channels;
        let mut weight = state.take(&format!("{}.weight", self.conv), &self.shape())?;
        let mut norm = |part: &str| state.take(&format!("{}.{part}", self.norm), &[output]);
        let (gamma, beta) = (norm("weight")?, norm("bias")?);
        let (mean, variance) = (norm("running_mean")?, norm("running_var")?);
        let mut bias = Vec::with_capacity(output);
        for (channel, kernel) in weight.chunks_mut(input * self.kernel.pow(2)).enumerate() {
            let scale = gamma[channel] as f64 / (variance[channel] as f64 + EPSILON).sqrt();
            kernel
                .iter_mut()
                .for_each(|value| *value = (*value as f64 * scale) as f32);
            bias.push((beta[channel] as f64 - mean[channel] as f64 * scale) as f32);
        }
        let pad = self.kernel / 2;
        // Zeros first: drawing 69 million random weights to throw them away takes seconds.
        let mut layer = Conv2dConfig::new([input, output], [self.kernel, self.kernel])
            .with_stride([self.stride, self.stride])
            .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
            .with_initializer(burn::module::Initializer::Zeros)
            .init(device);
        let weight = Tensor::from_data(TensorData::new(weight, self.shape()), device);
        layer.weight = Param::from_tensor(weight).set_require_grad(false);
        let bias = Tensor::from_data(TensorData::new(bias, [output]), device);
        layer.bias = Some(Param::from_tensor(bias).set_require_grad(false));
        Ok(layer)
    }
}

#[derive(Module, Debug)]
struct Bottleneck<B: Backend> {
    reduce: Conv2d<B>,
    spatial: Conv2d<B>,
    expand: Conv2d<B>,
    shortcut: Option<Conv2d<B>>,
}

impl<B: Kernels> Bottleneck<B> {
    fn forward(&self, map: Tensor<B, 4>) -> Tensor<B, 4> {
        let inner = B::convolve_rectified(&self.reduce, map.clone());
        let inner = B::convolve_rectified(&self.spatial, inner);
        let passed = match &self.shortcut {
            Some(shortcut) => B::convolve(shortcut, map),
            None => map,
        };
        relu(B::convolve(&self.expand, inner) + passed)
    }

    fn write(&self, graph: &mut Graph, map: &Value) -> Value {
        let inner = graph.convolution(map, &layers::convolution(&self.reduce));
        let inner = graph.relu(&inner);
        let inner = graph.convolution(&inner, &layers::convolution(&self.spatial));
        let inner = graph.relu(&inner);
        let expanded = graph.convolution(&inner, &layers::convolution(&self.expand));
        let passed = match &self.shortcut {
            Some(shortcut) => graph.convolution(map, &layers::convolution(shortcut)),
            None => map.clone(),
        };
        let sum = graph.add(&expanded, &passed);
        graph.relu(&sum)
    }
}

/// The network without its classifier.
#[derive(Module, Debug)]
pub struct WideResNet<B: Backend> {
    stem: Conv2d<B>,
    stages: Vec<Vec<Bottleneck<B>>>,
}

/// What the first three stages say of a batch.
#[derive(Clone, Debug)]
pub struct FeatureMaps<B: Backend> {
    /// `[B, C4, H/4, W/4]`, 256 channels in WideResNet-50-2.
    pub stride4: Tensor<B, 4>,
    /// `[B, C8, H/8, W/8]`, 512 channels.
    pub stride8: Tensor<B, 4>,
    /// `[B, C16, H/16, W/16]`, 1024 channels.
    pub stride16: Tensor<B, 4>,
}

impl<B: Kernels> WideResNet<B> {
    /// # Shapes
    /// - `image`: `[B, 3, H, W]`, normalised by ImageNet's mean and standard deviation
    pub fn forward(&self, image: Tensor<B, 4>) -> FeatureMaps<B> {
        let map = B::convolve_rectified(&self.stem, image);
        let map = max_pool2d(map, [3, 3], [2, 2], [1, 1], [1, 1], false);
        let stride4 = self.stage(0, map);
        let stride8 = self.stage(1, stride4.clone());
        let stride16 = self.stage(2, stride8.clone());
        FeatureMaps {
            stride4,
            stride8,
            stride16,
        }
    }

    /// The last stage, `[B, C32, H/32, W/32]`: what components are distinguished by (2048 channels).
    pub fn stride32(&self, stride16: Tensor<B, 4>) -> Tensor<B, 4> {
        self.stage(3, stride16)
    }

    fn stage(&self, stage: usize, map: Tensor<B, 4>) -> Tensor<B, 4> {
        self.stages[stage]
            .iter()
            .fold(map, |map, block| block.forward(map))
    }

    /// The graph that describes crops: input `crops`, `[batch, 3, side, side]`; output `features`, the last stage averaged over
    /// space, `[batch, C32]`.
    pub fn crops_to_onnx(&self, batch: usize, side: usize) -> Vec<u8> {
        let mut graph = Graph::new("crops");
        let crops = graph.input("crops", &[batch, 3, side, side]);
        let map = graph.convolution(&crops, &layers::convolution(&self.stem));
        let map = graph.relu(&map);
        let map = graph.max_pool(&map, [3, 3], [2, 2], [1, 1]);
        let blocks = self.stages.iter().flatten();
        let map = blocks.fold(map, |map, block| block.write(&mut graph, &map));
        let mean = graph.global_average(&map);
        let mean = graph.reshape(&mean, &[batch, map.shape()[1]]);
        graph.output("features", &mean);
        graph.finish()
    }

    /// The graph for one 256×256 image: input `image`; outputs `stride4`, `stride8`, `stride16`.
    pub fn to_onnx(&self) -> Vec<u8> {
        let mut graph = Graph::new("encoder");
        let image = graph.input("image", &[1, 3, IMAGE_SIZE, IMAGE_SIZE]);
        let map = graph.convolution(&image, &layers::convolution(&self.stem));
        let map = graph.relu(&map);
        let mut map = graph.max_pool(&map, [3, 3], [2, 2], [1, 1]);
        for (blocks, name) in self.stages.iter().zip(["stride4", "stride8", "stride16"]) {
            map = blocks
                .iter()
                .fold(map, |map, block| block.write(&mut graph, &map));
            graph.output(name, &map);
        }
        graph.finish()
    }
}
