//! Random networks, layer by layer.

use aecsad_engine::onnx as pb;
use fastrand::Rng;
use pb::tensor_proto::DataType;

use super::onnx::{Geometry, attributes, int, ints, value_info};

/// A map in the graph: its name and `[C, H, W]`.
pub type Map = (String, [usize; 3]);

pub struct Sketch<'a> {
    pub graph: pb::GraphProto,
    pub rng: &'a mut Rng,
}

impl Sketch<'_> {
    /// Layers in a random order, of kinds that our kernels take and of kinds that stay with tract.
    pub fn draw(rng: &mut Rng) -> pb::ModelProto {
        let shape = [rng.usize(1..20), rng.usize(4..24), rng.usize(4..24)];
        let mut sketch = Sketch {
            graph: pb::GraphProto::default(),
            rng,
        };
        sketch.graph.input.push(value_info("image", Some(shape)));
        let mut maps: Vec<Map> = vec![("image".into(), shape)];
        for _ in 0..10 {
            let last = maps[maps.len() - 1].clone();
            let map = match sketch.rng.u8(0..12) {
                0..=3 => sketch.convolution(&last, None),
                4 => sketch.convolution(&last, Some(last.1[0])),
                5 => sketch.convolution(&last, Some(2)),
                6 => sketch.clamp(&last),
                7 => sketch.combine(&maps),
                8 => sketch.join(&maps),
                9 => sketch.pool(&last),
                10 => sketch.resize(&last),
                _ => {
                    let name = sketch.node("Identity", &[&last.0], vec![]);
                    (name, last.1)
                }
            };
            maps.push(map);
        }
        sketch.model(&maps)
    }

    /// Layers as quantised networks have them: each convolution and mean between bytes.
    pub fn draw_quantised(rng: &mut Rng) -> pb::ModelProto {
        let shape = [rng.usize(5..40), rng.usize(6..20), rng.usize(6..20)];
        let mut sketch = Sketch {
            graph: pb::GraphProto::default(),
            rng,
        };
        sketch.graph.input.push(value_info("image", Some(shape)));
        let mut maps: Vec<Map> = vec![("image".into(), shape)];
        for _ in 0..8 {
            let last = maps[maps.len() - 1].clone();
            let mut map = match sketch.rng.u8(0..8) {
                0..=2 => sketch.quantised_convolution(&last, 1),
                3 => sketch.quantised_convolution(&last, last.1[0]),
                4 => sketch.quantised_mean(&last),
                5 => {
                    // Quantised together, where all of it is layers of bytes
                    let parts = [0, 1].map(|_| sketch.quantised_convolution(&last, last.1[0]));
                    let joined = sketch.join(&parts);
                    sketch.quantised(&joined)
                }
                _ => sketch.quantised_convolution(&last, 1),
            };
            let earlier = maps.iter().rev().find(|(_, earlier)| *earlier == map.1);
            if let Some(earlier) = earlier.filter(|_| sketch.rng.bool()).cloned() {
                let shortcut = sketch.quantised(&earlier).0;
                map.0 = sketch.node("Add", &[&map.0, &shortcut], vec![]);
            }
            if sketch.rng.bool() {
                map = sketch.clamp_at_zero(&map);
            }
            maps.push(map);
        }
        sketch.model(&maps)
    }

    /// With the last map and one in the middle as outputs, which must not be fused away.
    fn model(mut self, maps: &[Map]) -> pb::ModelProto {
        let middle = 1 + self.rng.usize(0..maps.len() - 2);
        let outputs = [&maps[middle].0, &maps[maps.len() - 1].0];
        self.graph.output = outputs.map(|name| value_info(name, None)).to_vec();
        self.finish()
    }

    pub fn finish(self) -> pb::ModelProto {
        pb::ModelProto {
            ir_version: 8,
            opset_import: vec![pb::OperatorSetIdProto {
                version: 17,
                ..Default::default()
            }],
            graph: Some(self.graph),
            ..Default::default()
        }
    }

    /// Through bytes and back.
    fn quantised(&mut self, (input, shape): &Map) -> Map {
        let scale = (-self.rng.i32(3..7) as f32).exp2();
        let scale = self.constant(&[], vec![scale]);
        let zero = self.bytes(&[], vec![0]);
        let bytes = self.node("QuantizeLinear", &[input, &scale, &zero], vec![]);
        let name = self.node("DequantizeLinear", &[&bytes, &scale, &zero], vec![]);
        (name, *shape)
    }

    fn quantised_convolution(&mut self, input: &Map, group: usize) -> Map {
        let [channels, height, width] = input.1;
        let outputs = if group == 1 {
            self.rng.usize(1..40)
        } else {
            channels
        };
        let (rows, columns) = (self.window(height, 2), self.window(width, 2));
        let dims = [outputs, channels / group, rows.kernel, columns.kernel];
        let values = (0..dims.iter().product()).map(|_| self.rng.i8(-127..=127));
        let values = values.collect();
        let weights = self.bytes(&dims, values);
        let scales = (0..outputs).map(|_| (-self.rng.i32(9..12) as f32).exp2());
        let scales = scales.collect();
        let scales = self.constant(&[outputs], scales);
        let zeros = self.bytes(&[outputs], vec![0; outputs]);
        let weights = self.node(
            "DequantizeLinear",
            &[&weights, &scales, &zeros],
            vec![int("axis", 0)],
        );
        let bias = (0..outputs).map(|_| f32::from(self.rng.i8(..)) / 256.0);
        let bias = bias.collect();
        let bias = self.constant(&[outputs], bias);
        let input = self.quantised(input).0;
        let mut attributes = attributes(&rows, &columns);
        attributes.push(ints("dilations", &[rows.dilation, columns.dilation]));
        attributes.push(int("group", group));
        (
            self.node("Conv", &[&input, &weights, &bias], attributes),
            [outputs, rows.output, columns.output],
        )
    }

    /// Of a number of cells by which floats divide exactly.
    fn quantised_mean(&mut self, input: &Map) -> Map {
        let [channels, height, width] = input.1;
        let [rows, columns] = [height, width].map(|extent| {
            loop {
                let window = self.window(extent, 1);
                if window.kernel.is_power_of_two() {
                    break window;
                }
            }
        });
        let input = self.quantised(input).0;
        let mut attributes = attributes(&rows, &columns);
        attributes.push(int("count_include_pad", 1));
        let name = self.node("AveragePool", &[&input], attributes);
        (name, [channels, rows.output, columns.output])
    }

    fn clamp_at_zero(&mut self, (input, shape): &Map) -> Map {
        let name = if self.rng.bool() {
            self.node("Relu", &[input], vec![])
        } else {
            let bounds = [0.0, 6.0].map(|bound| self.constant(&[], vec![bound]));
            self.node("Clip", &[input, &bounds[0], &bounds[1]], vec![])
        };
        (name, *shape)
    }

    fn convolution(
        &mut self,
        (input, [channels, height, width]): &Map,
        group: Option<usize>,
    ) -> Map {
        let group = group.filter(|group| channels % group == 0).unwrap_or(1);
        let outputs = match group {
            1 => self.rng.usize(1..40),
            group if group == *channels => *channels,
            group => group * self.rng.usize(1..5),
        };
        let (rows, columns) = (self.window(*height, 3), self.window(*width, 3));
        let weights = [outputs, channels / group, rows.kernel, columns.kernel];
        let weights = self.noise(&weights);
        let bias = self.noise(&[outputs]);
        let mut inputs = vec![input.as_str(), &weights];
        if self.rng.bool() {
            inputs.push(&bias);
        }
        let mut attributes = attributes(&rows, &columns);
        attributes.push(ints("dilations", &[rows.dilation, columns.dilation]));
        attributes.push(int("group", group));
        (
            self.node("Conv", &inputs, attributes),
            [outputs, rows.output, columns.output],
        )
    }

    fn pool(&mut self, (input, [channels, height, width]): &Map) -> Map {
        let (rows, columns) = (self.window(*height, 1), self.window(*width, 1));
        let mut attributes = attributes(&rows, &columns);
        let name = if self.rng.bool() {
            self.node("MaxPool", &[input], attributes)
        } else {
            attributes.push(int("count_include_pad", self.rng.usize(0..2)));
            self.node("AveragePool", &[input], attributes)
        };
        (name, [*channels, rows.output, columns.output])
    }

    pub fn clamp(&mut self, (input, shape): &Map) -> Map {
        let name = if self.rng.bool() {
            self.node("Relu", &[input], vec![])
        } else {
            let bounds = [-0.1, 0.4].map(|bound| self.constant(&[], vec![bound]));
            self.node("Clip", &[input, &bounds[0], &bounds[1]], vec![])
        };
        (name, *shape)
    }

    /// A sum, difference or product with an earlier map or, if none fits, with itself.
    fn combine(&mut self, maps: &[Map]) -> Map {
        let (last, shape) = &maps[maps.len() - 1];
        let earlier = maps[..maps.len() - 1]
            .iter()
            .find(|(_, earlier)| earlier == shape);
        let other = earlier.map_or(last, |(name, _)| name);
        let pair = if self.rng.bool() {
            [last, other]
        } else {
            [other, last]
        };
        let op = ["Add", "Add", "Sub", "Mul"][self.rng.usize(0..4)];
        (self.node(op, &pair.map(String::as_str), vec![]), *shape)
    }

    fn join(&mut self, maps: &[Map]) -> Map {
        let (last, [channels, height, width]) = &maps[maps.len() - 1];
        let fits = |(_, [_, rows, columns]): &&Map| (rows, columns) == (height, width);
        let Some((other, [others, ..])) = maps.iter().find(fits) else {
            unreachable!("the last one fits");
        };
        let name = self.node("Concat", &[other, last], vec![int("axis", 1)]);
        (name, [channels + others, *height, *width])
    }

    /// As training writes it, or one of its two products alone.
    fn resize(&mut self, (input, [channels, height, width]): &Map) -> Map {
        let (rows, columns) = (self.rng.usize(1..20), self.rng.usize(1..20));
        let right = self.noise(&[*width, columns]);
        let wide = self.node("MatMul", &[input, &right], vec![]);
        if self.rng.u8(0..4) == 0 {
            return (wide, [*channels, *height, columns]);
        }
        let left = self.noise(&[rows, *height]);
        (
            self.node("MatMul", &[&left, &wide], vec![]),
            [*channels, rows, columns],
        )
    }

    fn window(&mut self, input: usize, most_dilation: usize) -> Geometry {
        loop {
            let kernel = self.rng.usize(1..6);
            let dilation = self.rng.usize(1..=most_dilation);
            let padding = [self.rng.usize(0..kernel), self.rng.usize(0..kernel)];
            let stride = self.rng.usize(1..3);
            let (padded, reach) = (input + padding[0] + padding[1], dilation * (kernel - 1) + 1);
            if padded >= reach {
                let output = (padded - reach) / stride + 1;
                return Geometry {
                    kernel,
                    dilation,
                    padding,
                    stride,
                    output,
                };
            }
        }
    }

    pub fn noise(&mut self, shape: &[usize]) -> String {
        let volume = shape.iter().product();
        let values = (0..volume).map(|_| self.rng.f32() - 0.5).collect();
        self.constant(shape, values)
    }

    pub fn constant(&mut self, shape: &[usize], values: Vec<f32>) -> String {
        let raw = values.iter().flat_map(|value| value.to_le_bytes());
        self.array(shape, DataType::Float, raw.collect())
    }

    fn bytes(&mut self, shape: &[usize], values: Vec<i8>) -> String {
        let raw = values.iter().map(|value| *value as u8);
        self.array(shape, DataType::Int8, raw.collect())
    }

    pub fn array(&mut self, shape: &[usize], data_type: DataType, raw_data: Vec<u8>) -> String {
        let name = format!("constant_{}", self.graph.initializer.len());
        self.graph.initializer.push(pb::TensorProto {
            dims: shape.iter().map(|extent| *extent as i64).collect(),
            data_type: data_type as i32,
            name: name.clone(),
            raw_data,
            ..Default::default()
        });
        name
    }

    pub fn node(
        &mut self,
        op: &str,
        inputs: &[&str],
        attribute: Vec<pb::AttributeProto>,
    ) -> String {
        let name = format!("{op}_{}", self.graph.node.len());
        self.graph.node.push(pb::NodeProto {
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: op.into(),
            attribute,
            ..Default::default()
        });
        name
    }
}
