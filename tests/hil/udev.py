"""The rules of deploy/ in a udev of the machine's own: names and rights of a camera, a sensor's chip and a watchdog, and of a
gate on an FTDI adapter that is plugged in, pulled out and plugged in again while the service's user runs a station."""
import pathlib

import gpio
from actuator import Actuator
from line import BLACK, CHECKERS, STATION, WHITE, begin, check_pulses, expect, pass_by, pattern, rows, printed, stop

# The socket behind the machine's USB adapter: somebody is there, and it is plugged in.
PORT = "usb"
RULES = "/etc/udev/rules.d/99-aecsad.rules"
FILE = (
    STATION.replace("FORMAT", "YUYV")
    .replace("/dev/video0", "/dev/aecsad-camera")
    .replace("/dev/ttyS1", "/dev/aecsad-gate")
    .replace('[journal]\npath = "/journal"\nimages_mb = 1\n', "")
)
# Of the examples, the gate's as it is; the virtual camera is on no bus that has vendors, so its example goes by its name.
EXAMPLES = (
    r"""sed -e '/^# SUBSYSTEM=="tty", ATTRS{idVendor}=="0403"/s/^# //' -e '/^# SUBSYSTEM=="video4linux"/"""
    r"""{s/^# //; s/ATTRS{idVendor}=="[^"]*", ATTRS{idProduct}=="[^"]*"/ATTR{name}=="vivid*"/}' /deploy/99-aecsad.rules"""
)
OWNED = {"/dev/video0": "video", "/dev/ttyUSB0": "dialout", "/dev/watchdog": "aecsad"}
LATENCY = "cat /sys/bus/usb-serial/devices/ttyUSB0/latency_timer"
# The service's user, with the groups that its unit adds.
USER = "su -s /bin/sh aecsad -c"


def udev(virtual, actuator):
    owned = dict(OWNED)
    if "gpio_simulated" in virtual.run("lsmod"):
        owned[f"/dev/{gpio.plug_in(virtual)}"] = "gpio"
    gate = plug_in(virtual, actuator)
    try:
        expect(virtual.run(LATENCY) != "1", "the adapter has the short latency without a rule: nothing is proven")
        apply_rules(virtual)
        expect(virtual.run(LATENCY) == "1", "an adapter that was there before is slow")
        for device, group in owned.items():
            owner = virtual.run(f"stat -c '%G %a' {device}")
            expect(owner == f"{group} 660", f"{device} belongs to {owner}")
        names = virtual.run("for name in gate camera; do readlink /dev/aecsad-$name; done").split()
        expect(names == ["ttyUSB0", "video0"], f"the names lead to {names}")
        modem = virtual.run("udevadm info --query=property /dev/ttyUSB0 | grep MM_DEVICE", may_fail=True)
        expect(modem == "ID_MM_DEVICE_IGNORE=1", f"a modem's manager would probe the gate: {modem}")
    finally:
        pull_out(virtual, gate)
    return f"groups of {' '.join(owned)}; {replug(virtual, actuator)}"


def plug_in(virtual, actuator):
    gate = Actuator(actuator.work, actuator.aecsad, PORT)
    virtual.until("the adapter", lambda: "ttyUSB0" in virtual.run("ls /dev"))
    return gate


def pull_out(virtual, gate):
    gate.stop()
    virtual.until("the adapter's end", lambda: "ttyUSB0" not in virtual.run("ls /dev"))


def apply_rules(virtual):
    """Starts udev, which reports each rule that it can't follow: of one that is wrong on purpose, and of no other."""
    folder = pathlib.Path(RULES).parent
    virtual.run(f"mkdir -p {folder} /run; {EXAMPLES} >{RULES}; echo 'KIND==1' >{folder}/wrong.rules")
    virtual.run("ln -sf /bin/udevadm /bin/systemd-udevd; systemd-udevd 2>/tmp/udev.txt &")
    virtual.run("sleep 1; udevadm control --ping; udevadm trigger --action=add; udevadm settle")
    reported = virtual.run(f"grep {folder} /tmp/udev.txt").splitlines()
    expect(reported and all("/wrong.rules" in line for line in reported), f"udev complains: {reported}")


def replug(virtual, actuator):
    """The adapter is pulled out under a station and plugged in again: the station finds it by its name."""
    gate = plug_in(virtual, actuator)
    try:
        pattern(virtual, BLACK)
        begin(virtual, "/udev.toml", user=USER)
        pass_by(virtual, WHITE)
        pull_out(virtual, gate)
        virtual.until("the alarm", lambda: "ALARM" in printed(virtual))
        gate = plug_in(virtual, actuator)
        expect(virtual.run(f"udevadm settle; {LATENCY}") == "1", "an adapter that was plugged in is slow")
        virtual.until("the gate again", lambda: printed(virtual).count("the actuator answers") == 2)
        pass_by(virtual, CHECKERS)
        virtual.until("the second part", lambda: len(rows(virtual)) == 2)
        found, text = stop(virtual)
        expect(text.count("ALARM") == 1, f"more alarms than one: {text[-600:]}")
        expect([row["cause"] for row in found] == ["good", "bad"], str(found))
        rejected = check_pulses(found, gate, 0)
    finally:
        gate.stop()
    return f"a gate that was pulled out and plugged in is found by its name, and part {rejected} rejected there"
