"""ONNX Runtime sessions, and the shapes in which results are written."""

import json

import numpy as np
import onnxruntime


class Model:
    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.outputs = [output.name for output in self.session.get_outputs()]

    def shape(self, name):
        return next(i.shape for i in self.session.get_inputs() if i.name == name)

    def __call__(self, **inputs):
        """Outputs by name."""
        inputs = {name: np.ascontiguousarray(value) for name, value in inputs.items()}
        return dict(zip(self.outputs, self.session.run(None, inputs), strict=True))


def rle(mask):
    """Runs of a mask in reading order, the first of zeros: `{"size": [h, w], "runs": [...]}`."""
    flat = np.concatenate([[0], mask.astype(np.int8).ravel(), [0]])
    edges = np.flatnonzero(np.diff(flat))
    stops = np.concatenate([[0], edges, [mask.size]])
    runs = np.diff(stops).tolist()
    if runs[-1] == 0:
        runs.pop()
    return {"size": list(mask.shape), "runs": runs}


def rounded(values, digits=6):
    return [round(float(value), digits) for value in np.ravel(values)]


def between(values, share, least):
    """A threshold that about `share` of the values stay under, in the middle of the widest gap nearby."""
    values = np.sort(np.asarray(values, dtype=np.float64))
    first = int(len(values) * max(0.0, share - 0.15))
    last = max(first + 1, int(len(values) * min(1.0, share + 0.15)) - 1)
    gaps = np.diff(values[first : last + 1])
    at = first + int(gaps.argmax())
    if gaps.max() / 2 < least:
        raise ValueError(f"no gap of {2 * least} from {values[first]} to {values[last]}: take another seed")
    return round(float(values[at] + values[at + 1]) / 2, 4)


def lines(value, depth=4, indent=""):
    """JSON with a line for each record, and records on one line each, so that a change shows where it is."""
    if (
        depth == 0
        or not isinstance(value, (dict, list))
        or not any(isinstance(v, (dict, list)) for v in members(value))
    ):
        return json.dumps(value, separators=(",", ":"))
    inner = indent + " "
    if isinstance(value, dict):
        body = [f"{json.dumps(key)}: {lines(v, depth - 1, inner)}" for key, v in value.items()]
    else:
        body = [lines(v, depth - 1, inner) for v in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return opening + "\n" + ",\n".join(inner + line for line in body) + "\n" + indent + closing


def members(value):
    return value.values() if isinstance(value, dict) else value
