"""A station in the virtual machine: its file, how it is started and stopped, what is expected of its parts."""
import csv
import io
import json
import time

from machine import Hil

BLACK, WHITE, CHECKERS = 5, 6, 10
PULSE_MS = 200
# An emulated engine is slow: this is enough for any, and set to what it needs once that is measured.
TRAVEL_MS = 60000

STATION = f"""
[bundle]
path = "bundle.aecsad"
[camera]
kind = "v4l2"
device = "/dev/video0"
width = 320
height = 180
format = "FORMAT"
frame_rate = 1
stall_ms = 4000
controls = {{ osd_text_mode = 2 }}
[trigger]
kind = "presence"
belt_level = 0
contrast = 40
[conveyor]
travel_ms = {TRAVEL_MS}
[reject]
kind = "framed"
device = "/dev/ttyS1"
pulse_ms = {PULSE_MS}
lead_ms = 20
margin_ms = 300
[journal]
path = "/journal"
images_mb = 1
[monitor]
listen = "127.0.0.1:9464"
"""


def expect(condition, sentence):
    if not condition:
        raise Hil(sentence)


def pattern(virtual, number):
    virtual.run(f"v4l2-ctl -d /dev/video0 -c test_pattern={number}")


class Pace:
    """How fast parts may come, by what a verdict takes in the machine."""

    verdict_s = 1.0

    @classmethod
    def measure(cls, virtual):
        bench = virtual.run("aecsad bench --bundle /bundle.aecsad --frames 1 --json")
        figures = json.loads(next(line for line in bench.splitlines() if line.startswith("{")))
        cls.verdict_s = figures["stages"][0]["p50_ms"] / 1e3
        virtual.run(f"sed -i 's/^travel_ms = .*/travel_ms = {cls.travel_s() * 1e3:.0f}/' /*.toml")
        return cls.verdict_s

    @classmethod
    def travel_s(cls):
        return 15 + 4 * cls.verdict_s


def pass_by(virtual, kind):
    """A part comes and goes, and the engine is done with it before the next."""
    pattern(virtual, kind)
    time.sleep(2.5)
    pattern(virtual, BLACK)
    time.sleep(2.5 + 1.3 * Pace.verdict_s)


def begin(virtual, config="/station.toml", options="", user="sh -c"):
    """Starts the station in the background and waits until it has found its actuator."""
    virtual.run("rm -f /tmp/rows.csv; touch /tmp/rows.csv; chmod 666 /tmp/rows.csv")
    virtual.run(f"{user} 'exec aecsad run --config {config} --csv /tmp/rows.csv {options}' >/tmp/station.txt 2>&1 &")
    virtual.until("the actuator", lambda: "answers" in printed(virtual))


def start(virtual):
    """Starts the station and lets a first part pass, a good one."""
    pattern(virtual, BLACK)
    begin(virtual)
    pass_by(virtual, WHITE)
    virtual.until("the first part", lambda: len(rows(virtual)) == 1)


def stop(virtual):
    """Stops it in order once the parts on the belt have passed; its rows and what it printed."""
    time.sleep(Pace.travel_s() + 3)
    virtual.run("killall -TERM aecsad")
    return ended(virtual)


def ended(virtual):
    virtual.until("the end of the station", lambda: virtual.run("pidof aecsad || echo none", may_fail=True) == "none")
    return rows(virtual), printed(virtual)


def printed(virtual):
    return virtual.run("cat /tmp/station.txt")


def rows(virtual):
    return list(csv.DictReader(io.StringIO(virtual.run("cat /tmp/rows.csv"))))


def check_pulses(found, actuator, before):
    """Each part meant for rejection, and no other, was pulsed once and in its window."""
    pulsed = actuator.pulsed()[before:]
    passed = [int(row["part"]) for row in found if row["cause"] == "good"]
    rejected = [int(row["part"]) for row in found if row["cause"] != "good" and row["pulse_error_ms"]]
    astray = [row for row in found if row["cause"] != "good" and not row["pulse_error_ms"]]
    expect(not astray, f"parts were not rejected: {astray}")
    wrong = set(pulsed) & set(passed)
    expect(not wrong, f"good parts were pulsed: {sorted(wrong)}")
    expect(sorted(rejected) == sorted(set(pulsed) & set(rejected)), f"{rejected} were to be pulsed, {pulsed} were")
    expect(len(pulsed) == len(set(pulsed)), f"a part was pulsed twice: {pulsed}")
    late = [row for row in found if row["pulse_error_ms"] and abs(float(row["pulse_error_ms"])) > PULSE_MS]
    expect(not late, f"pulses outside their window: {late}")
    return rejected
