//! One network, quantised: ranges from good images, the search that fits its outputs best, and back to float for the
//! layers that cost the outputs most.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use aecsad_engine::onnx as pb;
use prost::Message;

use super::QuantiseError;
use super::agreement::{Agreement, compare};
use super::graph::{ConvolutionKernel, GraphIndex};
use super::magnitudes::{Search, Signs};
use super::observe::{Observed, Sample};
use super::places::{self, LayerName};
use super::rewrite::{Int8Layer, QuantisationPlan, rewrite};
use super::statistics::{self, Tensor};
use super::weights::Int8Kernel;

/// What an int8 network must reach.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Requirement {
    pub signs: Signs,
    /// Signal to quantisation noise that every output must reach on held-out images; layers stay float until it does.
    pub least_sqnr_db: f64,
}

impl Requirement {
    /// What loses nothing on most products.
    pub fn usual(signs: Signs) -> Self {
        Requirement {
            signs,
            least_sqnr_db: 25.0,
        }
    }
}

/// What it costs to read or write one value of a map, counted in multiplications: a float map has four times the bytes.
const COST_OF_A_VALUE: usize = 8;
/// Held-out images on which each layer's own noise is measured; only the order of the layers matters.
const TRIAL_IMAGES: usize = 4;

/// A quantised network and how it came about.
pub struct Quantised {
    pub onnx: Vec<u8>,
    pub search: Search,
    /// The convolutions in int8, in the graph's order.
    pub int8: Vec<LayerName>,
    /// Those that could be and stay float for the outputs' sake, in the order in which they were given up.
    pub kept_float: Vec<LayerName>,
}

/// Quantises the network `name`, whose file is `onnx`.
///
/// Ranges come from `good`, images that it was trained on. The search and the layers that stay float are chosen by how
/// well its outputs agree with the float network's on `held_out`, which gave no range.
///
/// # Errors
/// A file that is no network of ours, is quantised already, or computes what is no number on a good image.
pub fn quantise(
    name: &str,
    onnx: &[u8],
    good: &[Sample],
    held_out: &[Sample],
    requirement: Requirement,
    cancel: &AtomicBool,
) -> Result<Quantised, QuantiseError> {
    check_float(name, onnx)?;
    let model = decode(name, onnx)?;
    let graph = model.graph.clone().unwrap_or_default();
    let reading = GraphIndex::new(&graph);
    let all: Vec<LayerName> = places::convolutions(&reading);
    let set: BTreeSet<LayerName> = all.iter().cloned().collect();
    let tensors = places::tensors(&reading, &places::ports(&reading, &set));
    let tensors: Vec<String> = tensors.into_iter().collect();
    let seen = statistics::collect(name, &model, &tensors, good, cancel)?;

    let trials = Trials {
        name,
        model: &model,
        outputs: graph
            .output
            .iter()
            .map(|output| output.name.clone())
            .collect(),
        cancel,
    };
    let [percentile, least_error] = Search::ALL.map(|search| {
        let plan = plan(&reading, &all, &seen, (search, requirement.signs));
        let outputs = trials.outputs(&plan, held_out)?;
        Ok::<_, QuantiseError>((search, plan, outputs))
    });
    let (percentile, least_error) = (percentile?, least_error?);
    let is_better = worst(&least_error.2).1 > worst(&percentile.2).1;
    let (search, mut plan, mut outputs) = if is_better { least_error } else { percentile };
    let mut kept_float = Vec::new();
    if worst(&outputs).1 < requirement.least_sqnr_db {
        let trial = &held_out[..held_out.len().min(TRIAL_IMAGES)];
        let costs = trials.costs(&reading, &all)?;
        let mut alone = trials.alone(&plan, trial)?;
        while worst(&outputs).1 < requirement.least_sqnr_db {
            let (output, _) = worst(&outputs);
            // Noise taken from the worst output for what it costs.
            let worth = |(layer, outputs): &(LayerName, Vec<Agreement>)| {
                let noise = 10f64.powf(-outputs[output].sqnr_db / 10.0);
                noise / costs.get(layer).copied().unwrap_or(1.0).max(1.0)
            };
            let most =
                (0..alone.len()).max_by(|a, b| worth(&alone[*a]).total_cmp(&worth(&alone[*b])));
            let Some(most) = most else {
                break;
            };
            let (layer, _) = alone.remove(most);
            plan.layers.remove(&layer);
            kept_float.push(layer);
            outputs = trials.outputs(&plan, held_out)?;
        }
    }
    Ok(Quantised {
        onnx: rewrite(&model, &plan).encode_to_vec(),
        search,
        int8: all
            .into_iter()
            .filter(|layer| plan.layers.contains_key(layer))
            .collect(),
        kept_float,
    })
}

/// # Errors
/// If the network in `onnx` is quantised, or is no network.
pub fn check_float(name: &str, onnx: &[u8]) -> Result<(), QuantiseError> {
    match is_quantised(&decode(name, onnx)?.graph.unwrap_or_default()) {
        true => Err(QuantiseError::Quantised {
            network: name.to_owned(),
        }),
        false => Ok(()),
    }
}

fn is_quantised(graph: &pb::GraphProto) -> bool {
    graph
        .node
        .iter()
        .any(|node| node.op_type == "QuantizeLinear")
}

/// An ONNX file's messages.
pub(super) fn decode(name: &str, onnx: &[u8]) -> Result<pb::ModelProto, QuantiseError> {
    pb::ModelProto::decode(onnx).map_err(|source| QuantiseError::NotOnnx {
        network: name.to_owned(),
        source,
    })
}

fn plan(
    reading: &GraphIndex<'_>,
    layers: &[LayerName],
    seen: &BTreeMap<String, Tensor>,
    (search, signs): (Search, Signs),
) -> QuantisationPlan {
    let int8 = |layer: &LayerName| {
        let node = &reading.nodes[reading.maker(layer)?];
        let kernel = reading.kernel(node)?;
        let steps = Int8Kernel::new(&kernel);
        let means = seen.get(&node.input[0])?.channel_means();
        let bias = corrected_bias(&kernel, &steps, &means);
        let int8 = Int8Layer {
            kernel: steps,
            bias,
        };
        Some((layer.clone(), int8))
    };
    let maps = seen.iter();
    QuantisationPlan {
        layers: layers.iter().filter_map(int8).collect(),
        maps: maps
            .map(|(tensor, seen)| (tensor.clone(), seen.magnitudes.bytes(search, signs)))
            .collect(),
    }
}

/// Rounding the weights shifts an output's mean by the excess times the inputs' means; the bias takes that back (Nagel
/// et al. 2019, section 4.2). Padding, which makes the shift smaller at the border, is left out of it.
fn corrected_bias(kernel: &ConvolutionKernel, int8: &Int8Kernel, means: &[f64]) -> Vec<f32> {
    let inputs = kernel.shape[1];
    let of_group = kernel.outputs() / kernel.groups;
    let shift = |output: usize, excess: &[f64]| -> f64 {
        let first = output / of_group.max(1) * inputs;
        let pairs = excess.iter().zip(means.iter().skip(first));
        pairs.map(|(excess, mean)| excess * mean).sum()
    };
    let excess = int8.excess(kernel);
    let outputs = kernel.bias.iter().zip(&excess).enumerate();
    outputs
        .map(|(output, (bias, excess))| (f64::from(*bias) - shift(output, excess)) as f32)
        .collect()
}

/// Plans tried against the float network.
struct Trials<'a> {
    name: &'a str,
    model: &'a pb::ModelProto,
    outputs: Vec<String>,
    cancel: &'a AtomicBool,
}

impl Trials<'_> {
    fn outputs(
        &self,
        plan: &QuantisationPlan,
        samples: &[Sample],
    ) -> Result<Vec<Agreement>, QuantiseError> {
        let float = Observed::new(self.name, self.model, &self.outputs)?;
        let int8 = Observed::new(self.name, &rewrite(self.model, plan), &self.outputs)?;
        compare(&float, &int8, samples, self.cancel)
    }

    /// What each convolution costs, counted in multiplications.
    fn costs(
        &self,
        reading: &GraphIndex<'_>,
        layers: &[LayerName],
    ) -> Result<BTreeMap<LayerName, f64>, QuantiseError> {
        let node = |layer: &LayerName| reading.maker(layer).map(|index| &reading.nodes[index]);
        let inputs = layers
            .iter()
            .filter_map(|layer| Some(node(layer)?.input[0].clone()));
        let tensors: Vec<String> = layers.iter().cloned().chain(inputs).collect();
        let float = Observed::new(self.name, self.model, &tensors)?;
        let cost = |(index, layer): (usize, &LayerName)| {
            let kernel = reading.kernel(node(layer)?)?;
            let [output, input] = [index, index + layers.len()].map(|index| float.shape(index));
            let cells: usize = output.iter().skip(2).product();
            let values = output.iter().product::<usize>() + input.iter().product::<usize>();
            let cost = kernel.weights.len() * cells + COST_OF_A_VALUE * values;
            Some((layer.clone(), cost as f64))
        };
        Ok(layers.iter().enumerate().filter_map(cost).collect())
    }

    /// The outputs with each of the plan's layers quantised alone.
    fn alone(
        &self,
        plan: &QuantisationPlan,
        samples: &[Sample],
    ) -> Result<Vec<(LayerName, Vec<Agreement>)>, QuantiseError> {
        let mut outputs = Vec::with_capacity(plan.layers.len());
        for (layer, int8) in &plan.layers {
            let alone = QuantisationPlan {
                layers: BTreeMap::from([(layer.clone(), int8.clone())]),
                maps: plan.maps.clone(),
            };
            outputs.push((layer.clone(), self.outputs(&alone, samples)?));
        }
        Ok(outputs)
    }
}

/// The output that agrees least, by its index, and its decibels.
fn worst(outputs: &[Agreement]) -> (usize, f64) {
    let decibels = outputs.iter().map(|output| output.sqnr_db).enumerate();
    decibels
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap_or((0, f64::INFINITY))
}
