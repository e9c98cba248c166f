//! One ONNX file for images of several sizes: a convolutional network does not depend on the size that its file names.

use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension::Value};
use tract_onnx::pb::{ModelProto, TensorShapeProto, ValueInfoProto, type_proto};

/// Replaces the shape of the only input, and forgets the shapes that the file states for what follows from it.
///
/// # Errors
/// If there is not one input, or it has another number of dimensions.
pub(crate) fn replace(model: &mut ModelProto, shape: &[usize]) -> Result<(), String> {
    let graph = model.graph.as_mut().ok_or("it has no graph")?;
    let constants: Vec<String> = graph.initializer.iter().map(|t| t.name.clone()).collect();
    let mut inputs = graph.input.iter_mut();
    let mut fed = inputs.by_ref().filter(|i| !constants.contains(&i.name));
    let (Some(input), None) = (fed.next(), fed.next()) else {
        return Err("it has not one input, so its size can't be changed".into());
    };
    let stated = shape_of(input).ok_or("its input has no shape")?;
    if stated.dim.len() != shape.len() {
        return Err(format!(
            "its input has {} dimensions instead of {}",
            stated.dim.len(),
            shape.len()
        ));
    }
    for (dimension, expected) in stated.dim.iter_mut().zip(shape) {
        *dimension = Dimension {
            value: Some(Value::DimValue(*expected as i64)),
            ..dimension.clone()
        };
    }
    graph.value_info.clear();
    for output in &mut graph.output {
        if let Some(stated) = shape_of(output) {
            for dimension in &mut stated.dim {
                dimension.value = None;
            }
        }
    }
    Ok(())
}

fn shape_of(value: &mut ValueInfoProto) -> Option<&mut TensorShapeProto> {
    let type_proto::Value::TensorType(tensor) = value.r#type.as_mut()?.value.as_mut()?;
    tensor.shape.as_mut()
}
