//! Networks answer what they answer in tract as it comes.

mod attention;
mod onnx;
mod sketch;
mod threads;

use aecsad_engine::{Network, onnx as pb};
use fastrand::Rng;
use tract_onnx::prelude::*;

use sketch::Sketch;

fn load(name: &str, model: &pb::ModelProto) -> Network {
    let mut bytes = Vec::new();
    prost::Message::encode(model, &mut bytes).unwrap();
    Network::load(name, &bytes).unwrap()
}

/// Noise for each input, with its shape.
fn arrays(network: &Network, rng: &mut Rng) -> Vec<(Vec<usize>, Vec<f32>)> {
    let shapes = (0..network.inputs()).map(|index| network.input_shape(index));
    let arrays = shapes.map(|shape| {
        let volume = shape.iter().product();
        let values = (0..volume).map(|_| rng.f32() * 2.0 - 1.0).collect();
        (shape, values)
    });
    arrays.collect()
}

fn encoder() -> pb::ModelProto {
    let onnx = include_bytes!("../../../models/efficientnet-lite0/encoder.onnx");
    prost::Message::decode(&onnx[..]).unwrap()
}

/// Runs `model` in both and compares all outputs.
#[track_caller]
fn assert_same(name: &str, model: &pb::ModelProto, rng: &mut Rng) {
    let tract = tract_onnx::onnx().model_for_proto_model(model).unwrap();
    let tract = tract.into_optimized().unwrap().into_runnable().unwrap();
    let mut network = load(name, model);
    let arrays = arrays(&network, rng);
    let inputs: Vec<_> = arrays
        .iter()
        .map(|(shape, values)| (&shape[..], &values[..]))
        .collect();
    let tensors = arrays
        .iter()
        .map(|(shape, values)| Tensor::from_shape(shape, values).unwrap().into_tvalue());
    let expected = tract.run(tensors.collect()).unwrap();
    network.run(&inputs).unwrap();
    assert_eq!(expected.len(), network.outputs());
    for (index, expected) in expected.iter().enumerate() {
        assert_eq!(
            expected.shape(),
            network.output_shape(index),
            "{name}: output {index}"
        );
        let expected = expected.try_as_plain_ram().unwrap();
        let expected = expected.as_slice::<f32>().unwrap();
        let found = network.output(index, expected.len()).unwrap();
        let largest = expected
            .iter()
            .fold(1e-3f32, |most, value| most.max(value.abs()));
        for (expected, found) in expected.iter().zip(found) {
            let difference = (expected - found).abs();
            assert!(
                difference <= 1e-4 * largest,
                "{name}: {found} instead of {expected}, output {index}"
            );
        }
    }
}

#[test]
fn the_encoder() {
    assert_same("encoder", &encoder(), &mut Rng::with_seed(1));
}

#[test]
fn random_networks() {
    for seed in 0..120 {
        let mut rng = Rng::with_seed(seed);
        let model = Sketch::draw(&mut rng);
        assert_same(&format!("network {seed}"), &model, &mut rng);
    }
}

/// Scales are powers of two, so that floats compute exactly what bytes do: not even a tie is rounded elsewhere.
#[test]
fn random_quantised_networks() {
    for seed in 0..200 {
        let mut rng = Rng::with_seed(seed);
        let model = Sketch::draw_quantised(&mut rng);
        let name = format!("quantised network {seed}");
        assert_same(&name, &model, &mut rng);

        let operators = load(&name, &model).operators();
        let of_bytes = |name: &str| operators.get(name).copied().unwrap_or(0);
        let is_left = operators
            .keys()
            .any(|operator| operator.contains("quantizeLinear"));
        let graph = model.graph.as_ref().unwrap();
        let is_dense = |node: &&pb::NodeProto| {
            let made = &node.output[0];
            let is_read = graph.node.iter().any(|reader| reader.input.contains(made))
                || graph.output.iter().any(|output| output.name == *made);
            is_read && node.attribute.iter().any(|a| a.name == "group" && a.i == 1)
        };
        let dense = graph.node.iter().filter(is_dense);
        assert_eq!(
            of_bytes("Int8Convolution"),
            dense.count(),
            "{name}: {operators:?}"
        );
        assert!(!is_left, "{name}: {operators:?}");
    }
}
