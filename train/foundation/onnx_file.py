"""Writes a PyTorch module as ONNX, and keeps the file only if ONNX Runtime gives the same numbers."""

import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from failure import ExportError

OPSET = 17
# Largest difference allowed, as a share of the output's largest value where that is over 1.
TOLERANCE = 1e-3
# Protobuf refuses files over 2 GB; larger weights go into a file beside the graph.
MOST_INLINE_BYTES = 1_800_000_000


@dataclass
class Graph:
    """One ONNX file to be written.

    `examples`: tables of named inputs; the first is traced, all are compared. They must differ in each dynamic size,
    or a size that the trace has frozen would pass unseen. `dynamic`: names of the free axes of inputs and outputs.
    `ranked`: outputs whose rows are ordered by a score, of which a few may change places (see `difference`).
    `wanted`: the library's untouched module, where `module` was rewritten so that it can be traced.
    """

    name: str
    module: torch.nn.Module
    examples: list
    outputs: list
    dynamic: dict = field(default_factory=dict)
    metadata: dict = field(default_factory=dict)
    ranked: bool = False
    wanted: torch.nn.Module | None = None


def write(graph, folder):
    """Writes `folder/NAME` and returns the largest difference found. Raises ExportError where it is over TOLERANCE."""
    path = Path(folder) / graph.name
    graph.module.eval()
    # Traces over 2 GB scatter a file for each tensor around them
    with tempfile.TemporaryDirectory(dir=folder) as scattered:
        traced = Path(scattered) / graph.name
        trace(graph, traced)
        save(onnx.load(traced), path, graph.metadata)
    return compare(graph, path)


def trace(graph, path):
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph.module,
            tuple(graph.examples[0].values()),
            str(path),
            input_names=list(graph.examples[0]),
            output_names=graph.outputs,
            dynamic_axes=graph.dynamic,
            opset_version=OPSET,
            dynamo=False,
        )


def save(model, path, metadata):
    """Writes a graph with its metadata and short names; large weights go into one file beside it."""
    onnx.helper.set_model_props(model, metadata)
    number(model.graph)
    if sum(len(tensor.raw_data) for tensor in model.graph.initializer) <= MOST_INLINE_BYTES:
        onnx.save(model, path)
    else:
        weights = path.with_name(path.name + ".data")
        onnx.save(model, path, save_as_external_data=True, location=weights.name)
        # The library makes it for its owner alone, unlike the graph
        weights.chmod(path.stat().st_mode)
    onnx.checker.check_model(str(path))


def number(graph):
    """Numbers in place of names that a trace builds from modules and scopes, often longer than what they name."""
    new = {}
    ends = {entry.name for entry in list(graph.input) + list(graph.output)}
    for name in [t.name for t in graph.initializer] + [o for node in graph.node for o in node.output]:
        new[name] = name if name in ends or not name else str(len(new))
    for tensor in graph.initializer:
        tensor.name = new[tensor.name]
    for node in graph.node:
        node.name, node.doc_string = "", ""
        for part in (node.input, node.output):
            part[:] = [new.get(name, name) for name in part]
    if any(a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for n in graph.node for a in n.attribute):
        raise ExportError(
            "the trace holds branches, whose inner names can't be shortened; the pinned versions make none"
        )
    del graph.value_info[:]


def compare(graph, path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    most = 0.0
    for example in graph.examples:
        with torch.no_grad():
            wanted = (graph.wanted or graph.module)(*example.values())
        wanted = wanted if isinstance(wanted, (tuple, list)) else (wanted,)
        given = session.run(graph.outputs, {name: tensor.numpy() for name, tensor in example.items()})
        for name, ours, theirs in zip(graph.outputs, given, wanted, strict=True):
            off = difference(ours, theirs.numpy(), graph.ranked)
            if not off <= TOLERANCE:
                raise ExportError(
                    f"{path.name}: {name} differs from PyTorch's by {off:.2g}, at most {TOLERANCE} is allowed; "
                    "nothing was written"
                )
            most = max(most, off)
    return most


def difference(ours, theirs, ranked=False):
    """Largest difference, as a share of the largest finite value where that is over 1; infinities must agree.

    In ranked outputs `[1, Q, …]` two rows whose scores tie to the last bit may change places between runtimes; up to
    one row in fifty is left out, the worst first.
    """
    if ours.shape != theirs.shape:
        return float("inf")
    finite = np.isfinite(theirs)
    if not np.array_equal(finite, np.isfinite(ours)):
        return float("inf")
    apart = np.where(finite, np.abs(np.where(finite, ours, 0.0) - np.where(finite, theirs, 0.0)), 0.0)
    if ranked:
        rows = np.sort(apart.reshape(apart.shape[1], -1).max(1))
        apart = rows[: len(rows) - len(rows) // 50]
    largest = np.abs(theirs[finite]).max(initial=0.0)
    return float(apart.max(initial=0.0) / max(1.0, largest))
