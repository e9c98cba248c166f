"""The product's own frozen backbone under ONNX Runtime, so that peers differ in method and not in features."""
import numpy as np
import onnx
import onnxruntime

from category import read_rgb

LEVELS = ["stride4", "stride8", "stride16"]


class Encoder:
    """Of square images of `side` pixels. The file is for 256: a convolution does not depend on the image's size."""

    def __init__(self, path, side, threads=1):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        model = at_side(onnx.load(path), side)
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                                    providers=["CPUExecutionProvider"])
        self.side = side

    def __call__(self, path):
        """Features of one image: [24, side/4, side/4], [40, side/8, side/8], [112, side/16, side/16]."""
        tensor = (read_rgb(path, self.side) - 127.0) / 128.0
        outputs = self.session.run(LEVELS, {"image": tensor.transpose(2, 0, 1)[None]})
        return [output[0].astype(np.float32, copy=False) for output in outputs]


def at_side(model, side):
    del model.graph.value_info[:]
    for dimension in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        dimension.dim_value = side
    for output in model.graph.output:
        for dimension in output.type.tensor_type.shape.dim[2:]:
            dimension.ClearField("dim_value")
    return model
