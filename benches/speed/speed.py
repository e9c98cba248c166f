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
import sizes

EDGE = ["edge-encoder", "edge-decoder", "edge-students"]
PAPER = ["paper-encoder", "paper-decoder", "paper-local", "paper-global"]
# The edge encoder in a fine view, by the side of the image.
FINE = {f"edge-encoder-{side}": side for side in (512, 1024)}
# Our precision and ONNX Runtime's.
PAIRS = [("f32", "f32"), ("int8", "f32"), ("int8", "int8")]


def machine():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    sets = [flag for flag in ("avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni") if flag in flags]
    return f"{model}, {os.cpu_count()} cores, {' '.join(sets)}, load {os.getloadavg()[0]:.1f}"


def alone(onnx, threads, runs):
    """ONNX Runtime's median."""
    reference = engines.Reference(onnx, threads)
    inputs = reference.inputs()
    times = [reference.time_ms(inputs)[0] for _ in range(runs + 3)][3:]
    return statistics.median(times)


def over(rows, names, ours, theirs, unit, prefix=""):
    """Ratio of the sums, by the clock or by work; a share of a run may be another program's by the clock."""
    chosen = [row for row in rows if row["network"] in names]
    return sum(row[f"{prefix}ours_{ours}_{unit}"] for row in chosen) / sum(row[f"{prefix}ort_{theirs}_{unit}"] for row in chosen)


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

    print(machine(), datetime.date.today())
    print("Weights of all but the edge encoder are random, which changes no time. ms, medians of one thread, in turns; cpu:")
    print("the engine's own work, which other programs on the machine disturb less. ONNX Runtime's int8 is what its own tool")
    print("makes of the float network. differs: from ONNX Runtime on the same file.\n")
    print(f"{'':<17}{'ours f32':>9}{'cpu':>9}{'int8':>9}{'p99':>9}{'cpu':>9}{'ORT f32':>10}{'cpu':>9}{'int8':>9}{'cpu':>9}"
          f"{'f32/f32':>9}{'int8/f32':>9}{'int8/int8':>10}{'differs':>9}{'int8':>9}{'allocs':>8}")
    rows = []
    for name, side in FINE.items():
        for suffix in ("", "-int8"):
            networks = bench / "networks"
            sizes.resized(networks / f"edge-encoder{suffix}.onnx", side, networks / f"{name}{suffix}.onnx")
    for name in EDGE + list(FINE) + PAPER:
        runs = arguments.runs if name in EDGE else arguments.paper_runs
        onnx, int8 = bench / f"networks/{name}.onnx", bench / f"networks/{name}-int8.onnx"
        with tempfile.TemporaryDirectory() as scratch:
            row = engines.compare(program, onnx, int8, runs, scratch)
        row |= {"network": name}
        rows.append(row)
        ratios = [over([row], [name], *pair, "cpu_ms") for pair in PAIRS]
        print(f"{name:<17}{row['ours_f32_p50_ms']:>9.2f}{row['ours_f32_cpu_ms']:>9.2f}{row['ours_int8_p50_ms']:>9.2f}"
              f"{row['ours_int8_p99_ms']:>9.2f}{row['ours_int8_cpu_ms']:>9.2f}{row['ort_f32_p50_ms']:>10.2f}"
              f"{row['ort_f32_cpu_ms']:>9.2f}{row['ort_int8_p50_ms']:>9.2f}{row['ort_int8_cpu_ms']:>9.2f}"
              f"{ratios[0]:>9.2f}{ratios[1]:>9.2f}{ratios[2]:>10.2f}"
              f"{row['difference']:>9.0e}{row['int8_difference']:>9.0e}{row['allocations_int8']:>8.0f}", flush=True)

    print("\nBoth on two threads, by the clock: the least of all runs, since other programs on the machine disturb two threads more;")
    print("scaled: our time on one thread over that on two, likewise.\n")
    print(f"{'':<17}{'ours f32':>9}{'p50':>9}{'int8':>9}{'p50':>9}{'ORT f32':>10}{'p50':>9}{'int8':>9}{'p50':>9}"
          f"{'f32/f32':>9}{'int8/f32':>9}{'int8/int8':>10}{'scaled f32':>12}{'int8':>7}")
    for row in rows:
        ratios = [over([row], [row["network"]], *pair, "min_ms", "two_threads_") for pair in PAIRS]
        scaled = [row[f"ours_{p}_min_ms"] / row[f"two_threads_ours_{p}_min_ms"] for p in ("f32", "int8")]
        figures = [row[f"two_threads_{e}_{p}_{u}_ms"] for e in ("ours", "ort") for p in ("f32", "int8") for u in ("min", "p50")]
        print(f"{row['network']:<17}" + "".join(f"{figure:>{10 if at == 4 else 9}.2f}" for at, figure in enumerate(figures))
              + f"{ratios[0]:>9.2f}{ratios[1]:>9.2f}{ratios[2]:>10.2f}{scaled[0]:>12.2f}{scaled[1]:>7.2f}")

    print("\nInstead, under ONNX Runtime on one thread, random weights:")
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        rivals.efficient_ad(scratch / "efficient_ad.onnx")
        rivals.patch_core_search(scratch / "search.onnx")
        efficient_ad = alone(scratch / "efficient_ad.onnx", 1, arguments.paper_runs)
        search = alone(scratch / "search.onnx", 1, arguments.paper_runs)
    backbone = next(row["ort_f32_p50_ms"] for row in rows if row["network"] == "paper-encoder")
    print(f"EfficientAD-S {efficient_ad:.0f} ms")
    print(f"PatchCore     {backbone + search:.0f} ms (WideResNet-50-2 {backbone:.0f}, "
          f"{rivals.MEMORY} patches remembered {search:.0f})")

    command = [release / "aecsad", "bench", "--bundle", arguments.root / "models/demo.aecsad", "--json", "--threads"]
    frames = [json.loads(subprocess.check_output([*command, threads])) for threads in ("1", "2")]
    verdicts = [next(stage for stage in frame["stages"] if stage["stage"] == "frame to verdict") for frame in frames]
    frame, verdict = frames[0], verdicts[0]
    summary = {
        "edge_frame_ms": verdict["p50_ms"],
        "edge_frame_p99_ms": verdict["p99_ms"],
        "edge_frame_two_threads_ms": verdicts[1]["p50_ms"],
        "edge_frame_two_threads_p99_ms": verdicts[1]["p99_ms"],
        "edge_rss_mb": frame["memory"].get("resident"),
        "start_ms": frame["first_verdict_ms"],
        "allocs_per_frame": sum(row["allocations_int8"] for row in rows if row["network"] in EDGE[:2]),
        "binary_mb": (release / "aecsad").stat().st_size / 1e6,
        "efficient_ad_ort_ms": efficient_ad,
        "patch_core_ort_ms": backbone + search,
        "machine": machine(),
        "date": str(datetime.date.today()),
        "networks": rows,
    }
    for profile, names in (("edge", EDGE[:2]), ("paper", PAPER)):
        # Without a word between: our int8 against the floats that one has without us, what the product is held to.
        for key, (ours, theirs) in zip(("_f32", "", "_int8"), PAIRS):
            for unit, suffix in (("p50_ms", ""), ("cpu_ms", "_cpu")):
                summary[f"{profile}{key}_ours_over_ort{suffix}"] = over(rows, names, ours, theirs, unit)
            for unit, suffix in (("p50_ms", ""), ("min_ms", "_min")):
                ratio = over(rows, names, ours, theirs, unit, "two_threads_")
                summary[f"{profile}{key}_two_threads_ours_over_ort{suffix}"] = ratio
    print(f"\nmodels/demo.aecsad, frame to verdict: p50 {summary['edge_frame_ms']:.1f} ms, p99 "
          f"{summary['edge_frame_p99_ms']:.1f} ms, on two threads {summary['edge_frame_two_threads_ms']:.1f} and "
          f"{summary['edge_frame_two_threads_p99_ms']:.1f} ms; {summary['edge_rss_mb']:.0f} MB resident, first verdict after "
          f"{summary['start_ms']:.0f} ms; binary {summary['binary_mb']:.1f} MB")
    for profile in ("edge", "paper"):
        f32, int8_f32, int8 = (summary[f"{profile}{key}_ours_over_ort_cpu"] for key in ("_f32", "", "_int8"))
        print(f"{profile}, ours over ONNX Runtime, of cpu: f32 {f32:.2f}, int8 over its f32 {int8_f32:.2f}, int8 {int8:.2f}")
        f32, int8_f32, int8 = (summary[f"{profile}{key}_two_threads_ours_over_ort_min"] for key in ("_f32", "", "_int8"))
        print(f"{profile}, both on two threads, least: f32 {f32:.2f}, int8 over its f32 {int8_f32:.2f}, int8 {int8:.2f}")
    for row in rows:
        if row["network"] in FINE:
            one, two = (over([row], [row["network"]], "int8", "int8", unit, prefix)
                        for unit, prefix in (("cpu_ms", ""), ("min_ms", "two_threads_")))
            print(f"{row['network']}, ours over ONNX Runtime, int8: {one:.2f} of cpu, {two:.2f} on two threads, least")
    print(f"allocations a frame, tract's among them: {summary['allocs_per_frame']:.0f}")
    path = arguments.json or bench / "summary.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    main()
