"""One network in two engines, in floats and in int8, run in turns: what else the machine does then hits both alike."""

import pathlib
import subprocess
import time

import numpy
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process


class Reference:
    """ONNX Runtime on the CPU."""

    def __init__(self, onnx, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(onnx), options, providers=["CPUExecutionProvider"])

    def inputs(self, seed=7):
        noise = numpy.random.default_rng(seed)
        return {i.name: noise.standard_normal(i.shape, numpy.float32) for i in self.session.get_inputs()}

    def outputs(self, inputs):
        return self.session.run(None, inputs)

    def time_ms(self, inputs):
        """By the clock, and the work of all threads."""
        clock, work = time.perf_counter(), time.process_time()
        self.session.run(None, inputs)
        return 1e3 * (time.perf_counter() - clock), 1e3 * (time.process_time() - work)


class Ours:
    """The engine of this repository, in a process of its own: engine/examples/time_network.rs."""

    def __init__(self, program, onnx, inputs, scratch):
        scratch = pathlib.Path(scratch)
        values, self.written = scratch / "inputs.f32", scratch / "outputs.f32"
        numpy.concatenate([array.ravel() for array in inputs.values()]).tofile(values)
        command = [program, onnx, values, self.written]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.loaded = self.process.stdout.readline().strip()
        if not self.loaded:
            raise RuntimeError(f"{onnx} doesn't run in our engine")

    def outputs(self, like):
        flat = numpy.fromfile(self.written, numpy.float32)
        ends = numpy.cumsum([array.size for array in like])
        return [part.reshape(array.shape) for part, array in zip(numpy.split(flat, ends[:-1]), like)]

    def time_ms(self):
        """By the clock, the thread's own work, and how many allocations."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return tuple(float(figure) for figure in self.process.stdout.readline().split())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def difference(ours, reference):
    """The largest, relative to the largest value of the output."""
    return max(
        float(numpy.abs(o - r).max() / max(numpy.abs(r).max(), 1e-30)) for o, r in zip(ours, reference, strict=True)
    )


class Calibration(CalibrationDataReader):
    """One input, to take ranges from."""

    def __init__(self, inputs):
        self.rest = [inputs]

    def get_next(self):
        return self.rest.pop() if self.rest else None


def quantised_by_ort(onnx, inputs, scratch):
    """The float network, quantised by ONNX Runtime's own tool in the form that its kernels take: what its user would do."""
    prepared, quantised = pathlib.Path(scratch) / "prepared.onnx", pathlib.Path(scratch) / "quantised.onnx"
    quant_pre_process(onnx, prepared, skip_symbolic_shape=True)
    quantize_static(
        prepared,
        quantised,
        Calibration(inputs),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["Conv", "Relu", "Clip", "Add", "MaxPool", "AveragePool", "Concat"],
    )
    return quantised


def compare(program, onnx, int8, runs, scratch, warm_up=3):
    """Both engines on one thread, the float network and the quantised one: quantiles, and how outputs differ."""
    floats = Reference(onnx, 1)
    inputs = floats.inputs()
    expected = floats.outputs(inputs)
    theirs = {"f32": floats, "int8": Reference(quantised_by_ort(onnx, inputs, scratch), 1)}
    ours, row = {}, {"network": pathlib.Path(onnx).stem}
    try:
        for precision, file in (("f32", onnx), ("int8", int8)):
            folder = pathlib.Path(scratch) / precision
            folder.mkdir()
            ours[precision] = Ours(program, file, inputs, folder)
        row["difference"] = difference(ours["f32"].outputs(expected), expected)
        # Of the same file, which ONNX Runtime computes in floats where its kernels don't take the form
        same = Reference(int8, 1).outputs(inputs)
        row["int8_difference"] = difference(ours["int8"].outputs(same), same)
        times = [
            [ours[p].time_ms() + theirs[p].time_ms(inputs) for p in ("f32", "int8")] for _ in range(warm_up + runs)
        ][warm_up:]
    finally:
        for engine in ours.values():
            engine.close()
    p50, p99 = numpy.median(times, axis=0), numpy.quantile(times, 0.99, axis=0)
    for at, precision in enumerate(("f32", "int8")):
        row |= {
            f"ours_{precision}_p50_ms": p50[at][0],
            f"ours_{precision}_p99_ms": p99[at][0],
            f"ours_{precision}_cpu_ms": p50[at][1],
            f"allocations_{precision}": p50[at][2],
            f"ort_{precision}_p50_ms": p50[at][3],
            f"ort_{precision}_p99_ms": p99[at][3],
            f"ort_{precision}_cpu_ms": p50[at][4],
        }
    return row
