//! From a float network to the same one with explicit quantisation, the form that our own engine and ONNX Runtime read.
//!
//! Weights lie in the file as int8 and are dequantised by their output's scale; a map that an int8 convolution reads
//! goes through one pair of `QuantizeLinear` and `DequantizeLinear`, shared by all its readers. Zero points are 0.
//! Nothing stands between a convolution and the sum, the clamp or the join behind it, so that an engine can make them
//! one pass.

use std::collections::{BTreeMap, BTreeSet};

use aecsad_engine::onnx as pb;
use aecsad_engine::onnx::tensor_proto::DataType;

use super::graph::GraphIndex;
use super::magnitudes::Bytes;
use super::places::{self, LayerName};
use super::weights::Int8Kernel;
use crate::export::onnx::int;

/// What a convolution becomes.
#[derive(Clone, Debug)]
pub struct Int8Layer {
    pub kernel: Int8Kernel,
    /// `[outputs]`; stays float.
    pub bias: Vec<f32>,
}

/// What is quantised, and how.
#[derive(Clone, Debug, Default)]
pub struct QuantisationPlan {
    pub layers: BTreeMap<LayerName, Int8Layer>,
    /// The bytes of each tensor that may be quantised.
    pub maps: BTreeMap<String, Bytes>,
}

/// `model` with the plan's layers in int8 and all else as it is. Tensors keep their names.
///
/// A map for which the plan has no bytes stays float.
pub fn rewrite(model: &pb::ModelProto, plan: &QuantisationPlan) -> pb::ModelProto {
    let mut model = model.clone();
    let Some(graph) = model.graph.as_mut() else {
        return model;
    };
    let source = std::mem::take(&mut graph.node);
    let float = pb::GraphProto {
        node: source,
        initializer: std::mem::take(&mut graph.initializer),
        ..Default::default()
    };
    let reading = GraphIndex::new(&float);
    let layers: BTreeSet<LayerName> = plan.layers.keys().cloned().collect();
    let mut writer = GraphWriter {
        nodes: Vec::new(),
        constants: Vec::new(),
        paired: BTreeSet::new(),
    };
    let ports: BTreeSet<places::Port> = places::ports(&reading, &layers).into_iter().collect();
    for (index, node) in float.node.iter().enumerate() {
        let mut node = node.clone();
        for (slot, input) in node.input.iter_mut().enumerate() {
            if let Some(bytes) = plan.maps.get(input)
                && ports.contains(&(index, slot))
            {
                *input = writer.pair(input, *bytes);
            }
        }
        if let (Some(layer), Some(kernel)) =
            (plan.layers.get(&node.output[0]), reading.kernel(&node))
        {
            writer.kernel(&mut node, layer, kernel.shape);
        }
        writer.nodes.push(node);
    }
    let read: BTreeSet<&str> = writer
        .nodes
        .iter()
        .flat_map(|node| node.input.iter().map(String::as_str))
        .collect();
    let kept = float.initializer.iter().chain(&writer.constants);
    let kept = kept.filter(|constant| read.contains(constant.name.as_str()));
    graph.initializer = kept.cloned().collect();
    graph.node = writer.nodes;
    model
}

struct GraphWriter {
    nodes: Vec<pb::NodeProto>,
    constants: Vec<pb::TensorProto>,
    /// Tensors that have their pair.
    paired: BTreeSet<String>,
}

impl GraphWriter {
    /// The name of `tensor` once it went through quantisation.
    fn pair(&mut self, tensor: &str, bytes: Bytes) -> String {
        let [scale_name, zero, int8, back] =
            ["scale", "zero", "int8", "dequantised"].map(|part| format!("{tensor}.{part}"));
        if self.paired.insert(tensor.to_owned()) {
            self.constant(
                &scale_name,
                &[],
                DataType::Float,
                bytes.scale.to_le_bytes().into(),
            );
            let kind = match bytes.signed {
                true => DataType::Int8,
                false => DataType::Uint8,
            };
            self.constant(&zero, &[], kind, vec![0]);
            let by = [scale_name.as_str(), zero.as_str()];
            self.node("QuantizeLinear", &[tensor, by[0], by[1]], &int8, None);
            self.node("DequantizeLinear", &[&int8, by[0], by[1]], &back, None);
        }
        back
    }

    /// Gives a convolution its int8 weights, and its bias.
    fn kernel(&mut self, node: &mut pb::NodeProto, layer: &Int8Layer, shape: [usize; 4]) {
        let Int8Layer { kernel, bias } = layer;
        let outputs = [shape[0]];
        let [int8, scale, zero, back, bias_name] = [
            "weight.int8",
            "weight.scale",
            "weight.zero",
            "weight",
            "bias",
        ]
        .map(|part| format!("{}.{part}", node.output[0]));
        let steps = kernel.steps.iter().map(|step| *step as u8).collect();
        self.constant(&int8, &shape, DataType::Int8, steps);
        self.constant(&scale, &outputs, DataType::Float, bytes(&kernel.scales));
        self.constant(&zero, &outputs, DataType::Int8, vec![0; shape[0]]);
        self.constant(&bias_name, &outputs, DataType::Float, bytes(bias));
        let axis = Some(int("axis", 0));
        self.node("DequantizeLinear", &[&int8, &scale, &zero], &back, axis);
        node.input.truncate(1);
        node.input.extend([back, bias_name]);
    }

    fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attribute: Option<pb::AttributeProto>,
    ) {
        self.nodes.push(pb::NodeProto {
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: vec![output.to_owned()],
            name: output.to_owned(),
            op_type: operator.to_owned(),
            attribute: attribute.into_iter().collect(),
            ..Default::default()
        });
    }

    fn constant(&mut self, name: &str, shape: &[usize], kind: DataType, raw_data: Vec<u8>) {
        self.constants.push(pb::TensorProto {
            dims: shape.iter().map(|length| *length as i64).collect(),
            data_type: kind as i32,
            name: name.to_owned(),
            raw_data,
            ..Default::default()
        });
    }
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}
