"""How long verdicts and reject messages take on a machine that others keep busy, with real-time priority and without:

    benches/speed/priority.py AECSAD [--parts N] [--rounds N]

The demo's parts pass a station with a simulated actuator, ten a second, beside two busy loops for each processor; priority
0 and 50 in turns, in one run. Needs root, or a limit on real-time priority. Measures, and judges nothing.
"""
import argparse
import csv
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PRIORITIES = [0, 50]
STATION = """
[bundle]
path = "{root}/models/demo.aecsad"
demo = true
[camera]
kind = "folder"
path = "parts"
rate_per_min = 600
[conveyor]
travel_ms = 5000
[reject]
kind = "framed"
device = "gate"
pulse_ms = 20
[monitor]
listen = "off"
[system]
priority = {priority}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("aecsad", type=pathlib.Path)
    parser.add_argument("--parts", type=int, default=300, help="in one turn")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    aecsad = arguments.aecsad.resolve()
    rows = {priority: [] for priority in PRIORITIES}
    busy = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(2 * os.cpu_count())]
    try:
        with tempfile.TemporaryDirectory() as folder:
            line = pathlib.Path(folder)
            lay_out(line, arguments.parts)
            for _ in range(arguments.rounds):
                for priority in PRIORITIES:
                    rows[priority] += run(line, aecsad, priority)
    finally:
        for loop in busy:
            loop.kill()
    print(f"{os.cpu_count()} processors, {len(busy)} busy loops, {len(rows[0])} parts each")
    for column, what in [("latency_ms", "frame to verdict"), ("pulse_error_ms", "pulse off its time")]:
        report(what, {p: sorted(abs(float(row[column])) for row in rows[p] if row[column]) for p in PRIORITIES})
    late = {priority: sum(row["cause"] == "late" for row in rows[priority]) for priority in PRIORITIES}
    print(f"parts without a verdict in time: {late[0]} without priority, {late[50]} with it")


def lay_out(line, parts):
    images = sorted((ROOT / "models/demo-parts").glob("*.png"))
    (line / "parts").mkdir()
    for number in range(parts):
        (line / f"parts/{number:05}.png").symlink_to(images[number % len(images)])


def run(line, aecsad, priority):
    """The rows of one turn."""
    (line / "station.toml").write_text(STATION.format(root=ROOT, priority=priority))
    # The actuator is elsewhere in truth: it does not compete for these processors.
    actuator = subprocess.Popen(
        ["chrt", "-f", "60", aecsad, "simulate-rejector", "--pty-link", line / "gate"], stdout=subprocess.PIPE, text=True
    )
    try:
        actuator.stdout.readline()
        command = [aecsad, "run", "--config", line / "station.toml", "--csv", line / "rows.csv"]
        done = subprocess.run(command, capture_output=True, text=True)
    finally:
        actuator.kill()
        actuator.wait()
    if "no real-time priority" in done.stdout + done.stderr or done.returncode != 0:
        raise SystemExit(f"priority: the station did not run as requested: {done.stderr[-500:]}")
    with open(line / "rows.csv") as rows:
        return list(csv.DictReader(rows))


def report(what, values):
    quantile = lambda sorted_values, share: sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]
    for share, name in [(0.5, "p50"), (0.99, "p99"), (1.0, "most")]:
        without, with_it = (quantile(values[priority], share) for priority in PRIORITIES)
        ratio = f"{without / with_it:.2f}" if with_it else "-"
        print(f"{what:<22} {name:<5} {without:9.2f} ms without priority {with_it:9.2f} ms with it   {ratio} times")


if __name__ == "__main__":
    main()
