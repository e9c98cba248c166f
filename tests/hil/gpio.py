"""A part sensor on a line of the kernel's simulated GPIO chip, beside a free-running camera."""
import time

from line import (
    BLACK, CHECKERS, STATION, WHITE, Pace, begin, check_pulses, ended, expect, pattern, rows, printed, stop,
)

CHIP, LINE = "/dev/gpiochip0", 3
PULL = f"/sys/devices/platform/gpio-sim.0/gpiochip0/sim_gpio{LINE}/pull"
# The camera takes one frame a second.
WAIT_MS = 1500
SENSOR = STATION.replace("FORMAT", "YUYV").replace(
    'kind = "presence"\nbelt_level = 0\ncontrast = 40',
    f'kind = "gpio"\nchip = "{CHIP}"\nline = {LINE}\ndebounce_ms = 100\ndelay_ms = 50\nwait_ms = {WAIT_MS}',
)
FILES = {"gpio.toml": SENSOR, "passing.toml": SENSOR + '[policy]\nengine_error = "pass"\n'}


def gpio(virtual, actuator):
    plug_in(virtual)
    before = len(actuator.pulsed())
    pattern(virtual, BLACK)
    begin(virtual, "/gpio.toml")
    # A picture in front of the camera is no part while the sensor is silent.
    pattern(virtual, WHITE)
    time.sleep(2.5)
    kinds = [WHITE, CHECKERS, CHECKERS, WHITE]
    for kind in kinds:
        pass_sensor(virtual, kind)
    unseen(virtual)
    found, text = stop(virtual)
    expected = ["bad" if kind == CHECKERS else "good" for kind in kinds] + ["no_frame", "no_frame", "good"]
    causes = [row["cause"] for row in found]
    expect(causes == expected, f"{causes} instead of {expected}")
    expect(text.count("no frame came in time") == 2, f"alarms: {text[-600:]}")
    rejected = check_pulses(found, actuator, before)
    passed = let_pass(virtual, actuator)
    lost(virtual)
    return f"{len(found)} edges, {len(found)} parts, {rejected} rejected; without a frame {passed}; a lost chip reported once"


def plug_in(virtual):
    """The chip's name: while somebody holds a line of a disconnected one, the next has another."""
    chip = "/sys/kernel/config/gpio-sim/belt"
    make = f"echo 8 >{chip}/bank0/num_lines; echo 1 >{chip}/live"
    virtual.run(f"mkdir -p {chip}/bank0; [ $(cat {chip}/live) = 1 ] || {{ {make}; }}")
    return virtual.run(f"cat {chip}/bank0/chip_name")


def edges(virtual):
    """One part: its contact bounces, closes and opens."""
    bounces = f"for i in 1 2 3; do echo pull-up >{PULL}; echo pull-down >{PULL}; done"
    virtual.run(f"{bounces}; echo pull-up >{PULL}; sleep 0.4; echo pull-down >{PULL}; sleep 0.2")


def pass_sensor(virtual, kind):
    """A part stands before the camera by the time that the sensor sees it, and nothing does afterwards."""
    pattern(virtual, kind)
    time.sleep(1.5)
    edges(virtual)
    time.sleep(1e-3 * WAIT_MS)
    pattern(virtual, BLACK)
    time.sleep(1.5 + 1.3 * Pace.verdict_s)


def unseen(virtual):
    """The camera falls silent: a part passes before that is noticed, one more while it is opened again. Then it sees."""
    counted = len(rows(virtual))
    virtual.run("v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=100")
    time.sleep(1.5)
    edges(virtual)
    virtual.until("the alarm", lambda: "gave no frame for" in printed(virtual))
    edges(virtual)
    virtual.until("both parts", lambda: printed(virtual).count("no frame came in time") == 2)
    virtual.run("v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=0")
    virtual.until("the camera again", lambda: "sees the parts again" in printed(virtual))
    pass_sensor(virtual, WHITE)
    virtual.until("the last part", lambda: len(rows(virtual)) == counted + 3)


def let_pass(virtual, actuator):
    """By policy, a part that the camera missed goes on, with an alarm."""
    before = len(actuator.pulsed())
    virtual.run("v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=100")
    begin(virtual, "/passing.toml")
    edges(virtual)
    virtual.until("the part", lambda: len(rows(virtual)) == 1)
    found, text = stop(virtual)
    virtual.run("v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=0")
    expect([row["cause"] for row in found] == ["no_frame"] and "ALARM" in text, f"{found}: {text[-300:]}")
    expect(len(actuator.pulsed()) == before, "a part was rejected that was to pass")
    return "rejected by default, and passed with an alarm where the policy says so"


def lost(virtual):
    begin(virtual, "/gpio.toml")
    virtual.run("echo 0 >/sys/kernel/config/gpio-sim/belt/live")
    virtual.until("the alarm", lambda: "can't be used" in printed(virtual))
    time.sleep(2)
    virtual.run("killall -TERM aecsad")
    _, text = ended(virtual)
    expect(text.count("can't be used") == 1, text[-400:])
