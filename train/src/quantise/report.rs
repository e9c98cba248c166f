//! What quantising a network costs: the agreement of each convolution and each output with the float network, on images
//! that were not used to quantise it.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use serde::Serialize;

use super::QuantiseError;
use super::agreement::{Agreement, compare};
use super::graph::{ConvolutionKernel, GraphIndex};
use super::magnitudes::Search;
use super::network::{Quantised, decode};
use super::observe::{Observed, Sample};

/// One network against its float twin.
#[derive(Clone, Debug, Serialize)]
pub struct NetworkReport {
    pub network: String,
    /// How ranges were found.
    pub search: Search,
    pub float_bytes: usize,
    pub int8_bytes: usize,
    /// Share of the convolutions' multiplications that are int8.
    pub int8_share: f64,
    pub outputs: Vec<OutputReport>,
    pub layers: Vec<LayerReport>,
}

#[derive(Clone, Debug, Serialize)]
pub struct OutputReport {
    pub output: String,
    #[serde(flatten)]
    pub agreement: Agreement,
}

/// One convolution.
#[derive(Clone, Debug, Serialize)]
pub struct LayerReport {
    pub layer: String,
    /// Its kind, kernel and channels.
    pub shape: String,
    pub multiplications: usize,
    pub precision: LayerPrecision,
    /// Of what it makes, with everything before it quantised too.
    #[serde(flatten)]
    pub agreement: Agreement,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerPrecision {
    Int8,
    /// Its noise would cost the outputs more than is allowed.
    FloatForTheOutputs,
    /// Too few channels, or a kind that has no int8 kernel.
    Float,
}

impl NetworkReport {
    /// Compares `quantised` with the float network in `onnx` on `samples`.
    pub fn measure(
        name: &str,
        onnx: &[u8],
        quantised: &Quantised,
        samples: &[Sample],
        cancel: &AtomicBool,
    ) -> Result<Self, QuantiseError> {
        let (float, int8) = (decode(name, onnx)?, decode(name, &quantised.onnx)?);
        let graph = float.graph.clone().unwrap_or_default();
        let reading = GraphIndex::new(&graph);
        let kernels: BTreeMap<usize, ConvolutionKernel> = graph
            .node
            .iter()
            .enumerate()
            .filter_map(|(index, node)| Some((index, reading.kernel(node)?)))
            .collect();
        let outputs = graph.output.iter().map(|output| output.name.clone());
        let outputs: Vec<String> = outputs.collect();
        let layers = kernels
            .keys()
            .map(|index| graph.node[*index].output[0].clone());
        let tensors: Vec<String> = outputs.iter().cloned().chain(layers).collect();
        let float = Observed::new(name, &float, &tensors)?;
        let agreements = compare(
            &float,
            &Observed::new(name, &int8, &tensors)?,
            samples,
            cancel,
        )?;
        let (of_outputs, of_layers) = agreements.split_at(outputs.len().min(agreements.len()));
        let layers: Vec<LayerReport> = kernels
            .values()
            .zip(tensors.iter().enumerate().skip(outputs.len()))
            .zip(of_layers)
            .map(|((kernel, (index, layer)), agreement)| {
                let cells: usize = float.shape(index).iter().skip(2).product();
                LayerReport {
                    layer: layer.clone(),
                    shape: shape(kernel),
                    multiplications: kernel.weights.len() * cells,
                    precision: if quantised.int8.contains(layer) {
                        LayerPrecision::Int8
                    } else if quantised.kept_float.contains(layer) {
                        LayerPrecision::FloatForTheOutputs
                    } else {
                        LayerPrecision::Float
                    },
                    agreement: *agreement,
                }
            })
            .collect();
        let multiplications = |precision: Option<LayerPrecision>| -> usize {
            let of = layers
                .iter()
                .filter(|l| precision.is_none_or(|p| l.precision == p));
            of.map(|layer| layer.multiplications).sum()
        };
        let int8_share = multiplications(Some(LayerPrecision::Int8)) as f64
            / multiplications(None).max(1) as f64;
        Ok(Self {
            network: name.to_owned(),
            search: quantised.search,
            float_bytes: onnx.len(),
            int8_bytes: quantised.onnx.len(),
            int8_share,
            outputs: outputs
                .into_iter()
                .zip(of_outputs)
                .map(|(output, agreement)| OutputReport {
                    output,
                    agreement: *agreement,
                })
                .collect(),
            layers,
        })
    }
}

fn shape(kernel: &ConvolutionKernel) -> String {
    let [_, _, height, width] = kernel.shape;
    match kernel.is_depthwise() {
        true => format!("depthwise {height}×{width}, {} channels", kernel.outputs()),
        false => format!(
            "{height}×{width}, {} to {} channels",
            kernel.inputs(),
            kernel.outputs()
        ),
    }
}
