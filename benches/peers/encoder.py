"""The product's own frozen backbone under ONNX Runtime, so that peers differ in method and not in features."""
import numpy as np
import onnxruntime

from category import read_rgb

SIDE = 256


class Encoder:
    def __init__(self, path, threads=1):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, path):
        """Features of one image: [24, 64, 64], [40, 32, 32], [112, 16, 16]."""
        tensor = (read_rgb(path, SIDE) - 127.0) / 128.0
        outputs = self.session.run(["stride4", "stride8", "stride16"], {"image": tensor.transpose(2, 0, 1)[None]})
        return [output[0].astype(np.float32, copy=False) for output in outputs]
