//! Parts of an ONNX file.

use aecsad_engine::onnx as pb;
use pb::attribute_proto::AttributeType;
use pb::tensor_proto::DataType;

/// Along one axis.
pub struct Geometry {
    pub kernel: usize,
    pub dilation: usize,
    pub padding: [usize; 2],
    pub stride: usize,
    pub output: usize,
}

pub fn attributes(rows: &Geometry, columns: &Geometry) -> Vec<pb::AttributeProto> {
    let [top, bottom] = rows.padding;
    let [left, right] = columns.padding;
    vec![
        ints("kernel_shape", &[rows.kernel, columns.kernel]),
        ints("strides", &[rows.stride, columns.stride]),
        ints("pads", &[top, left, bottom, right]),
    ]
}

pub fn int(name: &str, value: usize) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.into(),
        r#type: AttributeType::Int as i32,
        i: value as i64,
        ..Default::default()
    }
}

pub fn ints(name: &str, values: &[usize]) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.into(),
        r#type: AttributeType::Ints as i32,
        ints: values.iter().map(|value| *value as i64).collect(),
        ..Default::default()
    }
}

pub fn value_info(name: &str, shape: Option<[usize; 3]>) -> pb::ValueInfoProto {
    use pb::tensor_shape_proto::{Dimension, dimension};
    use pb::type_proto::{Tensor, Value};
    let shape = shape.map(|[channels, height, width]| pb::TensorShapeProto {
        dim: [1, channels, height, width]
            .map(|extent| Dimension {
                value: Some(dimension::Value::DimValue(extent as i64)),
                ..Default::default()
            })
            .to_vec(),
    });
    pb::ValueInfoProto {
        name: name.into(),
        r#type: Some(pb::TypeProto {
            value: Some(Value::TensorType(Tensor {
                elem_type: DataType::Float as i32,
                shape,
            })),
            ..Default::default()
        }),
        ..Default::default()
    }
}
