#!/usr/bin/env python3
"""Measures PaDiM and PatchCore on category folders in MVTec LOCO AD's layout, on the product's own backbone.

Both are fitted on train/good alone; the test images are read once, for the figures at the end. Figures go to stdout as
a table, and as JSON and one CSV a category and method where requested. `run.sh` beside this file sets the environment
up.
"""
import argparse
import csv
import itertools
import json
import pathlib
import resource
import sys
import time

from category import Category, size
from encoder import Encoder
from metrics import at_size, auroc, spro
from padim import Padim
from patchcore import PatchCore

METHODS = [Padim, PatchCore]


def measure(category, encoder, method):
    """Fits and judges; returns the report's row and each test image's score."""
    started = time.perf_counter()
    method.fit(encoder(path) for path in category.train)
    fit_seconds = time.perf_counter() - started

    scores, maps, judge_seconds = [], [], []
    for sample in category.test:
        started = time.perf_counter()
        score, anomaly_map = method.judge(encoder(sample.path))
        judge_seconds.append(time.perf_counter() - started)
        scores.append(score)
        maps.append(anomaly_map)

    row = {"category": category.name, "method": method.name, "size": encoder.side, "train_images": len(category.train)}
    for kind in ("logical", "structural"):
        row[f"auroc_{kind}"] = auroc(category.test, scores, kind)
    known = [row[f"auroc_{kind}"] for kind in ("logical", "structural") if row[f"auroc_{kind}"] is not None]
    row["auroc_mean"] = sum(known) / len(known)
    for kind in ("logical", "structural"):
        row[f"spro_{kind}"] = spro(lambda: located(category, maps, kind))
    row["fit_seconds"] = fit_seconds
    row["ms_per_image"] = 1000 * sorted(judge_seconds)[len(judge_seconds) // 2]
    return row, scores


def located(category, maps, kind):
    """Map and regions of the good and this kind's images; an anomalous image without a mask says nothing of where."""
    for sample, anomaly_map in zip(category.test, maps):
        regions = category.regions(sample) if sample.kind == kind else []
        if sample.kind == "good" or regions:
            yield at_size(anomaly_map, size(sample.path)), regions


def side(text):
    value = int(text)
    if value < 64 or value % 32:
        raise argparse.ArgumentTypeError("give a multiple of 32, 64 at least")
    return value


def figure(value, digits=3):
    return "–" if value is None else f"{value:.{digits}f}"


def table(rows):
    lines = [["category", "method", "size", "logical", "structural", "mean", "sPRO log.", "sPRO str.", "fit s", "ms/image"]]
    for row in rows:
        lines.append([row["category"], row["method"], str(row["size"]), *(figure(row[f"auroc_{key}"]) for key in
                                                        ("logical", "structural", "mean")),
                      figure(row["spro_logical"]), figure(row["spro_structural"]),
                      figure(row["fit_seconds"], 1), figure(row["ms_per_image"], 1)])
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("category", nargs="+", type=pathlib.Path, help="a folder in MVTec LOCO AD's layout")
    parser.add_argument("--encoder", required=True, type=pathlib.Path, help="the backbone as ONNX")
    parser.add_argument("--json", type=pathlib.Path, help="write the figures here")
    parser.add_argument("--csv", type=pathlib.Path, help="write CATEGORY-METHOD.csv with each image's score here")
    parser.add_argument("--size", type=side, default=256, metavar="PIXELS",
                        help="side of the square that images are seen at: a multiple of 32 [default: 256]")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    categories = [Category(folder) for folder in arguments.category]
    encoder = Encoder(arguments.encoder, arguments.size)

    rows = []
    for category, method in itertools.product(categories, METHODS):
        print(f"peers: {category.name}, {method.name} …", file=sys.stderr)
        row, scores = measure(category, encoder, method(arguments.seed, arguments.size))
        rows.append(row)
        if arguments.csv:
            arguments.csv.mkdir(parents=True, exist_ok=True)
            with open(arguments.csv / f"{category.name}-{method.name.lower()}.csv", "w", newline="") as opened:
                writer = csv.writer(opened)
                writer.writerow(["path", "kind", "score"])
                for sample, score in zip(category.test, scores):
                    writer.writerow([sample.path.relative_to(category.folder), sample.kind, f"{score:.6f}"])
    print(table(rows))
    if arguments.json:
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        report = {"seed": arguments.seed, "peak_rss_mib": round(peak_mib), "rows": rows}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
