"""Says whether a reference made anew agrees with the committed one.

    python reference/compare.py COMMITTED NEW

Numbers may differ as they do between machines; names, orders, decisions and files may not.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
from PIL import Image

# Scores and pixels of boxes; other processors round otherwise.
SCORE = 2e-3
MASK_IOU = 0.99


def main(committed, new):
    names = [
        sorted(str(p.relative_to(d)) for p in d.rglob("*") if p.is_file() and p.name != "README.md")
        for d in (committed, new)
    ]
    problems = [f"{name}: only in one of the two" for name in sorted(set(names[0]) ^ set(names[1]))]
    for name in sorted(set(names[0]) & set(names[1])):
        problems += [f"{name}: {problem}" for problem in compare(committed / name, new / name)]
    if problems:
        sys.exit("\n".join(problems[:20]))
    print(f"{committed}: {len(names[0])} files agree with those made anew")


def compare(a, b):
    if a.suffix == ".onnx":
        return graphs(onnx.load(a), onnx.load(b))
    if a.suffix == ".png":
        same = np.array_equal(np.asarray(Image.open(a)), np.asarray(Image.open(b)))
        return [] if same else ["other pixels"]
    if a.name == "reference.json":
        return list(values(json.loads(a.read_text()), json.loads(b.read_text()), ""))
    return [] if a.read_bytes() == b.read_bytes() else ["another text"]


def graphs(a, b):
    if [(n.op_type, list(n.input), list(n.output)) for n in a.graph.node] != [
        (n.op_type, list(n.input), list(n.output)) for n in b.graph.node
    ]:
        return ["another graph"]
    for ours, theirs in zip(a.graph.initializer, b.graph.initializer, strict=True):
        ours, theirs = onnx.numpy_helper.to_array(ours), onnx.numpy_helper.to_array(theirs)
        if ours.shape != theirs.shape or not np.allclose(ours, theirs, rtol=1e-4, atol=1e-5):
            return ["other weights"]
    return []


def values(a, b, where):
    if isinstance(a, dict) and isinstance(b, dict):
        if set(a) == {"size", "runs"} == set(b):
            if overlap(a, b) < MASK_IOU:
                yield f"{where}: another mask"
            return
        if list(a) != list(b):
            yield f"{where}: other keys"
            return
        pairs = [(f"{where}.{key}", a[key], b[key]) for key in a]
    elif isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            yield f"{where}: {len(a)} entries and {len(b)}"
            return
        pairs = [(f"{where}[{i}]", x, y) for i, (x, y) in enumerate(zip(a, b, strict=True))]
    else:
        number = isinstance(a, float) or isinstance(b, float)
        if a != b and not (number and abs(a - b) <= SCORE * max(1.0, abs(a))):
            yield f"{where}: {a} and {b}"
        return
    for place, x, y in pairs:
        yield from values(x, y, place)


def overlap(a, b):
    if a["size"] != b["size"]:
        return 0.0
    masks = [np.repeat(np.arange(len(m["runs"])) % 2, m["runs"]).astype(bool) for m in (a, b)]
    union = (masks[0] | masks[1]).sum()
    return (masks[0] & masks[1]).sum() / union if union else 1.0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
