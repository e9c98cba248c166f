//! Attention as training writes it, whole and a few rows of queries at a time, and graphs that nearly are one.

use std::collections::BTreeMap;

use aecsad_engine::{Network, onnx as pb};
use fastrand::Rng;
use pb::tensor_proto::DataType;

use super::assert_same;
use super::onnx::{int, value_info};
use super::sketch::{Map, Sketch};

/// What keeps a graph from being an attention that our kernel knows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    SoftmaxOverQueries,
    Scaled,
    WeightsAreRead,
    RowsInAnotherOrder,
    RowIsMissing,
    OtherKeys,
}

const FLAWS: [Flaw; 6] = [
    Flaw::SoftmaxOverQueries,
    Flaw::Scaled,
    Flaw::WeightsAreRead,
    Flaw::RowsInAnotherOrder,
    Flaw::RowIsMissing,
    Flaw::OtherKeys,
];

#[test]
fn attention_is_one_operator() {
    for seed in 0..60 {
        let mut rng = Rng::with_seed(seed);
        let model = drawn(&mut rng, None);
        let name = format!("attention {seed}");
        assert_same(&name, &model, &mut rng);
        let operators = operators(&name, &model);
        assert_eq!(operators.get("BlockedAttention"), Some(&1), "{operators:?}");
        assert!(!operators.contains_key("Softmax"), "{operators:?}");
    }
}

#[test]
fn what_nearly_is_attention_stays_with_tract() {
    for flaw in FLAWS {
        for seed in 0..10 {
            let mut rng = Rng::with_seed(seed);
            let model = drawn(&mut rng, Some(flaw));
            let name = format!("{flaw:?} {seed}");
            assert_same(&name, &model, &mut rng);
            let operators = operators(&name, &model);
            assert!(
                !operators.contains_key("BlockedAttention"),
                "{name}: {operators:?}"
            );
        }
    }
}

fn operators(name: &str, model: &pb::ModelProto) -> BTreeMap<String, usize> {
    let bytes = prost::Message::encode_to_vec(model);
    Network::load(name, &bytes).unwrap().operators()
}

/// Projections, attention, the sum with what it reads, sometimes a clamp.
fn drawn(rng: &mut Rng, flaw: Option<Flaw>) -> pb::ModelProto {
    let mut sketch = Sketch {
        graph: pb::GraphProto::default(),
        rng,
    };
    let shape = [
        sketch.rng.usize(5..30),
        sketch.rng.usize(4..10),
        sketch.rng.usize(2..10),
    ];
    let image = ("image".to_owned(), shape);
    sketch.graph.input.push(value_info("image", Some(shape)));
    let attended = sketch.attention(&image, flaw);
    let mut maps = vec![image.clone(), attended.clone()];
    if attended.1 == shape {
        let sum = sketch.node("Add", &[&image.0, &attended.0], vec![]);
        maps.push((sum, shape));
    }
    if sketch.rng.bool() {
        let last = maps[maps.len() - 1].clone();
        maps.push(sketch.clamp(&last));
    }
    let last = maps[maps.len() - 1].0.clone();
    sketch.graph.output.push(value_info(&last, None));
    sketch.finish()
}

impl Sketch<'_> {
    fn attention(&mut self, map: &Map, flaw: Option<Flaw>) -> Map {
        let [channels, height, width] = map.1;
        let depth = self.rng.usize(1..20);
        let queries = self.projection(map, depth);
        let [keys, other_keys, values] = [depth, depth, channels].map(|outputs| {
            let projected = self.projection(map, outputs);
            self.flat(&projected)
        });
        let (are_parts, is_part_of_width) = (self.rng.bool(), self.rng.bool());
        let at_once = match flaw {
            Some(Flaw::RowsInAnotherOrder | Flaw::RowIsMissing | Flaw::OtherKeys) => 1,
            _ if are_parts => self.rng.usize(1..height),
            _ => height,
        };
        let mut parts: Vec<Map> = Vec::new();
        for from in (0..height).step_by(at_once) {
            let to = height.min(from + at_once);
            let query = match (at_once == height, is_part_of_width) {
                (true, true) => self.slice(&queries, 3, 1..width),
                (true, false) => queries.clone(),
                (false, _) => self.slice(&queries, 2, from..to),
            };
            let shape = [channels, query.1[1], query.1[2]];
            let query = self.flat(&query);
            let keys = match flaw {
                Some(Flaw::OtherKeys) if from > 0 => &other_keys,
                _ => &keys,
            };
            let mut affinity = self.node("Gemm", &[&query, keys], vec![int("transA", 1)]);
            if flaw == Some(Flaw::Scaled) {
                let scale = self.constant(&[], vec![0.3]);
                affinity = self.node("Mul", &[&affinity, &scale], vec![]);
            }
            let axis = usize::from(flaw != Some(Flaw::SoftmaxOverQueries));
            let weights = self.node("Softmax", &[&affinity], vec![int("axis", axis)]);
            if flaw == Some(Flaw::WeightsAreRead) {
                self.graph.output.push(value_info(&weights, None));
            }
            let answer = self.node("Gemm", &[&values, &weights], vec![int("transB", 1)]);
            let [channels, rows, columns] = shape;
            let name = self.reshape(&answer, &[1, channels, rows, columns]);
            parts.push((name, shape));
        }
        match flaw {
            Some(Flaw::RowsInAnotherOrder) => parts.swap(1, 2),
            Some(Flaw::RowIsMissing) => drop(parts.remove(1)),
            _ => (),
        }
        if let [whole] = &parts[..] {
            return whole.clone();
        }
        let names: Vec<&str> = parts.iter().map(|(name, _)| name.as_str()).collect();
        let name = self.node("Concat", &names, vec![int("axis", 2)]);
        let rows = parts.iter().map(|(_, [_, rows, _])| rows).sum();
        (name, [channels, rows, width])
    }

    /// A convolution of single cells.
    fn projection(&mut self, (input, [channels, height, width]): &Map, outputs: usize) -> Map {
        let weights = self.noise(&[outputs, *channels, 1, 1]);
        let bias = self.noise(&[outputs]);
        let name = self.node("Conv", &[input, &weights, &bias], vec![]);
        (name, [outputs, *height, *width])
    }

    /// `[channels, cells]`
    fn flat(&mut self, (input, [channels, height, width]): &Map) -> String {
        self.reshape(input, &[*channels, height * width])
    }

    fn reshape(&mut self, input: &str, shape: &[usize]) -> String {
        let shape = self.whole_numbers(shape);
        self.node("Reshape", &[input, &shape], vec![])
    }

    fn slice(&mut self, (input, shape): &Map, axis: usize, range: std::ops::Range<usize>) -> Map {
        let mut shape = *shape;
        shape[axis - 1] = range.len();
        let bounds = [range.start, range.end, axis].map(|number| self.whole_numbers(&[number]));
        let name = self.node(
            "Slice",
            &[input, &bounds[0], &bounds[1], &bounds[2]],
            vec![],
        );
        (name, shape)
    }

    fn whole_numbers(&mut self, values: &[usize]) -> String {
        let raw = values
            .iter()
            .flat_map(|value| (*value as i64).to_le_bytes());
        self.array(&[values.len()], DataType::Int64, raw.collect())
    }
}
