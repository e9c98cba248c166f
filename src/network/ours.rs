//! Whether an ONNX file can be one of ours, asked before the engine works with it. A signature says who wrote a network,
//! not that it is harmless: a few bytes can ask for terabytes. So: only operators that training writes, nothing that is
//! computed at load, and no array larger than the file holds or a frame needs.

use std::collections::BTreeSet;

use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::cnn::Conv;

/// What `aecsad-train` and the encoders' conversion write, and what int8 exports need.
const OPERATORS: [&str; 28] = [
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
    "QLinearConv",
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
/// Kernel sizes, strides, paddings, dilations, axes.
const MAX_ATTRIBUTE: i64 = 64;
/// Groups are channels at most.
const MAX_GROUP: i64 = 8192;
/// Values of one array between two operators: the paper's largest is 16 million.
const MAX_VALUES: usize = 1 << 26;
/// Values that a convolution lays out before its product.
const MAX_UNFOLDED: usize = 1 << 27;

/// Refuses what training would not have written. Costs no more memory than the file.
pub(super) fn check_file(model: &ModelProto) -> Result<(), String> {
    if !model.functions.is_empty() || !model.training_info.is_empty() {
        return Err("it has functions or training parts of its own".into());
    }
    let graph = model.graph.as_ref().ok_or("it has no graph")?;
    check_sizes(graph)?;
    // Initialisers may stand among the inputs as well, in old files.
    let constants: BTreeSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    let inputs = graph.input.iter().map(|input| input.name.as_str());
    let mut fed: BTreeSet<&str> = inputs.filter(|name| !constants.contains(name)).collect();
    for tensor in &graph.initializer {
        check_tensor(tensor)?;
    }
    for node in &graph.node {
        check_node(node)?;
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

/// An array must be in the file, whole: none that only claims its size, and none in another file.
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

/// Refuses shapes that a frame doesn't need. Nothing has been computed yet.
pub(super) fn check_shapes(model: &TypedModel) -> Result<(), String> {
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

/// A hostile name, made fit for a message.
fn shown(name: &str) -> String {
    name.chars().take(60).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Network;

    /// A field of a protobuf message that is bytes or a message itself.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2];
        bytes.extend(varint(content.len() as u64));
        bytes.extend(content);
        bytes
    }

    fn varint(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value > 0x7f {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    }

    fn number(number: u8, value: u64) -> Vec<u8> {
        [vec![number << 3], varint(value)].concat()
    }

    fn node(operator: &str, inputs: &[&str], output: &str, attributes: &[u8]) -> Vec<u8> {
        let inputs = inputs.iter().flat_map(|name| field(1, name.as_bytes()));
        let mut node: Vec<u8> = inputs.collect();
        node.extend(field(2, output.as_bytes()));
        node.extend(field(4, operator.as_bytes()));
        node.extend(attributes);
        field(1, &node)
    }

    /// Float values of this shape, of which `held` are in the file.
    fn array(name: &str, dims: &[u64], held: usize) -> Vec<u8> {
        let mut tensor: Vec<u8> = dims.iter().flat_map(|dim| number(1, *dim)).collect();
        tensor.extend(number(2, 1));
        tensor.extend(field(8, name.as_bytes()));
        tensor.extend(field(9, &vec![0; 4 * held]));
        field(5, &tensor)
    }

    /// The product's encoder with these bytes merged into its graph, as protobuf does with a second one.
    fn with(graph: &[Vec<u8>]) -> String {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/models/efficientnet-lite0/encoder.onnx"
        );
        let mut onnx = std::fs::read(path).unwrap();
        onnx.extend(field(7, &graph.concat()));
        match Network::load("encoder.onnx", &onnx) {
            Ok(_) => "accepted".into(),
            Err(error) => error.to_string(),
        }
    }

    #[track_caller]
    fn refused(graph: &[Vec<u8>], why: &str) {
        let said = with(graph);
        assert!(said.contains(why) && said.len() < 400, "{said}");
    }

    #[test]
    fn the_product_s_own_encoder_is_accepted() {
        assert_eq!(with(&[]), "accepted");
        assert_eq!(with(&[node("Relu", &["image"], "more", &[])]), "accepted");
    }

    #[test]
    fn operators_that_training_doesn_t_write_are_refused() {
        for operator in [
            "Loop",
            "If",
            "Einsum",
            "ConstantOfShape",
            "Resize",
            "Expand",
        ] {
            let graph = [node(operator, &["image"], "more", &[])];
            refused(&graph, &format!("operator `{operator}` is none of ours"));
        }
        let mut foreign = node("Relu", &["image"], "more", &[]);
        foreign.extend(field(7, b"ai.example"));
        let escaped = [node("\u{1b}[2J", &["image"], "more", &[])];
        refused(&escaped, "operator `\\u{1b}[2J` is none of ours");
    }

    #[test]
    fn arrays_that_are_not_in_the_file_are_refused() {
        for dims in [&[1 << 40][..], &[1 << 32, 1 << 32], &[u64::MAX], &[33]] {
            refused(&[array("huge", dims, 8)], "claims more values than it has");
        }
    }

    #[test]
    fn work_at_load_is_refused() {
        let graph = [
            array("small", &[8], 8),
            node("Relu", &["small"], "more", &[]),
        ];
        refused(&graph, "does not depend on the image");
    }

    #[test]
    fn shapes_that_a_frame_doesn_t_need_are_refused() {
        // [1, 3, 256, 256] by [4096, 1, 1, 1]: sixteen kilobytes that ask for three gigabytes.
        let graph = [
            array("wide", &[4096, 1, 1, 1], 4096),
            node("Mul", &["image", "wide"], "more", &[]),
        ];
        refused(&graph, "has an absurd shape");
        let ints: Vec<u8> = (0..4).flat_map(|_| number(8, 1 << 30)).collect();
        let pads = field(5, &[field(1, b"pads"), ints, number(20, 7)].concat());
        let graph = [
            array("kernel", &[1, 3, 1, 1], 3),
            node("Conv", &["image", "kernel"], "more", &pads),
        ];
        refused(&graph, "`pads` of its Conv is out of bounds");
    }

    #[test]
    fn what_is_no_network_at_all_is_refused() {
        for bytes in [
            &b""[..],
            b"hello",
            &[0xff; 4096],
            &[0x3a, 0xff, 0xff, 0xff, 0x0f],
        ] {
            assert!(Network::load("encoder.onnx", bytes).is_err());
        }
    }
}
