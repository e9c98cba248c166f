"""The station in a virtual machine, and everything that goes wrong around it.

    station.py --work DIR --aecsad FILE --bundle FILE

The camera is vivid at one frame a second: white pictures are good parts, checkers are bad ones.
"""
import argparse
import csv
import io
import pathlib
import sys
import time

import machine
from machine import Hil, Machine

WHITE, CHECKERS = 6, 10
PULSE_MS = 200
TRAVEL_MS = 6000

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
WATCHED = STATION.replace("FORMAT", "YUYV") + '[watchdog]\ndevice = "/dev/watchdog"\npatience_s = 5\n'
FORMATS = ["YUYV", "UYVY", "GREY", "Y10", "Y12", "NV12", "RGB24", "BGGR8", "GBRG8", "GRBG8", "RGGB8"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ["work", "aecsad", "bundle"]:
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    files = {"station.toml": STATION.replace("FORMAT", "YUYV"), "watched.toml": WATCHED}
    files |= {f"{name}.toml": STATION.replace("FORMAT", name) for name in FORMATS}
    image = machine.build_initramfs(work, arguments.aecsad.resolve(), arguments.bundle.resolve(), files)
    failed = []
    for title, auto, trials in [
        ("a station started by hand", False, [formats, refusals, parts, camera_faults, unplugged, silence, full_disk]),
        ("a station watched over", True, [watchdog]),
    ]:
        print(f"== {title}", flush=True)
        actuator = machine.Actuator(work, arguments.aecsad.resolve())
        virtual = None
        try:
            virtual = Machine(work, image, actuator.path, auto)
            for trial in trials:
                started = time.monotonic()
                try:
                    said = trial(virtual, actuator)
                    print(f"ok    {trial.__name__:<14} {said} ({time.monotonic() - started:.0f} s)", flush=True)
                except Hil as error:
                    failed.append(trial.__name__)
                    print(f"FAIL  {trial.__name__:<14} {error}", flush=True)
                    virtual.run("killall -9 aecsad", may_fail=True)
        except Hil as error:
            failed.append(title)
            print(f"FAIL  {title}: {error}", flush=True)
        finally:
            if virtual:
                virtual.stop()
            actuator.stop()
    if failed:
        sys.exit(f"hil: failed: {', '.join(failed)}; what the machines said is in {work}/console*.txt")
    print("skipped in the virtual machine: MJPG (vivid has none), a GPIO sensor, a camera with a hardware trigger")


def expect(condition, sentence):
    if not condition:
        raise Hil(sentence)


def pattern(virtual, number):
    virtual.run(f"v4l2-ctl -d /dev/video0 -c test_pattern={number}")


def start(virtual, config="station"):
    """Starts the station in the background and waits for its first parts."""
    pattern(virtual, WHITE)
    virtual.run("rm -f /tmp/rows.csv; touch /tmp/rows.csv")
    virtual.run(f"aecsad run --config /{config}.toml --csv /tmp/rows.csv >/tmp/station.txt 2>&1 &")
    virtual.until("the first parts", lambda: len(rows(virtual)) >= 2)


def stop(virtual):
    """Stops it in order once the parts on the belt have passed; its rows and what it said."""
    time.sleep(2 * TRAVEL_MS / 1e3)
    virtual.run("killall -TERM aecsad")
    virtual.until("the end of the station", lambda: virtual.run("pidof aecsad || echo none", may_fail=True) == "none")
    return rows(virtual), virtual.run("cat /tmp/station.txt")


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


def formats(virtual, actuator):
    granted = []
    for name in FORMATS:
        said = virtual.run(f"aecsad check --config /{name}.toml", may_fail=True)
        camera = next((line for line in said.splitlines() if " camera " in line), said)
        expect(camera.startswith("ok") and name in camera, f"{name}: {camera}")
        granted.append(name)
    return f"granted and streamed: {' '.join(granted)}"


def refusals(virtual, actuator):
    trials = [
        ("s/320/321/", "grants"),
        ("s/YUYV/MJPG/", "grants"),
        ("s/frame_rate = 1/frame_rate = 17/", "grants"),
        ("s/osd_text_mode/ods_text_mode/", "did you mean `osd_text_mode`"),
        ("s/osd_text_mode = 2/osd_text_mode = 9/", "does not take 9"),
        ("s#/dev/video0#/dev/video7#", "there is no camera"),
        ("s#/dev/video0#/dev/ttyS1#", "not a camera"),
    ]
    for edit, sentence in trials:
        said = virtual.run(f"sed '{edit}' /station.toml >/refused.toml; aecsad run --config /refused.toml", may_fail=True)
        expect(sentence in said and "panicked" not in said, f"{edit}: {said[-300:]}")
    start(virtual)
    said = virtual.run("aecsad run --config /station.toml", may_fail=True)
    expect("in use by another program" in said, f"a second station: {said[-300:]}")
    stop(virtual)
    return f"{len(trials)} wrong cameras and a second station, each refused in a sentence"


def parts(virtual, actuator):
    before = len(actuator.pulsed())
    start(virtual)
    for _ in range(2):
        time.sleep(4)
        pattern(virtual, CHECKERS)
        time.sleep(4)
        pattern(virtual, WHITE)
    time.sleep(3)
    found, said = stop(virtual)
    expect("ALARM" not in said, f"an alarm: {said[-400:]}")
    rejected = check_pulses(found, actuator, before)
    expect(len(rejected) >= 4, f"only {rejected} were rejected")
    good = sum(row["cause"] == "good" for row in found)
    expect(good >= 5, f"only {good} good parts")
    errors = [abs(float(row["pulse_error_ms"])) for row in found if row["pulse_error_ms"]]
    return f"{len(found)} parts, {len(rejected)} rejected, none of the {good} good ones; farthest pulse {max(errors):.1f} ms off"


def camera_faults(virtual, actuator):
    before = len(actuator.pulsed())
    start(virtual)
    virtual.run("v4l2-ctl -d /dev/video0 -c inject_v4l2_buf_flag_error=1")
    time.sleep(3)
    virtual.run("v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=50")
    time.sleep(8)
    virtual.run("v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=0")
    time.sleep(3)
    found, said = stop(virtual)
    unseen = [row for row in found if row["cause"] == "no_frame"]
    expect(len(unseen) >= 2, f"only {len(unseen)} parts without a picture: {said[-400:]}")
    expect("marked by its driver" in said and "driver dropped this frame" in said, said[-600:])
    check_pulses(found, actuator, before)
    expect(found[-1]["cause"] == "good", "the line did not go on")
    return f"{len(unseen)} parts without a picture, each rejected with an alarm"


def unplugged(virtual, actuator):
    start(virtual)
    virtual.run("v4l2-ctl -d /dev/video0 -c disconnect=1", may_fail=True)
    virtual.until("the alarm", lambda: "was lost" in virtual.run("cat /tmp/station.txt"))
    virtual.until("its modules", lambda: "rc" in virtual.run("rmmod vivid && echo rc", may_fail=True))
    virtual.run("insmod /modules/vivid.ko n_devs=1 node_types=0x1 num_inputs=1 input_types=0x0 no_error_inj=0")
    pattern(virtual, WHITE)
    virtual.until("the camera again", lambda: "sees the parts again" in virtual.run("cat /tmp/station.txt"))
    count = len(rows(virtual))
    virtual.until("parts after that", lambda: len(rows(virtual)) > count + 2)
    stop(virtual)
    return "told once, found again by itself"


def silence(virtual, actuator):
    start(virtual)
    actuator.silent.set()
    virtual.until("the alarm", lambda: "is silent" in virtual.run("cat /tmp/station.txt"))
    pattern(virtual, CHECKERS)
    time.sleep(3)
    pattern(virtual, WHITE)
    virtual.until("the lost parts", lambda: "did not report a pulse" in virtual.run("cat /tmp/station.txt"))
    actuator.silent.clear()
    virtual.until("the actuator again", lambda: virtual.run("cat /tmp/station.txt").count("the actuator answers") >= 2)
    found, said = stop(virtual)
    bad = [row for row in found if row["cause"] == "bad"]
    told = said.count("did not report a pulse")
    missed = [row for row in bad if not row["pulse_error_ms"]]
    expect(missed and told >= len(missed), f"{len(missed)} parts missed, {told} told")
    return f"told, {len(missed)} parts that may have passed named, found again by itself"


def full_disk(virtual, actuator):
    metrics = "wget -q -O - http://127.0.0.1:9464/metrics"
    start(virtual)
    virtual.run("dd if=/dev/zero of=/journal/filler bs=4k", may_fail=True)
    virtual.until("the full disk", lambda: "aecsad_journal_up 0" in virtual.run(metrics))
    count = len(rows(virtual))
    virtual.until("parts with a full disk", lambda: len(rows(virtual)) > count + 3)
    virtual.run("rm /journal/filler")
    virtual.until("the journal again", lambda: "aecsad_journal_up 1" in virtual.run(metrics))
    found, _ = stop(virtual)
    said = virtual.run("aecsad history --config /station.toml --csv -")
    kept = list(csv.DictReader(io.StringIO(said)))
    latest = [row for row in kept if row["run"] == kept[-1]["run"]]
    expect(len(latest) == len(found), f"{len(latest)} parts in the journal, {len(found)} on the line")
    return f"the line went on, and all {len(found)} parts are in the journal"


def watchdog(virtual, actuator):
    virtual.until("the first parts", lambda: " good " in virtual.run("cat /tmp/station.txt"))
    virtual.run("killall -STOP aecsad")
    virtual.wait_for("@@booted", 240)
    virtual.until("parts after the reset", lambda: " good " in virtual.run("cat /tmp/station.txt"))
    return "a stopped station was reset and came back by itself"


if __name__ == "__main__":
    main()
