//! Self-attention over the cells of a map (paper, eq. 5), added to its input. It is what lets the global student
//! compare distant parts of the product.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::engine::Kernels;
use crate::export::layers;
use crate::export::onnx::{Graph, Value};

/// Queries that the exported graph answers at once: with the 64×64 cells of the largest map their affinities take
/// 8 MB, where all at once would take 64.
const QUERIES_AT_ONCE: usize = 512;

#[derive(Config, Debug)]
pub struct SelfAttentionConfig {
    /// Channels in and out.
    pub channels: usize,
    /// d_k: channels of the queries and keys.
    #[config(default = 16)]
    pub key_channels: usize,
}

/// One head; queries, keys and values are 1×1 convolutions.
#[derive(Module, Debug)]
pub struct SelfAttention<B: Backend> {
    query: Conv2d<B>,
    key: Conv2d<B>,
    value: Conv2d<B>,
    /// How much of the attended map is added; starts at 0, so that training starts from a plain network.
    gain: Param<Tensor<B, 1>>,
}

impl SelfAttentionConfig {
    pub fn init<B: Backend>(&self, device: &B::Device) -> SelfAttention<B> {
        let pointwise = |output| Conv2dConfig::new([self.channels, output], [1, 1]).init(device);
        SelfAttention {
            query: pointwise(self.key_channels),
            key: pointwise(self.key_channels),
            value: pointwise(self.channels),
            gain: Param::from_tensor(Tensor::zeros([1], device)),
        }
    }
}

impl<B: Kernels> SelfAttention<B> {
    /// # Shapes
    /// - input and output: `[B, C, H, W]`
    pub fn forward(&self, map: Tensor<B, 4>) -> Tensor<B, 4> {
        let [batch, channels, height, width] = map.dims();
        let cells = height * width;
        let flat = |layer: &Conv2d<B>| {
            let out = B::convolve(layer, map.clone());
            let depth = out.dims()[1];
            out.reshape([batch, depth, cells])
        };
        let queries = flat(&self.query);
        let scale = 1.0 / (queries.dims()[1] as f32).sqrt();
        let inputs = [
            queries.mul_scalar(scale),
            flat(&self.key),
            flat(&self.value),
        ];
        let attended = B::attend(inputs).reshape([batch, channels, height, width]);
        map + attended * self.gain.val().reshape([1, 1, 1, 1])
    }

    /// The same for one image, with no transposition: `Gemm` reads its operands either way round. The scale 1/√d_k
    /// and the gain are folded into the projections. A map of many cells is answered a few rows at a time, so that
    /// the affinities of all cells to all cells never stand in memory together.
    pub fn write(&self, graph: &mut Graph, map: &Value) -> Value {
        let mut query = layers::convolution(&self.query);
        let mut value = layers::convolution(&self.value);
        let depth = query.weight_shape[0];
        let channels = value.weight_shape[0];
        let scale = 1.0 / (depth as f32).sqrt();
        let gain = layers::values(&self.gain.val())[0];
        query.rescale(&vec![scale; depth], &vec![0.0; depth]);
        value.rescale(&vec![gain; channels], &vec![0.0; channels]);

        let shape = map.shape().to_vec();
        let [height, width] = [shape[2], shape[3]];
        let queries = graph.convolution(map, &query);
        let keys = graph.convolution(map, &layers::convolution(&self.key));
        let keys = graph.reshape(&keys, &[depth, height * width]);
        let values = graph.convolution(map, &value);
        let values = graph.reshape(&values, &[channels, height * width]);

        let rows = (QUERIES_AT_ONCE / width).clamp(1, height);
        let mut attended = Vec::new();
        for from in (0..height).step_by(rows) {
            let to = (from + rows).min(height);
            let query = if to - from == height {
                queries.clone()
            } else {
                graph.rows(&queries, from, to)
            };
            let query = graph.reshape(&query, &[depth, (to - from) * width]);
            let affinity = graph.transposed_product(&query, &keys);
            let weights = graph.softmax(&affinity);
            let answer = graph.product_transposed(&values, &weights);
            attended.push(graph.reshape(&answer, &[1, channels, to - from, width]));
        }
        let attended = match &attended[..] {
            [whole] => whole.clone(),
            parts => graph.concat_along(2, &parts.iter().collect::<Vec<_>>()),
        };
        graph.add(map, &attended)
    }
}
