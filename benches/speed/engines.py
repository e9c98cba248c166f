"""One network in two engines, run in turns: what else the machine does then hits both alike."""

import pathlib
import subprocess
import time

import numpy
import onnxruntime


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


def compare(program, onnx, runs, scratch, warm_up=3):
    """Quantiles of both engines on one thread and how their outputs differ."""
    reference = Reference(onnx, 1)
    inputs = reference.inputs()
    expected = reference.outputs(inputs)
    ours = Ours(program, onnx, inputs, scratch)
    try:
        differs = difference(ours.outputs(expected), expected)
        times = [ours.time_ms() + reference.time_ms(inputs) for _ in range(warm_up + runs)][warm_up:]
    finally:
        ours.close()
    our_p50, our_work, allocations, ort_p50, ort_work = numpy.median(times, axis=0)
    our_p99, _, _, ort_p99, _ = numpy.quantile(times, 0.99, axis=0)
    return {
        "network": pathlib.Path(onnx).stem,
        "ours_p50_ms": our_p50,
        "ours_p99_ms": our_p99,
        "ours_cpu_ms": our_work,
        "ort_p50_ms": ort_p50,
        "ort_p99_ms": ort_p99,
        "ort_cpu_ms": ort_work,
        "ours_over_ort": our_p50 / ort_p50,
        "ours_over_ort_cpu": our_work / ort_work,
        "allocations": allocations,
        "difference": differs,
        "loaded": ours.loaded,
    }
