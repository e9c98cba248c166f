"""Writes a model's folder whole or not at all."""

import os
import shutil
import tempfile
from pathlib import Path

import onnx_file
from failure import ExportError


def refuse_existing(folder, replace):
    if Path(folder).exists() and not replace:
        raise ExportError(f"{folder}: already there; remove it or add --replace")


def write(folder, graphs, texts, report=print):
    """Fills `folder` with graphs and text files, all checked in a folder beside it first; what was there goes last.

    Raises ExportError where a graph differs from PyTorch.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
        whole = Path(scratch) / folder.name
        whole.mkdir()
        for graph in graphs:
            off = onnx_file.write(graph, whole)
            size = sum(file.stat().st_size for file in whole.glob(f"{graph.name}*"))
            report(f"{folder / graph.name}: {size / 1e6:.1f} MB, differs from PyTorch by {off:.1e}")
        for name, text in texts.items():
            (whole / name).write_text(text, encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        os.rename(whole, folder)
