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
        # Its threads would otherwise go on spinning after a run, in the other engine's turn
        options.add_session_config_entry("session.force_spinning_stop", "1")
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

    def __init__(self, program, onnx, inputs, scratch, threads=1):
        scratch = pathlib.Path(scratch)
        values, self.written = scratch / "inputs.f32", scratch / "outputs.f32"
        numpy.concatenate([array.ravel() for array in inputs.values()]).tofile(values)
        command = [program, onnx, values, self.written, str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.loaded = self.process.stdout.readline().strip()
        if not self.loaded:
            raise RuntimeError(f"{onnx} doesn't run in our engine")

    def outputs(self, like):
        flat = numpy.fromfile(self.written, numpy.float32)
        ends = numpy.cumsum([array.size for array in like])
        return [part.reshape(array.shape) for part, array in zip(numpy.split(flat, ends[:-1]), like)]

    def time_ms(self):
        """By the clock, the work of all threads, and how many allocations."""
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


def answers(program, onnx, inputs, scratch, like):
    ours = Ours(program, onnx, inputs, scratch)
    ours.close()
    return ours.outputs(like)


def compare(program, onnx, int8, runs, scratch):
    """The float network and the quantised one in both engines, on one thread and on two; and how outputs differ."""
    floats = Reference(onnx, 1)
    inputs = floats.inputs()
    expected = floats.outputs(inputs)
    # Of the same file, which ONNX Runtime computes in floats where its kernels don't take the form
    same = Reference(int8, 1).outputs(inputs)
    row = {
        "network": pathlib.Path(onnx).stem,
        "difference": difference(answers(program, onnx, inputs, scratch, expected), expected),
        "int8_difference": difference(answers(program, int8, inputs, scratch, same), same),
    }
    ours = {"f32": onnx, "int8": int8}
    theirs = {"f32": onnx, "int8": quantised_by_ort(onnx, inputs, scratch)}
    for threads, prefix in ((1, ""), (2, "two_threads_")):
        figures = in_turns(program, ours, theirs, inputs, runs, scratch, threads)
        row |= {f"{prefix}{name}": figure for name, figure in figures.items()}
    return row


def in_turns(program, ours, theirs, inputs, runs, scratch, threads, warm_up=3):
    """Figures of both engines on so many threads each. The files of each engine are by precision."""
    engines = []
    try:
        for precision in ours:
            folder = pathlib.Path(scratch) / f"{precision}-{threads}"
            folder.mkdir()
            engines.append((
                Ours(program, ours[precision], inputs, folder, threads),
                Reference(theirs[precision], threads),
            ))
        times = []
        for _ in range(warm_up + runs):
            turn = []
            for one, other in engines:
                for engine in (one.time_ms, lambda: other.time_ms(inputs)):
                    # Helpers of the engine before have fallen asleep by then
                    time.sleep(0.001 if threads > 1 else 0)
                    turn += engine()
            times.append(turn)
    finally:
        for one, _ in engines:
            one.close()
    least, p50, p99 = (numpy.quantile(times[warm_up:], share, axis=0) for share in (0, 0.5, 0.99))
    figures = {}
    for at, precision in enumerate(ours):
        for engine, first in (("ours", 5 * at), ("ort", 5 * at + 3)):
            figures |= {
                f"{engine}_{precision}_min_ms": least[first],
                f"{engine}_{precision}_p50_ms": p50[first],
                f"{engine}_{precision}_p99_ms": p99[first],
                f"{engine}_{precision}_cpu_ms": p50[first + 1],
            }
        figures[f"allocations_{precision}"] = p50[5 * at + 2]
    return figures
