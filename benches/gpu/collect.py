"""Joins what check.sh has measured so far into one file, benches/results/gpu-NAME.json, and prints what was wanted beside it."""

import argparse
import json
import pathlib
import re

parser = argparse.ArgumentParser(description=__doc__)
for option in ("name", "burn", "without", "torch", "weights", "results"):
    parser.add_argument(f"--{option}", required=True)
parser.add_argument("--effort", type=int, required=True)
parser.add_argument("--memory", help="of the GPU during the fit, a line each time it was looked at")
parser.add_argument("--seconds", type=int, help="of the fit, once it has ended")
parser.add_argument("--report", help="of evaluate")
arguments = parser.parse_args()


def load(path):
    return json.loads(pathlib.Path(path).read_text())


burn, without, torch = load(arguments.burn), load(arguments.without), load(arguments.torch)
report = load(arguments.report) if arguments.report else {}
looks = pathlib.Path(arguments.memory).read_text().split() if arguments.memory else []
peak = max(map(int, looks), default=None)
minutes = arguments.seconds and round(arguments.seconds / 60, 2)
ratios = {
    f"{step}_over_{precision}": round(burn[f"{step}_step_ms"] / torch[precision][f"{step}_step_ms"], 3)
    for precision in (torch or {})
    for step in ("students", "segmentation")
}
result = {
    "gpu": arguments.name,
    "burn": burn,
    "without_cudnn": without,
    "torch": torch,
    "burn_over_torch": ratios,
    "fit": {
        "product": "fuse_box, rendered, 120 + 40 images",
        "weights": arguments.weights,
        "effort_percent": arguments.effort,
        "minutes": minutes,
        "peak_memory_mib_of_the_gpu": peak,
        "auroc": report.get("auroc"),
        "branch_auroc": report.get("branch_auroc"),
    },
}
name = re.sub(r"[^a-z0-9]+", "-", arguments.name.lower()).strip("-")
path = pathlib.Path(arguments.results) / f"gpu-{name}.json"
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(json.dumps(result, indent=2) + "\n")
print(path)
print("step time over PyTorch's (wanted: at most 1.3):", ratios or "not measured, no PyTorch")
if minutes:
    print(f"fit: {minutes:.1f} minutes at {arguments.effort} % effort (wanted: at most 15 at 100 %)")
if peak:
    print(f"peak memory of the GPU: {peak / 1024:.1f} GiB (wanted: at most 12)")
