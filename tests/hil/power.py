"""Power cuts on ext4 on a virtual disk: the emulator is killed at a random time, the machine started again, and its disk
looked at. First during `aecsad flash`, with a writer that overwrites a file in place as the control; then during
`aecsad run`, for the journal.

SIGKILL keeps what the machine has handed to its disk and loses what it has not, so this is a machine that loses its power
on a disk that doesn't.
"""
import csv
import io
import json
import random
import struct
import subprocess
import time

from machine import Hil, Machine

STATION = """
[bundle]
slots = "slots"
keys = "keys"
[camera]
kind = "folder"
path = "frames"
rate_per_min = 60
[conveyor]
travel_ms = 1000
[reject]
kind = "framed"
device = "/dev/ttyS1"
pulse_ms = 20
"""
# Parts a second apart, whatever the engine makes of them, and an actuator in the same machine.
JOURNALLED = """
[bundle]
path = "/bundle.aecsad"
[camera]
kind = "folder"
path = "frames"
rate_per_min = 60
[conveyor]
travel_ms = 2000
[reject]
kind = "framed"
device = "/tmp/gate"
pulse_ms = 20
[journal]
path = "journal"
"""
FRAMES = 200
DISK_MB = 64
FLASH = "aecsad flash /disk/2.aecsad --config /disk/station.toml"
# What the flash says once the file is taken in, and before it puts it in its place.
TAKEN_IN, PROVEN = "drawn part version 2", "ok    scores"
# What it says once nothing can take the new bundle away any more.
DONE = "is in slot"
# Piece by piece and each piece safe on the disk, which is not enough.
OVERWRITE = (
    "for piece in $(seq 0 63); do dd if=/disk/2.aecsad of=/disk/naive bs=128k count=1 skip=$piece seek=$piece "
    "conv=notrunc,fsync 2>/dev/null; done"
)
# A control that is caught less often would say little about the rest.
CONTROLS = 5
JOURNAL_CUTS = 6
# A record is on the disk a second after its part was decided; the emulated machine gets longer.
RECORDED_S = 3


def cuts(work, image, slots, rounds):
    """Cuts the power `rounds` times during a flash; what was found, as a sentence."""
    disk = Disk(work, image, slots)
    try:
        return disk.measure() + "; " + disk.flashes(rounds) + "; " + disk.controls()
    finally:
        disk.off()


def journal_cuts(work, image, slots):
    """Cuts the power while a station keeps its journal; what was found, as a sentence."""
    disk = Disk(work, image, slots)
    try:
        return disk.journals()
    finally:
        disk.off()


def white_picture(path, side=64):
    """A white BMP: header, then three bytes a pixel."""
    size = 3 * side * side
    header = struct.pack("<2sIII", b"BM", 54 + size, 0, 54)
    header += struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, size, 2835, 2835, 0, 0)
    path.write_bytes(header + b"\xff" * size)


class Disk:
    def __init__(self, work, image, slots):
        self.work, self.image = work, image
        (slots / "station.toml").write_text(STATION)
        (slots / "journal.toml").write_text(JOURNALLED)
        (slots / "frames").mkdir(exist_ok=True)
        for number in range(FRAMES):
            white_picture(slots / f"frames/{number:03}.bmp")
        self.file = work / "disk.img"
        for old in [self.file, work / "console-disk.txt"]:
            old.unlink(missing_ok=True)
        made = subprocess.run(
            ["mke2fs", "-q", "-t", "ext4", "-d", slots, self.file, f"{DISK_MB}M"],
            env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}, capture_output=True, text=True,
        )
        if made.returncode != 0:
            raise Hil(f"the disk can't be made: {made.stderr}")
        self.machine = None
        self.random = random.Random(3)

    def on(self):
        self.machine = Machine(self.work, self.image, disk=self.file)
        self.machine.run("mkdir -p /disk; mount -t ext4 /dev/vda /disk")
        return self.machine

    def off(self):
        if self.machine:
            self.machine.stop()
            self.machine = None

    def measure(self):
        """Flashes once without a cut, for the times that are worth one."""
        machine = self.on()
        began = time.monotonic()
        machine.begin(FLASH)
        machine.wait_for(TAKEN_IN)
        self.taken_in = time.monotonic() - began
        machine.wait_for(PROVEN)
        self.proven = time.monotonic() - began
        machine.wait_for("@@rc 0")
        self.done = time.monotonic() - began
        machine.run("aecsad rollback --config /disk/station.toml")
        self.off()
        return f"a flash takes {self.done:.1f} s, {self.taken_in:.1f} of them to take the file in"

    def flashes(self, rounds):
        found = {1: 0, 2: 0}
        machine = self.on()
        for turn in range(rounds):
            machine.begin(FLASH)
            match turn % 4:
                case 0:
                    time.sleep(self.random.uniform(0, 1.1 * self.taken_in))
                case 1:
                    time.sleep(self.random.uniform(0, 1.1 * self.done))
                case 2:
                    machine.wait_for(PROVEN)
                    time.sleep(self.random.uniform(0, 1.2 * (self.done - self.proven)))
                case _:
                    machine.wait_for(DONE)
            self.off()
            machine = self.on()
            version = self.look(machine)
            if turn % 4 == 3 and version != 2:
                raise Hil("the flash printed that it was done, and a cut after that took the new bundle away")
            found[version] += 1
            if turn % 10 == 9:
                print(f"      after {turn + 1} cuts: old {found[1]}, new {found[2]}, none between", flush=True)
        self.off()
        if rounds >= 12 and min(found.values()) < rounds / 4:
            raise Hil(f"the cuts did not cover the flash: {found}")
        return f"{rounds} cuts: {found[1]} times the old bundle, {found[2]} times the new one, each time whole"

    def look(self, machine):
        """Which version the station starts with after a cut. It goes back to the old one."""
        listed = machine.run("aecsad slots --config /disk/station.toml")
        if "UNUSABLE" in listed or "damaged" in listed:
            raise Hil(f"a slot is half after a cut: {listed}")
        checked = machine.run("aecsad check --config /disk/station.toml", may_fail=True)
        if "ok    bundle" not in checked:
            raise Hil(f"the station would not start after a cut: {checked}")
        state = json.loads(machine.run("aecsad slots --json --config /disk/station.toml"))
        product = state["product"][0]
        current = product["trial"]["slot"] if product.get("trial") else product["good"]
        version = product[current]["version"]
        if version == 2:
            machine.run("aecsad rollback --config /disk/station.toml")
        return version

    def journals(self):
        kept = 0
        for turn in range(JOURNAL_CUTS):
            machine = self.on()
            if turn:
                self.look_at_journal(machine, turn, shown)
                kept += len(shown)
            machine.run("mkdir -p /dev/pts; mount -t devpts devpts /dev/pts")
            machine.run("aecsad simulate-rejector --pty-link /tmp/gate >/dev/null 2>&1 &")
            # A station refuses to start without its gate
            machine.run("until [ -e /tmp/gate ]; do sleep 0.1; done")
            machine.run("aecsad run --config /disk/journal.toml --csv /tmp/rows.csv >/tmp/printed.txt 2>&1 &")
            machine.until("the first parts", lambda: len(table(machine.run("cat /tmp/rows.csv", may_fail=True))) >= 3)
            time.sleep(self.random.uniform(0, 6))
            shown = table(machine.run("cat /tmp/rows.csv"))
            time.sleep(RECORDED_S + self.random.uniform(0, 2))
            self.off()
        machine = self.on()
        self.look_at_journal(machine, JOURNAL_CUTS, shown)
        kept += len(shown)
        self.off()
        return f"{JOURNAL_CUTS} cuts: all {kept} parts that were decided {RECORDED_S} s before one are in the journal"

    def look_at_journal(self, machine, run, shown):
        """`shown` was the table of this run, the latest, some seconds before the cut."""
        journal = machine.run(f"aecsad history --config /disk/journal.toml --run {run} --csv -")
        kept = table(journal)
        parts = [row["part"] for row in kept]
        if parts != [str(1 + index) for index in range(len(parts))]:
            raise Hil(f"the journal has holes after a cut: {parts}")
        causes = [row["cause"] for row in shown]
        if [row["cause"] for row in kept[: len(shown)]] != causes:
            raise Hil(f"the journal knows {len(kept)} parts after a cut, and {len(shown)} were decided seconds before it")

    def controls(self):
        machine = self.on()
        # Another file of the same size: two versions of a bundle have most bytes in common.
        machine.run("tr a-z b-za </disk/2.aecsad >/disk/old; cp /disk/old /disk/naive")
        whole = [line.split()[0] for line in machine.run("sha256sum /disk/old /disk/2.aecsad").splitlines()]
        began = time.monotonic()
        machine.run(OVERWRITE)
        takes = time.monotonic() - began
        if machine.run("sha256sum /disk/naive").split()[0] != whole[1]:
            raise Hil("the writer in place does not even write without a cut")
        torn = 0
        for _ in range(CONTROLS):
            machine.run("cp /disk/old /disk/naive; sync")
            machine.begin(OVERWRITE)
            time.sleep(self.random.uniform(0.1, 0.9) * takes)
            self.off()
            machine = self.on()
            torn += machine.run("sha256sum /disk/naive").split()[0] not in whole
        self.off()
        if torn == 0:
            raise Hil("the writer in place was never caught: these cuts prove nothing")
        return f"a writer in place was torn {torn} of {CONTROLS} times"


def table(text):
    return list(csv.DictReader(io.StringIO(text)))
