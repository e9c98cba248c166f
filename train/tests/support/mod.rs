//! Small scenes with features, and an exported graph run by the engine the camera uses.
#![allow(dead_code)] // each test program uses a part of it

use std::path::Path;

use aecsad_engine::onnx::ModelProto;
use aecsad_inspect::network::{Features, Network};
use ndarray::Array3;
use prost::Message;

/// Whether a pixel is on the one part of scene `index`, a square that lies elsewhere in each of four scenes.
pub fn inside(index: usize, y: usize, x: usize) -> bool {
    let place = 60 + 16 * (index % 4);
    (place..place + 64).contains(&y) && (96..160).contains(&x)
}

/// A frame with a bright square, and made-up features that follow it.
pub fn scene(index: usize) -> (Array3<f32>, Features) {
    let inside = |y, x| inside(index, y, x);
    let image = Array3::from_shape_fn((3, 256, 256), |(channel, y, x)| {
        let ripple = ((x + 3 * y + 31 * channel) as f32 * 0.21).sin() * 0.1;
        ripple
            + if inside(y, x) {
                0.8 - 0.2 * channel as f32
            } else {
                -0.5
            }
    });
    let features = |channels: usize, size: usize| {
        let stride = 256 / size;
        Array3::from_shape_fn((channels, size, size), |(channel, y, x)| {
            let weight = ((channel * 37 % 11) as f32 - 5.0) / 5.0;
            let part = if inside(y * stride, x * stride) {
                1.0
            } else {
                -0.3
            };
            weight * part + ((channel + x * y) as f32 * 0.05).cos() * 0.05
        })
    };
    let features = Features {
        stride4: features(24, 64),
        stride8: features(40, 32),
        stride16: features(112, 16),
    };
    (image, features)
}

/// Runs an ONNX model as the runtime does; all outputs in the graph's order.
pub fn run_in_tract(onnx: &[u8], inputs: &[&Array3<f32>]) -> Vec<Vec<f32>> {
    let mut network = Network::load("exported.onnx", onnx).expect("the exported graph loads");
    let inputs: Vec<([usize; 4], Vec<f32>)> = inputs
        .iter()
        .map(|array| {
            let (channels, height, width) = array.dim();
            (
                [1, channels, height, width],
                array.iter().copied().collect(),
            )
        })
        .collect();
    let inputs: Vec<_> = inputs
        .iter()
        .map(|(shape, values)| (&shape[..], &values[..]))
        .collect();
    network.run(&inputs).expect("the exported graph runs");
    (0..network.outputs())
        .map(|index| {
            let values: usize = network.output_shape(index).iter().product();
            network.output(index, values).expect("float32").to_vec()
        })
        .collect()
}

/// The shapes of an ONNX model's convolution kernels, in the graph's order.
pub fn kernels(onnx: &[u8]) -> Vec<[i64; 4]> {
    let graph = ModelProto::decode(onnx).expect("an ONNX file").graph;
    graph
        .expect("a model has a graph")
        .initializer
        .iter()
        .filter_map(|tensor| tensor.dims[..].try_into().ok())
        .collect()
}

/// The largest difference, relative to the largest value.
pub fn relative_difference(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len());
    let largest = left
        .iter()
        .fold(f32::MIN_POSITIVE, |most, value| most.max(value.abs()));
    left.iter()
        .zip(right)
        .map(|(left, right)| (left - right).abs())
        .fold(0.0, f32::max)
        / largest
}

/// A term of the metrics file, by step.
pub fn metric(work_dir: &Path, stage: &str, term: &str) -> Vec<f64> {
    let text = std::fs::read_to_string(work_dir.join(format!("{stage}.metrics.jsonl")))
        .expect("training leaves metrics");
    text.lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).expect("a JSON object a line");
            line[term].as_f64().expect("the term is a number")
        })
        .collect()
}
