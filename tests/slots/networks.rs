//! Networks that are not ours: crafted in protobuf by hand, merged into the product's own encoder.

use aecsad_inspect::network::Network;

/// A field of a protobuf message that is bytes or a message itself.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = varint(u64::from(number) << 3 | 2);
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
    [varint(u64::from(number) << 3), varint(value)].concat()
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

/// A further output of the graph: what leads to it has to be computed.
fn output(name: &str) -> Vec<u8> {
    field(12, &field(1, name.as_bytes()))
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
    let printed = with(graph);
    assert!(printed.contains(why) && printed.len() < 400, "{printed}");
}

#[test]
fn the_product_s_own_encoder_is_accepted() {
    assert_eq!(with(&[]), "accepted");
    let more = [node("Relu", &["image"], "more", &[]), output("more")];
    assert_eq!(with(&more), "accepted");
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
    let foreign = [node("Relu", &["image"], "more", &field(7, b"ai.example"))];
    refused(&foreign, "operator `Relu` is none of ours");
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
        output("more"),
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
