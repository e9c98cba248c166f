"""Reads official checkpoints: no code in a file is run, and a file of another network is refused."""

from pathlib import Path

import torch

from failure import ExportError


def read(path):
    """The tensors of a `.pth` or `.pt` file by name, whether or not it wraps them in `model` or `state_dict`.

    Raises ExportError where the file is missing, damaged or holds no tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise ExportError(f"{path}: no such file; README.md says where each official checkpoint is")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ExportError(f"{path}: not a PyTorch checkpoint of tensors, or not a whole one; fetch it again") from error
    for wrapper in ("model", "state_dict"):
        if isinstance(found, dict) and isinstance(found.get(wrapper), dict):
            found = found[wrapper]
    if not isinstance(found, dict):
        raise ExportError(f"{path}: holds a {type(found).__name__}, not a table of tensors")
    tensors = {name: value for name, value in found.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise ExportError(f"{path}: holds no tensors; give the official checkpoint")
    return tensors


def load(model, tensors, path, *, computed=(), renamed=(), trained_with=()):
    """Fills `model` with `tensors`; every parameter must be there with its shape.

    `computed`: parts of names that the model computes itself. `renamed`: pairs of an old and a new part of a name.
    `trained_with`: beginnings of names that served training only. Any other leftover means another network.
    Raises ExportError that names the first differences.
    """
    given = {}
    for name, value in tensors.items():
        if any(part in name for part in computed):
            continue
        for old, new in renamed:
            name = name.replace(old, new)
        given[name] = value.float() if value.is_floating_point() else value
    wanted = model.state_dict()
    missing = [name for name in wanted if name not in given]
    unknown = [n for n in given if n not in wanted and not n.startswith(tuple(trained_with))]
    shapes = [n for n in wanted if n in given and wanted[n].shape != given[n].shape]
    if missing or unknown or shapes:
        found = differences(wanted, given, missing, unknown, shapes)
        raise ExportError(f"{path}: not a checkpoint of this network: {found}")
    model.load_state_dict({name: given[name] for name in wanted})
    return [name for name in given if name not in wanted]


def differences(wanted, given, missing, unknown, shapes):
    parts = []
    for names, what in ((missing, "missing"), (unknown, "unknown")):
        if names:
            parts.append(f"{len(names)} tensors {what} (first {names[0]!r})")
    if shapes:
        name = shapes[0]
        ours, theirs = list(wanted[name].shape), list(given[name].shape)
        parts.append(f"{len(shapes)} of another shape (first {name!r}: {theirs}, wanted {ours})")
    return "; ".join(parts)
