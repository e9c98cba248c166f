"""The encoder at the sizes of fine views: the same weights, other input shapes."""

import onnx


def resized(network, side, out):
    """Writes `network`, whose image is `[1, 3, 256, 256]`, for an image of `side`×`side` pixels to `out`."""
    model = onnx.load(network)
    for value in model.graph.input:
        rows, columns = value.type.tensor_type.shape.dim[2:]
        rows.dim_value = columns.dim_value = side
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    onnx.save(onnx.shape_inference.infer_shapes(model), out)
