//! Writes the ONNX graphs of hand-made networks. Any operator, any kind of numbers, free axes.

use aecsad_engine::onnx as pb;
use aecsad_engine::onnx::attribute_proto::AttributeType;
use aecsad_engine::onnx::tensor_proto::DataType;
use prost::Message;

/// The name of a tensor in the graph.
pub type Wire = String;

#[derive(Default)]
pub struct Graph {
    graph: pb::GraphProto,
}

/// A length below 0 is free.
fn value(name: &str, kind: DataType, shape: &[i64]) -> pb::ValueInfoProto {
    use pb::tensor_shape_proto::{Dimension, dimension};
    use pb::type_proto::{Tensor, Value};
    let axis = |(index, &length): (usize, &i64)| Dimension {
        value: Some(match length < 0 {
            true => dimension::Value::DimParam(format!("{name}_{index}")),
            false => dimension::Value::DimValue(length),
        }),
        ..Default::default()
    };
    let dim = shape.iter().enumerate().map(axis).collect();
    pb::ValueInfoProto {
        name: name.into(),
        r#type: Some(pb::TypeProto {
            value: Some(Value::TensorType(Tensor {
                elem_type: kind as i32,
                shape: Some(pb::TensorShapeProto { dim }),
            })),
            ..Default::default()
        }),
        ..Default::default()
    }
}

impl Graph {
    pub fn input(&mut self, name: &str, kind: DataType, shape: &[i64]) -> Wire {
        self.graph.input.push(value(name, kind, shape));
        name.into()
    }

    pub fn output(&mut self, name: &str, wire: &Wire, shape: &[i64]) {
        self.graph.node.push(pb::NodeProto {
            op_type: "Identity".into(),
            input: vec![wire.clone()],
            output: vec![name.into()],
            ..Default::default()
        });
        self.graph.output.push(value(name, DataType::Float, shape));
    }

    /// A node with whole numbers as attributes; one number is an int, several are ints.
    pub fn op(&mut self, kind: &str, inputs: &[&Wire], attributes: &[(&str, &[i64])]) -> Wire {
        let name = format!("{}_{}", kind.to_lowercase(), self.graph.node.len());
        // These are lists even of one number.
        let is_list = |name: &str| ["axes", "kernel_shape", "strides"].contains(&name);
        let attribute = attributes.iter().map(|(name, values)| match is_list(name) {
            false => pb::AttributeProto {
                name: (*name).into(),
                r#type: AttributeType::Int as i32,
                i: values[0],
                ..Default::default()
            },
            true => pb::AttributeProto {
                name: (*name).into(),
                r#type: AttributeType::Ints as i32,
                ints: values.to_vec(),
                ..Default::default()
            },
        });
        self.graph.node.push(pb::NodeProto {
            op_type: kind.into(),
            input: inputs.iter().map(|wire| (*wire).clone()).collect(),
            output: vec![name.clone()],
            attribute: attribute.collect(),
            ..Default::default()
        });
        name
    }

    /// The input as another kind of numbers.
    pub fn cast(&mut self, wire: &Wire, to: DataType) -> Wire {
        self.op("Cast", &[wire], &[("to", &[to as i64])])
    }

    pub fn reshape(&mut self, wire: &Wire, shape: &[i64]) -> Wire {
        let shape = self.whole(&[shape.len()], shape);
        self.op("Reshape", &[wire, &shape], &[])
    }

    pub fn floats(&mut self, shape: &[usize], values: &[f32]) -> Wire {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(DataType::Float, shape, raw)
    }

    pub fn whole(&mut self, shape: &[usize], values: &[i64]) -> Wire {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(DataType::Int64, shape, raw)
    }

    pub fn bytes(&mut self, shape: &[usize], values: Vec<u8>) -> Wire {
        self.constant(DataType::Uint8, shape, values)
    }

    fn constant(&mut self, kind: DataType, shape: &[usize], raw_data: Vec<u8>) -> Wire {
        let name = format!("constant_{}", self.graph.initializer.len());
        self.graph.initializer.push(pb::TensorProto {
            dims: shape.iter().map(|length| *length as i64).collect(),
            data_type: kind as i32,
            name: name.clone(),
            raw_data,
            ..Default::default()
        });
        name
    }

    /// The model's bytes, opset 17, with notes in its metadata.
    pub fn finish(self, notes: &[(&str, &str)]) -> Vec<u8> {
        let note = |(key, value): &(&str, &str)| pb::StringStringEntryProto {
            key: (*key).into(),
            value: (*value).into(),
        };
        pb::ModelProto {
            metadata_props: notes.iter().map(note).collect(),
            ir_version: 8,
            opset_import: vec![pb::OperatorSetIdProto {
                version: 17,
                ..Default::default()
            }],
            graph: Some(pb::GraphProto {
                name: "hand_made".into(),
                ..self.graph
            }),
            ..Default::default()
        }
        .encode_to_vec()
    }
}
