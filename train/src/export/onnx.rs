//! A small writer of ONNX graphs: opset 17, static shapes, float32, only the operators that tract, ONNX Runtime and
//! TensorRT all run well. It tracks shapes while it writes, so a wrong wire shows here and not on the camera.

use aecsad_engine::onnx as pb;
use aecsad_engine::onnx::attribute_proto::AttributeType;
use aecsad_engine::onnx::tensor_proto::DataType;
use prost::Message;

use super::matrix::Matrix;

const IR_VERSION: i64 = 8;
const OPSET: i64 = 17;

/// A tensor in the graph.
#[derive(Clone, Debug)]
pub struct Value {
    name: String,
    shape: Vec<usize>,
}

impl Value {
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }
}

/// Weights and bias, and how the kernel moves.
#[derive(Clone, Debug)]
pub struct OnnxConvolution {
    /// `[out, in, height, width]`, row-major.
    pub weight: Vec<f32>,
    pub weight_shape: [usize; 4],
    /// `[out]`
    pub bias: Vec<f32>,
    pub stride: [usize; 2],
    /// Top, left, bottom, right.
    pub padding: [usize; 4],
    pub dilation: [usize; 2],
}

impl OnnxConvolution {
    /// Multiplies output channel `i` by `scale[i]`, then adds `shift[i]`: how batch normalisation and learned
    /// scales disappear into the kernel.
    ///
    /// *Shapes*: `scale` and `shift` are `[out]`.
    pub fn rescale(&mut self, scale: &[f32], shift: &[f32]) {
        let per_output = self.weight.len() / self.weight_shape[0];
        for (channel, kernel) in self.weight.chunks_mut(per_output).enumerate() {
            kernel.iter_mut().for_each(|value| *value *= scale[channel]);
            self.bias[channel] = self.bias[channel] * scale[channel] + shift[channel];
        }
    }
}

/// A graph under construction.
pub struct Graph {
    graph: pb::GraphProto,
}

impl Graph {
    pub fn new(name: &str) -> Self {
        Self {
            graph: pb::GraphProto {
                name: name.into(),
                ..Default::default()
            },
        }
    }

    pub fn input(&mut self, name: &str, shape: &[usize]) -> Value {
        self.graph.input.push(value_info(name, shape));
        Value {
            name: name.into(),
            shape: shape.to_vec(),
        }
    }

    /// Gives `value` its public name.
    pub fn output(&mut self, name: &str, value: &Value) {
        self.graph.node.push(pb::NodeProto {
            input: vec![value.name.clone()],
            output: vec![name.into()],
            name: name.into(),
            op_type: "Identity".into(),
            ..Default::default()
        });
        self.graph.output.push(value_info(name, &value.shape));
    }

    pub fn convolution(&mut self, input: &Value, layer: &OnnxConvolution) -> Value {
        let weight = self.constant_f32(&layer.weight_shape, &layer.weight);
        let bias = self.constant_f32(&[layer.weight_shape[0]], &layer.bias);
        let [_, _, kernel_height, kernel_width] = layer.weight_shape;
        let [top, left, bottom, right] = layer.padding;
        let extent = |size: usize, pad: usize, kernel: usize, axis: usize| {
            (size + pad - layer.dilation[axis] * (kernel - 1) - 1) / layer.stride[axis] + 1
        };
        let name = self.node(
            "Conv",
            &[input, &weight, &bias],
            vec![
                ints("kernel_shape", &[kernel_height, kernel_width]),
                ints("strides", &layer.stride),
                ints("pads", &layer.padding),
                ints("dilations", &layer.dilation),
                int("group", (input.shape[1] / layer.weight_shape[1]) as i64),
            ],
        );
        let shape = vec![
            input.shape[0],
            layer.weight_shape[0],
            extent(input.shape[2], top + bottom, kernel_height, 0),
            extent(input.shape[3], left + right, kernel_width, 1),
        ];
        Value { name, shape }
    }

    pub fn relu(&mut self, input: &Value) -> Value {
        self.elementwise("Relu", &[input])
    }

    pub fn add(&mut self, left: &Value, right: &Value) -> Value {
        self.elementwise("Add", &[left, right])
    }

    pub fn sub(&mut self, left: &Value, right: &Value) -> Value {
        self.elementwise("Sub", &[left, right])
    }

    pub fn mul(&mut self, left: &Value, right: &Value) -> Value {
        self.elementwise("Mul", &[left, right])
    }

    fn elementwise(&mut self, op: &str, inputs: &[&Value]) -> Value {
        debug_assert!(
            inputs.iter().all(|input| input.shape == inputs[0].shape),
            "{op}: {inputs:?}"
        );
        let name = self.node(op, inputs, Vec::new());
        Value {
            name,
            shape: inputs[0].shape.clone(),
        }
    }

    /// Joins along the channels.
    pub fn concat(&mut self, inputs: &[&Value]) -> Value {
        self.concat_along(1, inputs)
    }

    pub fn concat_along(&mut self, axis: usize, inputs: &[&Value]) -> Value {
        let name = self.node("Concat", inputs, vec![int("axis", axis as i64)]);
        let mut shape = inputs[0].shape.clone();
        shape[axis] = inputs.iter().map(|input| input.shape[axis]).sum();
        Value { name, shape }
    }

    /// Rows `from..to` of every channel.
    pub fn rows(&mut self, input: &Value, from: usize, to: usize) -> Value {
        let bounds = [from, to, 2].map(|bound| self.constant_i64(&[bound]));
        let [from_row, to_row, axis] = &bounds;
        let name = self.node("Slice", &[input, from_row, to_row, axis], Vec::new());
        let mut shape = input.shape.clone();
        shape[2] = to - from;
        Value { name, shape }
    }

    pub fn max_pool(
        &mut self,
        input: &Value,
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
    ) -> Value {
        self.pool("MaxPool", input, [kernel, stride, padding], Vec::new())
    }

    /// The mean, padding counted in: burn's `avg_pool2d` with `count_include_pad`.
    pub fn average_pool(
        &mut self,
        input: &Value,
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
    ) -> Value {
        let counted = vec![int("count_include_pad", 1)];
        self.pool("AveragePool", input, [kernel, stride, padding], counted)
    }

    fn pool(
        &mut self,
        op: &str,
        input: &Value,
        [kernel, stride, padding]: [[usize; 2]; 3],
        mut attributes: Vec<pb::AttributeProto>,
    ) -> Value {
        let [vertical, horizontal] = padding;
        attributes.extend([
            ints("kernel_shape", &kernel),
            ints("strides", &stride),
            ints("pads", &[vertical, horizontal, vertical, horizontal]),
        ]);
        let name = self.node(op, &[input], attributes);
        let mut shape = input.shape.clone();
        for axis in 0..2 {
            shape[2 + axis] =
                (shape[2 + axis] + 2 * padding[axis] - kernel[axis]) / stride[axis] + 1;
        }
        Value { name, shape }
    }

    /// Bilinear, half-pixel centres: burn's `interpolate` with `align_corners = false`.
    ///
    /// Written as two products with constant matrices, `vertical · map · horizontalᵀ`: the same numbers as the
    /// `Resize` operator, which tract runs several times slower than its matrix product.
    pub fn resize(&mut self, input: &Value, size: [usize; 2]) -> Value {
        let [height, width] = [input.shape[2], input.shape[3]];
        if [height, width] == size {
            return input.clone();
        }
        self.separable(
            input,
            &Matrix::bilinear(height, size[0]),
            &Matrix::bilinear(width, size[1]),
        )
    }

    /// `vertical · map · horizontalᵀ` of every channel.
    pub fn separable(&mut self, input: &Value, vertical: &Matrix, horizontal: &Matrix) -> Value {
        let transposed = horizontal.transposed();
        let right = self.constant_f32(&[transposed.rows, transposed.columns], &transposed.values);
        let wide = self.node("MatMul", &[input, &right], Vec::new());
        let mut shape = input.shape.clone();
        shape[3] = horizontal.rows;
        let wide = Value {
            name: wide,
            shape: shape.clone(),
        };
        let left = self.constant_f32(&[vertical.rows, vertical.columns], &vertical.values);
        shape[2] = vertical.rows;
        Value {
            name: self.node("MatMul", &[&left, &wide], Vec::new()),
            shape,
        }
    }

    pub fn global_average(&mut self, input: &Value) -> Value {
        let name = self.node("GlobalAveragePool", &[input], Vec::new());
        Value {
            name,
            shape: vec![input.shape[0], input.shape[1], 1, 1],
        }
    }

    /// The mean over the channels, kept as one channel.
    pub fn channel_mean(&mut self, input: &Value) -> Value {
        let name = self.node(
            "ReduceMean",
            &[input],
            vec![ints("axes", &[1]), int("keepdims", 1)],
        );
        let mut shape = input.shape.clone();
        shape[1] = 1;
        Value { name, shape }
    }

    pub fn reshape(&mut self, input: &Value, shape: &[usize]) -> Value {
        debug_assert_eq!(
            input.shape.iter().product::<usize>(),
            shape.iter().product::<usize>()
        );
        let target = self.constant_i64(shape);
        let name = self.node("Reshape", &[input, &target], Vec::new());
        Value {
            name,
            shape: shape.to_vec(),
        }
    }

    /// `leftᵀ · right` of two matrices.
    pub fn transposed_product(&mut self, left: &Value, right: &Value) -> Value {
        let name = self.node("Gemm", &[left, right], vec![int("transA", 1)]);
        Value {
            name,
            shape: vec![left.shape[1], right.shape[1]],
        }
    }

    /// `left · rightᵀ` of two matrices.
    pub fn product_transposed(&mut self, left: &Value, right: &Value) -> Value {
        let name = self.node("Gemm", &[left, right], vec![int("transB", 1)]);
        Value {
            name,
            shape: vec![left.shape[0], right.shape[0]],
        }
    }

    /// Over the last axis.
    pub fn softmax(&mut self, input: &Value) -> Value {
        let name = self.node("Softmax", &[input], vec![int("axis", -1)]);
        Value {
            name,
            shape: input.shape.clone(),
        }
    }

    /// The finished model as ONNX bytes.
    pub fn finish(self) -> Vec<u8> {
        pb::ModelProto {
            ir_version: IR_VERSION,
            opset_import: vec![pb::OperatorSetIdProto {
                domain: String::new(),
                version: OPSET,
            }],
            producer_name: "aecsad-train".into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            graph: Some(self.graph),
            ..Default::default()
        }
        .encode_to_vec()
    }

    /// Adds a node and returns the name of its output.
    fn node(&mut self, op: &str, inputs: &[&Value], attribute: Vec<pb::AttributeProto>) -> String {
        let name = format!("{}_{}", op.to_lowercase(), self.graph.node.len());
        self.graph.node.push(pb::NodeProto {
            input: inputs.iter().map(|input| input.name.clone()).collect(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: op.into(),
            attribute,
            ..Default::default()
        });
        name
    }

    /// A constant of this shape.
    ///
    /// *Shapes*: `values` are those of `shape`, row-major.
    pub fn constant_f32(&mut self, shape: &[usize], values: &[f32]) -> Value {
        let raw = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.constant(shape, DataType::Float, raw)
    }

    fn constant_i64(&mut self, values: &[usize]) -> Value {
        let raw = values
            .iter()
            .flat_map(|&value| (value as i64).to_le_bytes())
            .collect();
        self.constant(&[values.len()], DataType::Int64, raw)
    }

    fn constant(&mut self, shape: &[usize], kind: DataType, raw_data: Vec<u8>) -> Value {
        let name = format!("constant_{}", self.graph.initializer.len());
        self.graph.initializer.push(pb::TensorProto {
            dims: shape.iter().map(|&length| length as i64).collect(),
            data_type: kind as i32,
            name: name.clone(),
            raw_data,
            ..Default::default()
        });
        Value {
            name,
            shape: shape.to_vec(),
        }
    }
}

fn value_info(name: &str, shape: &[usize]) -> pb::ValueInfoProto {
    use pb::tensor_shape_proto::{Dimension, dimension};
    use pb::type_proto::{Tensor, Value};
    let dim = shape
        .iter()
        .map(|&length| Dimension {
            value: Some(dimension::Value::DimValue(length as i64)),
            ..Default::default()
        })
        .collect();
    pb::ValueInfoProto {
        name: name.into(),
        r#type: Some(pb::TypeProto {
            value: Some(Value::TensorType(Tensor {
                elem_type: DataType::Float as i32,
                shape: Some(pb::TensorShapeProto { dim }),
            })),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn attribute(name: &str, kind: AttributeType) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.into(),
        r#type: kind as i32,
        ..Default::default()
    }
}

pub(crate) fn int(name: &str, value: i64) -> pb::AttributeProto {
    pb::AttributeProto {
        i: value,
        ..attribute(name, AttributeType::Int)
    }
}

fn ints(name: &str, values: &[usize]) -> pb::AttributeProto {
    pb::AttributeProto {
        ints: values.iter().map(|&value| value as i64).collect(),
        ..attribute(name, AttributeType::Ints)
    }
}
