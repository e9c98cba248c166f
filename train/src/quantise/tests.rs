//! Small networks through all of quantisation: the form of the file, and results close to those of the float network.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use aecsad_engine::onnx as pb;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::graph::GraphIndex;
use super::network::decode;
use super::observe::{Observed, Sample};
use super::{Quantised, Requirement, Signs, places, quantise};
use crate::export::onnx::{Graph, OnnxConvolution, Value};

const SIDE: usize = 12;
const REQUIRED: Requirement = Requirement {
    signs: Signs::WhereNeeded,
    least_sqnr_db: 25.0,
};

struct Builder {
    graph: Graph,
    random: ChaCha8Rng,
}

impl Builder {
    fn new() -> Self {
        Self {
            graph: Graph::new("small"),
            random: ChaCha8Rng::seed_from_u64(7),
        }
    }

    /// A kernel of `cells`×`cells` that keeps the map's size.
    fn convolution(&mut self, map: &Value, outputs: usize, cells: usize, groups: usize) -> Value {
        let inputs = map.shape()[1] / groups;
        let count = outputs * inputs * cells * cells;
        let spread = 1.5 / ((inputs * cells * cells) as f32).sqrt();
        let mut draw = |spread: f32| self.random.random_range(-spread..spread);
        let layer = OnnxConvolution {
            weight: (0..count).map(|_| draw(spread)).collect(),
            weight_shape: [outputs, inputs, cells, cells],
            bias: (0..outputs).map(|_| draw(0.3)).collect(),
            stride: [1, 1],
            padding: [cells / 2; 4],
            dilation: [1, 1],
        };
        self.graph.convolution(map, &layer)
    }

    fn rectified(&mut self, map: &Value, outputs: usize, cells: usize, groups: usize) -> Value {
        let map = self.convolution(map, outputs, cells, groups);
        self.graph.relu(&map)
    }
}

/// Everything that the networks have: a stem, depthwise and dense convolutions, a residual sum, both pools, a join, a
/// resize, a softmax.
fn small() -> Vec<u8> {
    let mut b = Builder::new();
    let image = b.graph.input("image", &[1, 3, SIDE, SIDE]);
    let stem = b.rectified(&image, 8, 3, 1);
    let depth = b.rectified(&stem, 8, 3, 8);
    let own = b.convolution(&depth, 8, 1, 1);
    let sum = b.graph.add(&own, &stem);
    let sum = b.graph.relu(&sum);
    b.graph.output("sum", &sum);
    let mean = b.graph.average_pool(&sum, [3, 3], [1, 1], [1, 1]);
    let left = b.rectified(&mean, 6, 1, 1);
    let right = b.graph.max_pool(&depth, [3, 3], [1, 1], [1, 1]);
    let joined = b.graph.concat(&[&left, &right]);
    let wide = b.convolution(&joined, 8, 3, 1);
    let large = b.graph.resize(&wide, [2 * SIDE; 2]);
    let last = b.convolution(&large, 5, 1, 1);
    let weights = b.graph.softmax(&last);
    b.graph.output("weights", &weights);
    b.graph.finish()
}

fn samples(count: usize, seed: u64) -> Vec<Sample> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count)
        .map(|_| Sample {
            inputs: vec![(
                vec![1, 3, SIDE, SIDE],
                (0..3 * SIDE * SIDE)
                    .map(|_| random.random_range(-2.0..2.0))
                    .collect(),
            )],
        })
        .collect()
}

fn quantised(onnx: &[u8]) -> Quantised {
    let never = AtomicBool::new(false);
    quantise(
        "small",
        onnx,
        &samples(12, 1),
        &samples(6, 2),
        REQUIRED,
        &never,
    )
    .unwrap()
}

fn graph(onnx: &[u8]) -> pb::GraphProto {
    decode("small", onnx).unwrap().graph.unwrap()
}

fn maker<'a>(graph: &'a pb::GraphProto, tensor: &str) -> Option<&'a pb::NodeProto> {
    graph.node.iter().find(|node| node.output[0] == tensor)
}

fn constant<'a>(graph: &'a pb::GraphProto, name: &str) -> &'a pb::TensorProto {
    graph.initializer.iter().find(|c| c.name == name).unwrap()
}

/// The float tensor behind an input that goes through a pair; none if it doesn't.
fn behind_pair(graph: &pb::GraphProto, input: &str) -> Option<String> {
    let back = maker(graph, input).filter(|node| node.op_type == "DequantizeLinear")?;
    let there = maker(graph, &back.input[0]).filter(|node| node.op_type == "QuantizeLinear")?;
    assert_eq!(
        back.input[1..],
        there.input[1..],
        "one scale and zero point a pair"
    );
    Some(there.input[0].clone())
}

#[test]
fn pairs_stand_where_an_int8_kernel_reads_and_nowhere_else() {
    let float = graph(&small());
    let quantised = quantised(&small());
    let int8 = graph(&quantised.onnx);
    assert!(
        quantised.kept_float.is_empty(),
        "{:?}",
        quantised.kept_float
    );
    let named = |op: &str, nth: usize| {
        let nodes = float.node.iter().filter(|node| node.op_type == op);
        nodes.map(|node| node.output[0].clone()).nth(nth).unwrap()
    };
    let stem = named("Conv", 0);
    let own = named("Conv", 2);
    assert_eq!(
        quantised.int8.len(),
        5,
        "all but the stem: {:?}",
        quantised.int8
    );
    assert!(!quantised.int8.contains(&stem));

    let mut read_through_pairs = BTreeSet::new();
    for node in &int8.node {
        let through: Vec<Option<String>> = node
            .input
            .iter()
            .map(|input| behind_pair(&int8, input))
            .collect();
        let before = maker(&float, &node.output[0]);
        match node.op_type.as_str() {
            "Conv" if node.output[0] == stem => assert!(through.iter().all(Option::is_none)),
            "Conv" => {
                let before = before.unwrap();
                assert_eq!(through[0].as_ref(), Some(&before.input[0]));
                let weight = maker(&int8, &node.input[1]).unwrap();
                assert_eq!(weight.op_type, "DequantizeLinear");
                assert!(
                    weight
                        .attribute
                        .iter()
                        .any(|a| a.name == "axis" && a.i == 0)
                );
                let outputs = constant(&float, &before.input[1]).dims[0];
                let [steps, scales, zeros] = [0, 1, 2].map(|i| constant(&int8, &weight.input[i]));
                assert_eq!(
                    (steps.data_type, &steps.dims),
                    (3, &constant(&float, &before.input[1]).dims)
                );
                assert!(steps.raw_data.iter().all(|step| *step as i8 != -128));
                assert_eq!((scales.data_type, &scales.dims), (1, &vec![outputs]));
                assert_eq!((zeros.data_type, &zeros.dims), (3, &vec![outputs]));
                assert!(zeros.raw_data.iter().all(|zero| *zero == 0));
                assert_eq!(
                    constant(&int8, &node.input[2]).data_type,
                    1,
                    "the bias stays float"
                );
                assert_eq!(node.attribute, before.attribute);
            }
            "Add" => {
                assert_eq!(node.input[0], own, "the convolution's own side stays float");
                assert!(through[1].is_some(), "the shortcut is quantised");
            }
            "AveragePool" => assert!(through[0].is_some()),
            "QuantizeLinear" => {
                let [scale, zero] = [1, 2].map(|i| constant(&int8, &node.input[i]));
                assert!(scale.dims.is_empty() && zero.dims.is_empty());
                assert_eq!((scale.data_type, &zero.raw_data[..]), (1, &[0][..]));
                match maker(&float, &node.input[0]).map(|maker| maker.op_type.as_str()) {
                    Some("Conv") => assert_eq!(zero.data_type, 3, "has a sign"),
                    Some("Clip" | "Relu") => assert_eq!(zero.data_type, 2, "needs no sign"),
                    _ => {}
                }
                assert!(
                    read_through_pairs.insert(node.input[0].clone()),
                    "one pair a tensor"
                );
            }
            "DequantizeLinear" => {}
            _ => assert!(
                through.iter().all(Option::is_none),
                "{} is not int8's",
                node.op_type
            ),
        }
        if !node.op_type.ends_with("quantizeLinear") && !node.op_type.ends_with("QuantizeLinear") {
            assert_eq!(
                node.output,
                before.map(|b| b.output.clone()).unwrap_or_default()
            );
        }
    }
    let outputs = |graph: &pb::GraphProto| graph.output.clone();
    assert_eq!(outputs(&int8), outputs(&float));
    let read: BTreeSet<&String> = int8.node.iter().flat_map(|node| &node.input).collect();
    assert!(
        int8.initializer.iter().all(|c| read.contains(&c.name)),
        "no weights are left over"
    );
}

#[test]
fn of_two_convolutions_in_a_sum_the_earlier_is_the_shortcut() {
    let mut b = Builder::new();
    let map = b.graph.input("map", &[1, 8, SIDE, SIDE]);
    let earlier = b.convolution(&map, 8, 1, 1);
    let later = b.convolution(&map, 8, 3, 1);
    let sum = b.graph.add(&later, &earlier);
    let other = b.convolution(&sum, 8, 1, 1);
    let shared = b.convolution(&sum, 8, 3, 1);
    let second = b.graph.add(&shared, &other);
    // Something else reads this side too, so it can't be made together with the sum.
    let third = b.graph.mul(&second, &shared);
    b.graph.output("out", &third);
    let graph = graph(&b.graph.finish());
    let reading = GraphIndex::new(&graph);
    let layers: BTreeSet<String> = places::convolutions(&reading).into_iter().collect();
    assert_eq!(layers.len(), 4);
    let sums: Vec<usize> = (0..graph.node.len())
        .filter(|i| graph.node[*i].op_type == "Add")
        .collect();
    let ports = places::ports(&reading, &layers);
    let of = |sum: usize| -> Vec<usize> {
        let ports = ports.iter().filter(|(node, _)| *node == sum);
        ports.map(|(_, slot)| *slot).collect()
    };
    assert_eq!(
        of(sums[0]),
        [1],
        "the earlier convolution is quantised, the later one is not"
    );
    assert_eq!(of(sums[1]), [0], "a side that others read is the shortcut");
}

#[test]
fn what_it_computes_is_nearly_what_the_float_network_does() {
    let quantised = quantised(&small());
    let names = ["sum", "weights"].map(str::to_owned);
    let never = AtomicBool::new(false);
    let load =
        |onnx: &[u8]| Observed::new("small", &decode("small", onnx).unwrap(), &names).unwrap();
    let unseen = samples(4, 3);
    let found = super::agreement::compare(&load(&small()), &load(&quantised.onnx), &unseen, &never);
    for (agreement, name) in found.unwrap().iter().zip(&names) {
        assert!(
            agreement.sqnr_db > 30.0 && agreement.cosine > 0.999,
            "{name}: {agreement:?}"
        );
        assert!(
            agreement.sqnr_db < 100.0,
            "{name} was not quantised: {agreement:?}"
        );
    }
    assert!(quantised.onnx.len() < small().len());
}

/// Two opposite kernels on one large map, whose difference is small: rounding the map drowns it.
#[test]
fn a_layer_that_costs_the_outputs_most_stays_float() {
    let mut b = Builder::new();
    let image = b.graph.input("image", &[1, 3, SIDE, SIDE]);
    let stem = b.rectified(&image, 8, 1, 1);
    let fine = b.rectified(&stem, 8, 3, 1);
    let mut weight = vec![0.0; 8 * 8];
    for output in 0..8 {
        weight[output * 8 + output] = 400.0;
        weight[output * 8 + (output + 1) % 8] = -400.0;
    }
    // Eight nearly equal channels: each differs from the next by a thousandth.
    let mut equal = vec![0.0; 64];
    for output in 0..8 {
        equal[output * 8] = 1.0 + output as f32 * 1e-3;
    }
    let layer = |weight: Vec<f32>| OnnxConvolution {
        weight,
        weight_shape: [8, 8, 1, 1],
        bias: vec![0.0; 8],
        stride: [1, 1],
        padding: [0; 4],
        dilation: [1, 1],
    };
    let equal = b.graph.convolution(&fine, &layer(equal));
    let difference = b.graph.convolution(&equal, &layer(weight));
    b.graph.output("difference", &difference);
    let onnx = b.graph.finish();

    let quantised = quantised(&onnx);
    let names: Vec<String> = graph(&onnx)
        .node
        .iter()
        .filter(|node| node.op_type == "Conv")
        .map(|node| node.output[0].clone())
        .collect();
    assert!(
        quantised.kept_float.contains(&names[3]),
        "{:?}",
        quantised.kept_float
    );
    assert!(quantised.int8.contains(&names[1]), "{:?}", quantised.int8);
    let int8 = graph(&quantised.onnx);
    let kept = maker(&int8, &names[3]).unwrap();
    assert_eq!(kept.input, maker(&graph(&onnx), &names[3]).unwrap().input);
}

#[test]
fn the_bias_takes_back_what_rounding_the_weights_shifts() {
    let mut b = Builder::new();
    // Inputs far from 0 make each rounded weight a shift.
    let map = b.graph.input("map", &[1, 16, SIDE, SIDE]);
    let out = b.convolution(&map, 6, 1, 1);
    b.graph.output("out", &out);
    let onnx = b.graph.finish();
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let samples: Vec<Sample> = (0..8)
        .map(|_| Sample {
            inputs: vec![(
                vec![1, 16, SIDE, SIDE],
                (0..16 * SIDE * SIDE)
                    .map(|_| 5.0 + random.random_range(-0.5..0.5))
                    .collect(),
            )],
        })
        .collect();
    let never = AtomicBool::new(false);
    let quantised = quantise(
        "small",
        &onnx,
        &samples[..4],
        &samples[4..],
        REQUIRED,
        &never,
    )
    .unwrap();
    let mean = |onnx: &[u8]| -> Vec<f64> {
        let names = ["out".to_owned()];
        let mut network = Observed::new("small", &decode("small", onnx).unwrap(), &names).unwrap();
        let mut sums = [0.0; 6];
        for sample in &samples[4..] {
            let add = |seen: super::observe::ObservedTensor<'_>| {
                for (sum, map) in sums.iter_mut().zip(seen.values.chunks(SIDE * SIDE)) {
                    *sum += map.iter().map(|v| f64::from(*v)).sum::<f64>();
                }
            };
            network.run(sample, add).unwrap();
        }
        sums.iter()
            .map(|sum| sum / (4 * SIDE * SIDE) as f64)
            .collect()
    };
    let (float, int8) = (mean(&onnx), mean(&quantised.onnx));
    let model = graph(&quantised.onnx);
    let bias_of = |graph: &pb::GraphProto| {
        let node = graph
            .node
            .iter()
            .find(|node| node.op_type == "Conv")
            .unwrap();
        let raw = &constant(graph, &node.input[2]).raw_data;
        raw.chunks(4)
            .map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap())))
            .collect::<Vec<_>>()
    };
    let (before, after) = (bias_of(&graph(&onnx)), bias_of(&model));
    let left = float
        .iter()
        .zip(&int8)
        .map(|(f, i)| (f - i).abs())
        .fold(0.0, f64::max);
    let moved = before
        .iter()
        .zip(&after)
        .map(|(b, a)| (b - a).abs())
        .fold(0.0, f64::max);
    assert!(
        left < 0.2 * moved,
        "the mean is off by {left}, the bias moved by {moved}"
    );
}

#[test]
fn a_quantised_network_is_not_quantised_again_and_noise_is_no_network() {
    let never = AtomicBool::new(false);
    let again = quantise(
        "small",
        &quantised(&small()).onnx,
        &samples(2, 1),
        &samples(2, 2),
        REQUIRED,
        &never,
    );
    let said = again.err().unwrap().to_string();
    assert!(said.contains("--precision f32"), "{said}");
    let noise = quantise("small", b"\xff\xfe\xfd", &[], &[], REQUIRED, &never);
    assert!(noise.err().unwrap().to_string().contains("no ONNX file"));
}

#[test]
fn an_image_that_makes_no_number_is_named_with_its_tensor() {
    let mut b = Builder::new();
    let map = b.graph.input("map", &[1, 8, SIDE, SIDE]);
    let out = b.convolution(&map, 4, 1, 1);
    b.graph.output("out", &out);
    let onnx = b.graph.finish();
    let sample = |value: f32| Sample {
        inputs: vec![(vec![1, 8, SIDE, SIDE], vec![value; 8 * SIDE * SIDE])],
    };
    let never = AtomicBool::new(false);
    let good = [sample(1.0), sample(f32::NAN)];
    let said = quantise("small", &onnx, &good, &[sample(2.0)], REQUIRED, &never)
        .err()
        .unwrap()
        .to_string();
    assert!(
        said.contains("`map`") && said.contains("no number"),
        "{said}"
    );
}
