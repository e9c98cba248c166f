//! Checks an ONNX file before the engine loads it. A signature proves who wrote a network, not that it is harmless: a
//! few bytes can request terabytes of memory. So only operators that training writes are admitted, nothing but int8
//! weights is computed at load, and no array may be larger than the file contains or a frame needs.

use std::collections::BTreeSet;

use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::cnn::Conv;

use crate::input_shape;

/// The operators that `aecsad-train`, its int8 export and the encoders' conversion write.
const OPERATORS: [&str; 27] = [
    "Add",
    "AveragePool",
    "Clip",
    "Concat",
    "Conv",
    "DequantizeLinear",
    "Div",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "MatMul",
    "MaxPool",
    "Mul",
    "QuantizeLinear",
    "ReduceMean",
    "Relu",
    "Reshape",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Transpose",
];

const MAX_NODES: usize = 4096;
/// The largest kernel size, stride, padding, dilation or axis.
const MAX_ATTRIBUTE: i64 = 64;
/// The most groups of a convolution: at most one for each channel.
const MAX_GROUP: i64 = 8192;
/// The most values of one array between two operators. The largest of the paper profile has 16 million.
const MAX_VALUES: usize = 1 << 26;
/// The most values of a convolution's im2col matrix.
pub(crate) const MAX_UNFOLDED: usize = 1 << 27;

/// The file with these bytes, if training could have written it, with `shape` in place of its input's own.
pub(crate) fn read(onnx: &[u8], shape: Option<&[usize]>) -> TractResult<ModelProto> {
    let mut file = tract_onnx::onnx().proto_model_for_read(&mut std::io::Cursor::new(onnx))?;
    check_file(&file).map_err(TractError::msg)?;
    if let Some(shape) = shape {
        input_shape::replace(&mut file, shape).map_err(TractError::msg)?;
    }
    Ok(file)
}

/// The network of an admitted file, if no array in it is larger than a frame needs.
pub(crate) fn typed(file: &ModelProto) -> TractResult<TypedModel> {
    let model = tract_onnx::onnx()
        .model_for_proto_model(file)?
        .into_typed()?;
    check_shapes(&model).map_err(TractError::msg)?;
    Ok(model)
}

/// Refuses files that training would not have written. Needs no more memory than the file.
fn check_file(model: &ModelProto) -> Result<(), String> {
    if !model.functions.is_empty() || !model.training_info.is_empty() {
        return Err("it has functions or training parts of its own".into());
    }
    let graph = model.graph.as_ref().ok_or("it has no graph")?;
    check_sizes(graph)?;
    // In old files initialisers may be listed among the inputs as well.
    let constants: BTreeSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    let inputs = graph.input.iter().map(|input| input.name.as_str());
    let mut fed: BTreeSet<&str> = inputs.filter(|name| !constants.contains(name)).collect();
    for tensor in &graph.initializer {
        check_tensor(tensor)?;
    }
    let mut weights = BTreeSet::new();
    for node in &graph.node {
        check_node(node)?;
        // Int8 weights become floats at load, four times the file's size, so each is converted once.
        let is_weight = node.op_type == "DequantizeLinear"
            && node
                .input
                .iter()
                .all(|input| constants.contains(input.as_str()))
            && weights.insert(node.input.first());
        if is_weight {
            continue;
        }
        if !node.input.iter().any(|input| fed.contains(input.as_str())) {
            return Err(format!(
                "its node `{}` does not depend on the image",
                shown(&node.name)
            ));
        }
        fed.extend(node.output.iter().map(String::as_str));
    }
    Ok(())
}

fn check_sizes(graph: &GraphProto) -> Result<(), String> {
    if graph.node.is_empty() || graph.node.len() > MAX_NODES {
        return Err(format!(
            "it has {} nodes, 1 to {MAX_NODES} are allowed",
            graph.node.len()
        ));
    }
    if !graph.sparse_initializer.is_empty() || !graph.quantization_annotation.is_empty() {
        return Err("it has sparse or annotated arrays".into());
    }
    Ok(())
}

fn check_node(node: &NodeProto) -> Result<(), String> {
    let operator = node.op_type.as_str();
    if !node.domain.is_empty() || !OPERATORS.contains(&operator) {
        return Err(format!(
            "its operator `{}` is none of ours",
            shown(operator)
        ));
    }
    for attribute in &node.attribute {
        let (name, limit) = (
            attribute.name.as_str(),
            match attribute.name.as_str() {
                "group" => MAX_GROUP,
                _ => MAX_ATTRIBUTE,
            },
        );
        let plain = attribute.t.is_none()
            && attribute.g.is_none()
            && attribute.sparse_tensor.is_none()
            && attribute.tensors.is_empty()
            && attribute.graphs.is_empty()
            && attribute.ref_attr_name.is_empty();
        let mut numbers = attribute.ints.iter().chain([&attribute.i]);
        if !plain || attribute.ints.len() > 8 || !numbers.all(|i| (-limit..=limit).contains(i)) {
            return Err(format!(
                "`{}` of its {operator} is out of bounds",
                shown(name)
            ));
        }
    }
    Ok(())
}

/// An array must be wholly in the file: not only its stated size, and not in another file.
fn check_tensor(tensor: &TensorProto) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("its array `{}` {why}", shown(&tensor.name)));
    if !tensor.external_data.is_empty() || tensor.data_location.unwrap_or(0) != 0 {
        return wrong("lies in another file");
    }
    if tensor.segment.is_some() || !tensor.string_data.is_empty() || tensor.dims.len() > 8 {
        return wrong("is no plain array");
    }
    let held = [
        tensor.raw_data.len(),
        tensor.float_data.len(),
        tensor.int32_data.len(),
        tensor.int64_data.len(),
        tensor.double_data.len(),
        tensor.uint64_data.len(),
    ];
    let held = held.into_iter().max().unwrap_or(0);
    let claimed = tensor.dims.iter().try_fold(1usize, |volume, dim| {
        volume.checked_mul(usize::try_from(*dim).ok()?)
    });
    match claimed {
        Some(claimed) if claimed <= held => Ok(()),
        _ => wrong("claims more values than it has"),
    }
}

/// Refuses shapes larger than a frame needs, before anything is computed.
fn check_shapes(model: &TypedModel) -> Result<(), String> {
    for node in model.nodes() {
        let mut positions = 1usize;
        for output in &node.outputs {
            let shape = output.fact.shape.as_concrete();
            let volume = shape.and_then(|shape| {
                let mut dims = shape.iter();
                dims.try_fold(1usize, |volume, dim| volume.checked_mul(*dim))
            });
            match volume {
                Some(volume) if volume <= MAX_VALUES => {}
                _ => {
                    return Err(format!(
                        "its node `{}` has an absurd shape",
                        shown(&node.name)
                    ));
                }
            }
            positions = shape.map_or(1, |shape| shape.iter().skip(2).product());
        }
        if let Some(convolution) = node.op_as::<Conv>() {
            let spec = &convolution.pool_spec;
            let kernel: usize = spec.kernel_shape.iter().product();
            let channels = spec.input_channels;
            let unfolded = positions
                .checked_mul(kernel)
                .and_then(|n| n.checked_mul(channels));
            if unfolded.is_none_or(|n| n > MAX_UNFOLDED) {
                return Err(format!(
                    "its convolution `{}` is absurdly large",
                    shown(&node.name)
                ));
            }
        }
    }
    Ok(())
}

/// A name from the file, made safe for a message.
fn shown(name: &str) -> String {
    name.chars().take(60).flat_map(char::escape_debug).collect()
}
