"""Every network in our engine and in ONNX Runtime, whole frames, and what one would run instead. Figures only."""

import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import tempfile

import engines
import rivals

EDGE = ["edge-encoder", "edge-decoder", "edge-students"]
PAPER = ["paper-encoder", "paper-decoder", "paper-local", "paper-global"]


def machine():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    sets = [flag for flag in ("avx2", "fma", "avx512f", "avx512_vnni") if flag in flags]
    return f"{model}, {os.cpu_count()} cores, {' '.join(sets)}, load {os.getloadavg()[0]:.1f}"


def alone(onnx, threads, runs):
    """ONNX Runtime's median."""
    reference = engines.Reference(onnx, threads)
    inputs = reference.inputs()
    times = [reference.time_ms(inputs)[0] for _ in range(runs + 3)][3:]
    return statistics.median(times)


def over(rows, names):
    """Ratio of the sums, by the clock and by work; a share of a run may be another program's by the clock."""
    chosen = [row for row in rows if row["network"] in names]
    return [
        sum(row[f"ours_{unit}"] for row in chosen) / sum(row[f"ort_{unit}"] for row in chosen)
        for unit in ("p50_ms", "cpu_ms")
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--target", type=pathlib.Path, required=True)
    parser.add_argument("--runs", type=int, default=100, help="of an edge network")
    parser.add_argument("--paper-runs", type=int, default=10, help="of a paper network")
    parser.add_argument("--json", type=pathlib.Path, help="where to write the figures instead of target/bench")
    arguments = parser.parse_args()
    release, bench = arguments.target / "release", arguments.target / "bench"
    program = release / "examples/time_network"

    files = {name: bench / f"networks/{name}.onnx" for name in EDGE + PAPER}
    files["edge-encoder"] = arguments.root / "models/efficientnet-lite0/encoder.onnx"
    print(machine(), datetime.date.today())
    print("Weights of all but the edge encoder are random, which changes no time. ms, one thread, in turns; cpu: the")
    print("engine's own work, which other programs on the machine disturb less.\n")
    print(f"{'':<16}{'ours p50':>10}{'p99':>9}{'cpu':>9}{'ORT p50':>10}{'p99':>9}{'cpu':>9}{'ratio':>8}{'of cpu':>8}"
          f"{'ORT, 2 threads':>16}{'differs':>10}{'allocs':>8}")
    rows = []
    for name, onnx in files.items():
        runs = arguments.runs if name in EDGE else arguments.paper_runs
        with tempfile.TemporaryDirectory() as scratch:
            row = engines.compare(program, onnx, runs, scratch)
        row |= {"network": name, "ort_two_threads_p50_ms": alone(onnx, 2, max(runs // 3, 3))}
        rows.append(row)
        print(f"{name:<16}{row['ours_p50_ms']:>10.2f}{row['ours_p99_ms']:>9.2f}{row['ours_cpu_ms']:>9.2f}"
              f"{row['ort_p50_ms']:>10.2f}{row['ort_p99_ms']:>9.2f}{row['ort_cpu_ms']:>9.2f}"
              f"{row['ours_over_ort']:>8.2f}{row['ours_over_ort_cpu']:>8.2f}{row['ort_two_threads_p50_ms']:>16.2f}"
              f"{row['difference']:>10.0e}{row['allocations']:>8.0f}", flush=True)

    print("\nInstead, under ONNX Runtime on one thread, random weights:")
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        rivals.efficient_ad(scratch / "efficient_ad.onnx")
        rivals.patch_core_search(scratch / "search.onnx")
        efficient_ad = alone(scratch / "efficient_ad.onnx", 1, arguments.paper_runs)
        search = alone(scratch / "search.onnx", 1, arguments.paper_runs)
    backbone = next(row["ort_p50_ms"] for row in rows if row["network"] == "paper-encoder")
    print(f"EfficientAD-S {efficient_ad:.0f} ms")
    print(f"PatchCore     {backbone + search:.0f} ms (WideResNet-50-2 {backbone:.0f}, "
          f"{rivals.MEMORY} patches remembered {search:.0f})")

    command = [release / "aecsad", "bench", "--bundle", arguments.root / "models/demo.aecsad", "--json"]
    frame = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    verdict = next(stage for stage in frame["stages"] if stage["stage"] == "frame to verdict")
    edge, edge_cpu = over(rows, ["edge-encoder", "edge-decoder"])
    paper, paper_cpu = over(rows, PAPER)
    summary = {
        "edge_frame_ms": verdict["p50_ms"],
        "edge_frame_p99_ms": verdict["p99_ms"],
        "edge_ours_over_ort": edge,
        "edge_ours_over_ort_cpu": edge_cpu,
        "paper_ours_over_ort": paper,
        "paper_ours_over_ort_cpu": paper_cpu,
        "edge_rss_mb": frame["memory"].get("resident"),
        "start_ms": frame["first_verdict_ms"],
        "allocs_per_frame": sum(row["allocations"] for row in rows if row["network"] in EDGE[:2]),
        "binary_mb": (release / "aecsad").stat().st_size / 1e6,
        "efficient_ad_ort_ms": efficient_ad,
        "patch_core_ort_ms": backbone + search,
        "machine": machine(),
        "date": str(datetime.date.today()),
        "networks": rows,
    }
    print(f"\nmodels/demo.aecsad, frame to verdict: p50 {summary['edge_frame_ms']:.1f} ms, p99 "
          f"{summary['edge_frame_p99_ms']:.1f} ms; {summary['edge_rss_mb']:.0f} MB resident, first verdict after "
          f"{summary['start_ms']:.0f} ms; binary {summary['binary_mb']:.1f} MB")
    print(f"ours over ONNX Runtime: edge (encoder and decoder) {edge:.2f}, of cpu {edge_cpu:.2f}; paper {paper:.2f}, "
          f"of cpu {paper_cpu:.2f}")
    print(f"allocations a frame, tract's among them: {summary['allocs_per_frame']:.0f}")
    path = arguments.json or bench / "summary.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    main()
