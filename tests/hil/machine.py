"""The virtual machine and its console."""
import os
import queue
import subprocess
import threading
import time

# Emulated on a busy machine, everything takes long.
PATIENCE_S = 180


class Hil(Exception):
    """What did not happen, in one sentence."""


def environment(root):
    paths = [root / "usr/lib/x86_64-linux-gnu", root / "lib/x86_64-linux-gnu"]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, paths))}


class Machine:
    """Boots at once. Its second serial line ends in the socket `wire`, its USB in `usb_wire`: as long as somebody is there, an
    adapter of FTDI's is plugged in. `disk` is a file that it has as /dev/vda."""

    def __init__(self, work, image, wire=None, usb_wire=None, auto=False, disk=None):
        root = work / "root"
        kernel = next((root / "boot").glob("vmlinuz-*"))
        # Emulating AVX2 makes a verdict five times as slow on some hosts. On a busy host an emulated timer is late, which the
        # kernel would take for a broken one.
        command = [
            root / "usr/bin/qemu-system-x86_64", "-nodefaults", "-M", "pc", "-cpu", "Haswell-noTSX,-avx2", "-smp", "1", "-m", "640",
            "-accel", "tcg", "-display", "none", "-nic", "none", "-L", root / "usr/share/qemu", "-L", root / "usr/share/seabios",
            "-kernel", kernel, "-initrd", image,
            "-append", f"console=ttyS0 quiet panic=-1 no_timer_check {'station=auto' if auto else ''}",
            "-serial", "stdio", "-device", "i6300esb", "-action", "watchdog=reset",
        ]
        if wire:
            command += ["-chardev", f"socket,id=wire,path={wire},server=on,wait=off", "-serial", "chardev:wire"]
        if usb_wire:
            command += ["-chardev", f"socket,id=usb,path={usb_wire},server=on,wait=off"]
            command += ["-device", "qemu-xhci", "-device", "usb-serial,chardev=usb"]
        if disk:
            command += ["-drive", f"file={disk},format=raw,if=virtio,cache=none"]
        self.process = subprocess.Popen(
            [str(c) for c in command], env=environment(root), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, bufsize=0,
        )
        name = "console-auto" if auto else "console-disk" if disk else "console"
        self.transcript = open(work / f"{name}.txt", "ab" if disk else "wb")
        self.lines = queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()
        try:
            self.wait_for("@@booted")
        except Hil:
            self.stop()
            raise

    def listen(self):
        rest = b""
        while printed := self.process.stdout.read(4096):
            self.transcript.write(printed)
            self.transcript.flush()
            *lines, rest = (rest + printed).split(b"\n")
            for line in lines:
                self.lines.put(line.decode(errors="replace").strip("\r"))
        self.lines.put(None)

    def wait_for(self, mark, patience_s=PATIENCE_S):
        """The lines up to one that holds `mark`, that one last."""
        until, seen = time.monotonic() + patience_s, []
        while True:
            try:
                line = self.lines.get(timeout=max(0.1, until - time.monotonic()))
            except queue.Empty:
                raise Hil(f"the machine did not say {mark!r} within {patience_s} s; it printed: {seen[-5:]}") from None
            if line is None:
                raise Hil(f"the machine ended before it printed {mark!r}; it printed: {seen[-5:]}")
            seen.append(line)
            if mark in line:
                return seen

    def begin(self, command):
        """Starts one line of shell in the machine, and does not wait for its end."""
        self.process.stdin.write(command.encode() + b"\n")

    def run(self, command, patience_s=PATIENCE_S, may_fail=False):
        """Runs one line of shell in the machine and returns what it printed."""
        self.begin(command)
        *printed, last = self.wait_for("@@rc ", patience_s)
        text = "\n".join(printed)
        if not last.endswith("@@rc 0") and not may_fail:
            raise Hil(f"`{command}` failed in the machine: {text[-500:]} {last}")
        return text

    def until(self, what, condition, patience_s=PATIENCE_S):
        until = time.monotonic() + patience_s
        while not condition():
            if time.monotonic() > until:
                raise Hil(f"{what} did not come within {patience_s} s")
            time.sleep(1)

    def stop(self):
        self.process.kill()
        self.process.wait()
