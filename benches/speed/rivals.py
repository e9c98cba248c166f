"""What one would run instead, as networks with random weights: enough to time them, worth nothing as detectors."""

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 256
# Patches that PatchCore keeps of a few hundred images at its usual tenth or hundredth
MEMORY = 10_000


class Graph:
    def __init__(self, inputs):
        self.nodes, self.arrays = [], []
        self.inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()]
        self.noise = numpy.random.default_rng(7)

    def constant(self, *shape):
        values = self.noise.standard_normal(shape, numpy.float32) / numpy.sqrt(numpy.prod(shape[1:]))
        name = f"constant_{len(self.arrays)}"
        self.arrays.append(numpy_helper.from_array(values.astype(numpy.float32), name))
        return name

    def node(self, op, *inputs, **attributes):
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def convolution(self, x, channels, kernel, stride=1, pad=0, relu=True):
        weights = self.constant(channels[1], channels[0], kernel, kernel)
        bias = self.constant(channels[1])
        x = self.node("Conv", x, weights, bias, strides=[stride] * 2, pads=[pad] * 4)
        return self.node("Relu", x) if relu else x

    def write(self, output, path):
        outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
        graph = helper.make_graph(self.nodes, "rival", self.inputs, outputs, self.arrays)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, path)


def patch_description(graph, x, outputs):
    """EfficientAD-S's patch description network (Batzner et al., 2024)."""
    pool = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [1] * 4, "count_include_pad": 1}
    x = graph.convolution(x, (3, 128), 4, pad=3)
    x = graph.node("AveragePool", x, **pool)
    x = graph.convolution(x, (128, 256), 4, pad=3)
    x = graph.node("AveragePool", x, **pool)
    x = graph.convolution(x, (256, 256), 3, pad=1)
    return graph.convolution(x, (256, outputs), 4, relu=False)


def efficient_ad(path):
    """Teacher, student and autoencoder of EfficientAD-S on one image."""
    graph = Graph({"image": [1, 3, SIZE, SIZE]})
    teacher = patch_description(graph, "image", 384)
    student = patch_description(graph, "image", 768)
    x = "image"
    for channels in [(3, 32), (32, 32), (32, 64), (64, 64), (64, 64)]:
        x = graph.convolution(x, channels, 4, stride=2, pad=1)
    x = graph.convolution(x, (64, 64), 8, relu=False)
    for size in [3, 8, 15, 32, 63, 127]:
        sizes = helper.make_tensor(f"size_{size}", TensorProto.INT64, [4], [1, 64, size, size])
        graph.arrays.append(sizes)
        x = graph.node("Resize", x, "", "", sizes.name, mode="linear")
        x = graph.convolution(x, (64, 64), 4, pad=2)
    sizes = helper.make_tensor("size_64", TensorProto.INT64, [4], [1, 64, 64, 64])
    graph.arrays.append(sizes)
    x = graph.node("Resize", x, "", "", sizes.name, mode="linear")
    x = graph.convolution(x, (64, 64), 3, pad=1)
    x = graph.convolution(x, (64, 384), 3, pad=1, relu=False)
    ends = [numpy_helper.from_array(numpy.array(v, numpy.int64), n) for n, v in [("from", [0]), ("to", [384]), ("axis", [1])]]
    graph.arrays.extend(ends)
    half = graph.node("Slice", student, "from", "to", "axis")
    local = graph.node("Sub", teacher, half)
    outputs = [graph.node("ReduceMean", graph.node("Mul", d, d), axes=[1]) for d in (local, graph.node("Sub", x, teacher))]
    graph.write(graph.node("Add", *outputs), path)


def patch_core_search(path):
    """The distances of 32×32 described patches to a memory; the description is the WideResNet's."""
    graph = Graph({"patches": [1024, 1024]})
    product = graph.node("MatMul", "patches", graph.constant(1024, MEMORY))
    graph.write(graph.node("ReduceMax", product, axes=[1]), path)
