//! Int8 weights, read from the file before tract loads it.

use std::collections::HashMap;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto};

/// A layer's weights as the file has them.
#[derive(Clone, Debug)]
pub(crate) struct Int8Weights {
    /// `[outputs, inputs, height, width]`
    pub values: Vec<i8>,
    /// `[outputs]`: the value of one step.
    pub scales: Vec<f32>,
}

impl Int8Weights {
    /// As floats.
    fn floats(&self) -> impl Iterator<Item = f32> {
        let of_output = self.values.len() / self.scales.len();
        let of_outputs = self.values.chunks_exact(of_output).zip(&self.scales);
        of_outputs
            .flat_map(|(values, scale)| values.iter().map(move |value| f32::from(*value) * scale))
    }

    /// Whether these are the dequantised weights.
    pub(crate) fn are(&self, floats: &[f32]) -> bool {
        floats.len() == self.values.len() && self.floats().zip(floats).all(|(a, b)| a == *b)
    }
}

/// Replaces each DequantizeLinear of a weight by the floats it makes, under the same name, and gives the bytes of those
/// by that name. tract computes with the floats where no kernel of ours takes the bytes.
pub(crate) fn take(model: &mut ModelProto) -> HashMap<String, Int8Weights> {
    let mut taken = HashMap::new();
    let Some(graph) = model.graph.as_mut() else {
        return taken;
    };
    for index in (0..graph.node.len()).rev() {
        let Some((floats, weights)) = dequantised(graph, &graph.node[index]) else {
            continue;
        };
        taken.insert(floats.name.clone(), weights);
        graph.initializer.push(floats);
        graph.node.remove(index);
    }
    let read: std::collections::HashSet<String> = graph
        .node
        .iter()
        .flat_map(|node| node.input.clone())
        .collect();
    graph
        .initializer
        .retain(|tensor| read.contains(&tensor.name));
    taken
}

/// What a node makes of a constant of symmetric bytes with a scale for each output.
fn dequantised(graph: &GraphProto, node: &NodeProto) -> Option<(TensorProto, Int8Weights)> {
    if node.op_type != "DequantizeLinear" {
        return None;
    }
    let constant = |index: usize| {
        let name = node.input.get(index)?;
        graph.initializer.iter().find(|tensor| tensor.name == *name)
    };
    let (bytes, scales) = (constant(0)?, constant(1)?);
    let axis = node
        .attribute
        .iter()
        .find(|attribute| attribute.name == "axis");
    let outputs = usize::try_from(*bytes.dims.first()?).ok()?;
    let values: Vec<i8> = bytes.raw_data.iter().map(|byte| *byte as i8).collect();
    let scales = floats(scales)?;
    let is_symmetric = match node.input.get(2) {
        Some(_) => constant(2)?.raw_data.iter().all(|byte| *byte == 0),
        None => true,
    };
    let is_ours = bytes.data_type == DataType::Int8 as i32
        && bytes.dims.len() == 4
        && axis.is_some_and(|axis| axis.i == 0)
        && is_symmetric
        && outputs > 0
        && scales.len() == outputs
        && !values.is_empty()
        && values.len().is_multiple_of(outputs)
        && !values.contains(&i8::MIN);
    if !is_ours {
        return None;
    }
    let weights = Int8Weights { values, scales };
    let floats = TensorProto {
        dims: bytes.dims.clone(),
        data_type: DataType::Float as i32,
        name: node.output.first()?.clone(),
        raw_data: weights.floats().flat_map(f32::to_le_bytes).collect(),
        ..Default::default()
    };
    Some((floats, weights))
}

fn floats(tensor: &TensorProto) -> Option<Vec<f32>> {
    let is_float = tensor.data_type == DataType::Float as i32;
    let (values, rest) = tensor.raw_data.as_chunks::<4>();
    let raw = || {
        values
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    };
    match (is_float && rest.is_empty(), tensor.float_data.is_empty()) {
        (false, _) => None,
        (true, true) => Some(raw()),
        (true, false) => Some(tensor.float_data.clone()),
    }
}
