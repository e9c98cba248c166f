#!/usr/bin/env python3
"""Prints the figures that figures.sh measured as one markdown table.

    python3 scripts/figures_table.py out/figures CATEGORY_DIR...
"""
import json
import pathlib
import sys
import tarfile
import tomllib

COLUMNS = ["category", "aecsad", "PaDiM", "PatchCore", "good rejected", "at most", "fit, minutes"]
KINDS = ("logical", "structural")


def main():
    out = pathlib.Path(sys.argv[1])
    rows = [measured(out, pathlib.Path(folder).name) for folder in sys.argv[2:]]
    print("AUROC, logical / structural:\n")
    print("| " + " | ".join(COLUMNS) + " |")
    print("|---" * len(COLUMNS) + "|")
    for row in rows:
        shown = [row["name"], *(pair(row[method]) for method in COLUMNS[1:4]), row["rejected"], row["rate"], row["minutes"]]
        print("| " + " | ".join(shown) + " |")
    means = [pair({kind: mean([row[method][kind] for row in rows]) for kind in KINDS}) for method in COLUMNS[1:4]]
    print("| mean | " + " | ".join(means) + " | | | |")


def measured(out, name):
    report = json.loads((out / f"{name}.json").read_text())
    with tarfile.open(out / f"{name}.aecsad") as bundle:
        manifest = tomllib.load(bundle.extractfile("manifest.toml"))
    peers = [row for path in sorted(out.glob(f"{name}-peers-*.json")) for row in json.loads(path.read_text())["rows"]]
    good = report["good_rejected"]
    row = {
        "name": name.replace("_", " "),
        "aecsad": report["auroc"],
        "rejected": f"{good['count']} of {good['of']}",
        "rate": f"{100 * manifest['threshold']['false_reject_rate']:.1f} %",
        "minutes": f"{manifest['provenance']['minutes']:.1f}",
    }
    for method in COLUMNS[2:4]:
        row[method] = {kind: mean([peer[f"auroc_{kind}"] for peer in peers if peer["method"] == method]) for kind in KINDS}
    return row


def mean(values):
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def pair(by_kind):
    return " / ".join("–" if by_kind[kind] is None else f"{by_kind[kind]:.3f}" for kind in KINDS)


if __name__ == "__main__":
    main()
