"""The station in a virtual machine, and everything that goes wrong around it.

    station.py --work DIR --aecsad FILE --bundle FILE --slots DIR

The camera is vivid at one frame a second; a part is there when its picture is not black. White pictures are good parts,
checkers are bad ones.
"""
import argparse
import csv
import io
import pathlib
import sys
import time

import gpio
import initramfs
import mjpg
import page
import power
import udev
from actuator import Actuator
from line import (
    BLACK, CHECKERS, STATION, WHITE, Pace, begin, check_pulses, ended, expect, pass_by, pattern, rows, printed, start, stop,
)
from machine import Hil, Machine

WATCHED = STATION.replace("FORMAT", "YUYV") + '[watchdog]\ndevice = "/dev/watchdog"\npatience_s = 5\n'
# Each frame a part, as with a camera that is triggered.
FRAMES = STATION.replace("FORMAT", "YUYV").replace(
    'kind = "presence"\nbelt_level = 0\ncontrast = 40', 'kind = "frame"'
)
FORMATS = ["YUYV", "UYVY", "GREY", "Y10", "Y12", "NV12", "RGB24", "BGGR8", "GBRG8", "GRBG8", "RGGB8"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ["work", "aecsad", "bundle", "slots"]:
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--only", nargs="+", help="the names of the trials that are wanted")
    parser.add_argument("--cuts", type=int, default=40, help="how often the power is cut while a bundle is flashed")
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    files = {"station.toml": STATION.replace("FORMAT", "YUYV"), "watched.toml": WATCHED, "frames.toml": FRAMES}
    files |= {f"{name}.toml": STATION.replace("FORMAT", name) for name in FORMATS}
    files |= gpio.FILES | mjpg.files() | {"udev.toml": udev.FILE}
    image = initramfs.build(work, arguments.aecsad.resolve(), arguments.bundle.resolve(), files)
    failed, skipped = [], ["a camera with a hardware trigger"]
    by_hand = [formats, refusals, parts, camera_faults, stalled, unplugged, silence, full_disk, clock_steps]
    if (work / "modules/complete").exists():
        by_hand += [gpio.gpio, mjpg.mjpg]
    else:
        skipped += ["a GPIO sensor and MJPG, whose drivers could not be built"]
    # From here on the machine's devices are not as its kernel made them.
    by_hand += [udev.udev]
    for title, auto, trials in [
        ("a station started by hand", False, by_hand),
        ("a station watched over", True, [watchdog]),
    ]:
        trials = [trial for trial in trials if not arguments.only or trial.__name__ in arguments.only]
        if not trials:
            continue
        print(f"== {title}", flush=True)
        actuator = Actuator(work, arguments.aecsad.resolve())
        virtual = None
        try:
            virtual = Machine(work, image, actuator.path, work / udev.PORT, auto)
            if not auto:
                print(f"a verdict takes {Pace.measure(virtual):.1f} s in the machine", flush=True)
            for trial in trials:
                started = time.monotonic()
                try:
                    printed = trial(virtual, actuator)
                    print(f"ok    {trial.__name__:<14} {printed} ({time.monotonic() - started:.0f} s)", flush=True)
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
    slots = arguments.slots.resolve()
    powerless = [
        ("power_cuts", lambda: power.cuts(work, image, slots, arguments.cuts)),
        ("journal_cuts", lambda: power.journal_cuts(work, image, slots)),
    ]
    powerless = [trial for trial in powerless if not arguments.only or trial[0] in arguments.only]
    if powerless:
        print("== a station without power", flush=True)
    for name, trial in powerless:
        started = time.monotonic()
        try:
            print(f"ok    {name:<14} {trial()} ({time.monotonic() - started:.0f} s)", flush=True)
        except Hil as error:
            failed.append(name)
            print(f"FAIL  {name:<14} {error}", flush=True)
    print(f"skipped in the virtual machine: {'; '.join(skipped)}")
    if failed:
        sys.exit(f"hil: failed: {', '.join(failed)}; what the machines printed is in {work}/console*.txt")


def formats(virtual, actuator):
    granted = []
    for name in FORMATS:
        printed = virtual.run(f"aecsad check --config /{name}.toml", may_fail=True)
        camera = next((line for line in printed.splitlines() if " camera " in line), printed)
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
        text = virtual.run(f"sed '{edit}' /station.toml >/refused.toml; aecsad run --config /refused.toml", may_fail=True)
        expect(sentence in text and "panicked" not in text, f"{edit}: {text[-300:]}")
    start(virtual)
    text = virtual.run("aecsad run --config /station.toml", may_fail=True)
    expect("in use by another program" in text, f"a second station: {text[-300:]}")
    stop(virtual)
    return f"{len(trials)} wrong cameras and a second station, each refused in a sentence"


def parts(virtual, actuator):
    before = len(actuator.pulsed())
    kinds = [WHITE, CHECKERS, WHITE, WHITE, CHECKERS, CHECKERS, WHITE, CHECKERS]
    start(virtual)
    page.watch(virtual)
    for kind in kinds[1:]:
        pass_by(virtual, kind)
    virtual.until("the fourth part", lambda: len(rows(virtual)) >= 4)
    shown = page.check(virtual, bad=2)
    found, text = stop(virtual)
    expect("ALARM" not in text, f"an alarm: {text[-400:]}")
    expected = ["bad" if kind == CHECKERS else "good" for kind in kinds]
    expect([row["cause"] for row in found] == expected, f"{[row['cause'] for row in found]} instead of {expected}")
    rejected = check_pulses(found, actuator, before)
    errors = [abs(float(row["pulse_error_ms"])) for row in found if row["pulse_error_ms"]]
    return f"parts {rejected} of {len(found)} rejected and no other; farthest pulse {max(errors):.1f} ms off; {shown}"


def camera_faults(virtual, actuator):
    before = len(actuator.pulsed())
    pattern(virtual, WHITE)
    begin(virtual, "/frames.toml", "--limit 14")
    virtual.run("v4l2-ctl -d /dev/video0 -c inject_v4l2_buf_flag_error=1")
    time.sleep(2)
    virtual.run("v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=60")
    virtual.until("dropped frames", lambda: "driver dropped this frame" in printed(virtual))
    virtual.run("v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=0")
    found, text = ended(virtual)
    unseen = [row for row in found if row["cause"] == "no_frame"]
    expect(len(found) == 14 and len(unseen) >= 2, f"{len(found)} parts, {len(unseen)} of them without a picture")
    expect("marked by its driver" in text, text[-600:])
    check_pulses(found, actuator, before)
    return f"{len(unseen)} of {len(found)} parts without a picture, each rejected with an alarm"


def stalled(virtual, actuator):
    start(virtual)
    virtual.run("v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=100")
    virtual.until("the alarm", lambda: "gave no frame for" in printed(virtual))
    virtual.run("v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=0")
    virtual.until("the camera again", lambda: "sees the parts again" in printed(virtual))
    pass_by(virtual, WHITE)
    virtual.until("a part after that", lambda: len(rows(virtual)) == 2)
    _, text = stop(virtual)
    expect(text.count("gave no frame for") == 1, text[-400:])
    return "reported once, opened again, and it sees"


def unplugged(virtual, actuator):
    start(virtual)
    # vivid comes back as soon as no program holds it; without its name the station can't be faster than the driver's end.
    virtual.run("mv /dev/video0 /dev/pulled")
    virtual.run("v4l2-ctl -d /dev/pulled -c disconnect=1", may_fail=True)
    virtual.until("the alarm", lambda: "was lost" in printed(virtual))
    virtual.until("the driver's end", lambda: "unloaded" in virtual.run("rmmod vivid && echo unloaded", may_fail=True))
    virtual.run("rm -f /dev/pulled")
    virtual.run("insmod /modules/vivid.ko n_devs=1 node_types=0x1 num_inputs=1 input_types=0x0 no_error_inj=0")
    pattern(virtual, BLACK)
    virtual.until("the camera again", lambda: "sees the parts again" in printed(virtual))
    pass_by(virtual, WHITE)
    virtual.until("a part after that", lambda: len(rows(virtual)) == 2)
    _, text = stop(virtual)
    expect(text.count("was lost") == 1, text[-400:])
    return "reported once, found again by itself"


def silence(virtual, actuator):
    start(virtual)
    actuator.silent.set()
    virtual.until("the alarm", lambda: "is silent" in printed(virtual))
    pass_by(virtual, CHECKERS)
    virtual.until("the lost part", lambda: "did not report a pulse for part 2" in printed(virtual))
    actuator.silent.clear()
    virtual.until("the actuator again", lambda: printed(virtual).count("the actuator answers") >= 2)
    before = len(actuator.pulsed())
    pass_by(virtual, CHECKERS)
    found, _ = stop(virtual)
    expect([row["cause"] for row in found] == ["good", "bad", "bad"], str(found))
    expect(actuator.pulsed()[before:] == [3], f"pulses: {actuator.pulsed()[before:]}")
    return "reported, the part that may have passed named, found again by itself"


def clock_steps(virtual, actuator):
    """Parts are timed by the monotonic clock, whatever happens to the time of day."""
    before = len(actuator.pulsed())
    start(virtual)
    for step in ["+ 86400", "- 172800"]:
        pattern(virtual, CHECKERS)
        time.sleep(2.5)
        virtual.run(f"date -s @$(($(date +%s) {step}))")
        pattern(virtual, BLACK)
        time.sleep(2.5 + 1.3 * Pace.verdict_s)
    found, text = stop(virtual)
    expect("ALARM" not in text, f"an alarm: {text[-400:]}")
    expect([row["cause"] for row in found] == ["good", "bad", "bad"], str(found))
    rejected = check_pulses(found, actuator, before)
    return f"a day forward and two back; parts {rejected} rejected in their windows all the same"


def full_disk(virtual, actuator):
    def journal(up):
        pass_by(virtual, WHITE)
        return f"aecsad_journal_up {up}" in virtual.run("wget -q -O - http://127.0.0.1:9464/metrics")

    start(virtual)
    virtual.run("dd if=/dev/zero of=/journal/filler bs=4k", may_fail=True)
    virtual.until("the full disk", lambda: journal(0))
    virtual.run("rm /journal/filler")
    virtual.until("the journal again", lambda: journal(1))
    found, _ = stop(virtual)
    text = virtual.run("aecsad history --config /station.toml --csv -")
    kept = list(csv.DictReader(io.StringIO(text)))
    latest = [row for row in kept if row["run"] == kept[-1]["run"]]
    expect(len(latest) == len(found), f"{len(latest)} parts in the journal, {len(found)} on the line")
    return f"the line went on, and all {len(found)} parts are in the journal"


def watchdog(virtual, actuator):
    virtual.until("the first part", lambda: " good " in printed(virtual))
    virtual.run("killall -STOP aecsad")
    virtual.wait_for("@@booted", 300)
    virtual.until("a part after the reset", lambda: " good " in printed(virtual))
    return "a stopped station was reset and came back by itself"


if __name__ == "__main__":
    main()
