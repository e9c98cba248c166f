"""The virtual machine: its initramfs, its console, the wire to the actuator on this side."""
import gzip
import os
import pathlib
import queue
import re
import shutil
import socket
import subprocess
import threading
import time

HERE = pathlib.Path(__file__).parent
MODULES = (
    "mc videodev videobuf2-common videobuf2-v4l2 rc-core cec v4l2-dv-timings v4l2-tpg videobuf2-memops "
    "videobuf2-dma-contig videobuf2-vmalloc vivid watchdog i6300esb "
    "virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk crc16 mbcache jbd2 "
    "crc32c_generic ext4"
).split()
# Emulated on a busy machine, everything takes long.
PATIENCE_S = 180


class Hil(Exception):
    """What did not happen, in one sentence."""


def libraries(root, program):
    """The program with the libraries that it needs, as the dynamic linker finds them."""
    listed = subprocess.run(["ldd", program], env=environment(root), capture_output=True, text=True).stdout
    return [pathlib.Path(path) for path in re.findall(r"(/\S+)", listed) if os.path.exists(path)]


def environment(root):
    paths = [root / "usr/lib/x86_64-linux-gnu", root / "lib/x86_64-linux-gnu"]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, paths))}


def build_initramfs(work, aecsad, bundle, station_files):
    """Packs what runs in the machine into work/initramfs.gz."""
    root, tree = work / "root", work / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    for folder in ["bin", "modules", "lib", "lib64"]:
        (tree / folder).mkdir(parents=True)
    shutil.copy(root / "bin/busybox", tree / "bin/busybox")
    shutil.copy(HERE / "init", tree / "init")
    shutil.copy(bundle, tree / "bundle.aecsad")
    for name, text in station_files.items():
        (tree / name).write_text(text)
    stripped = tree / "bin/aecsad"
    if subprocess.run(["strip", "-o", stripped, aecsad], capture_output=True).returncode != 0:
        shutil.copy(aecsad, stripped)
    shutil.copy(root / "usr/bin/v4l2-ctl", tree / "bin/v4l2-ctl")
    for program in [stripped, tree / "bin/v4l2-ctl"]:
        for library in libraries(root, program):
            place = "lib64" if library.name.startswith("ld-linux") else "lib"
            shutil.copy(library, tree / place / library.name)
    for module in MODULES:
        found = list((root / "lib/modules").rglob(f"{module}.ko*"))
        if not found:
            raise Hil(f"the kernel has no module {module}")
        shutil.copy(found[0], tree / "modules" / f"{module}.ko")
    (tree / "modules/order").write_text(" ".join(MODULES))
    names = "\n".join(str(p.relative_to(tree)) for p in sorted(tree.rglob("*")))
    packed = subprocess.run(
        [tree / "bin/busybox", "cpio", "-o", "-H", "newc"], cwd=tree, input=names.encode(), capture_output=True, check=True
    )
    image = work / "initramfs.gz"
    image.write_bytes(gzip.compress(packed.stdout, 1))
    shutil.rmtree(tree)
    return image


class Actuator:
    """`aecsad simulate-rejector`, joined to the machine's second serial line through a socket that can fall silent."""

    def __init__(self, work, aecsad):
        self.log = work / "pulses.csv"
        self.log.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [aecsad, "simulate-rejector", "--log", self.log], stdout=subprocess.PIPE, text=True
        )
        terminal = self.process.stdout.readline().strip().removeprefix("pty,")
        self.terminal = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
        subprocess.run(["stty", "-F", terminal, "raw", "-echo"], check=True)
        self.path = work / "wire"
        self.path.unlink(missing_ok=True)
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(self.path))
        self.server.listen(1)
        self.connected = None
        self.silent = threading.Event()
        threading.Thread(target=self.serve, daemon=True).start()
        threading.Thread(target=self.answer, daemon=True).start()

    def serve(self):
        while True:
            self.connected, _ = self.server.accept()
            try:
                while said := self.connected.recv(256):
                    if not self.silent.is_set():
                        os.write(self.terminal, said)
            except OSError:
                pass

    def answer(self):
        while True:
            try:
                said = os.read(self.terminal, 256)
            except OSError:
                # The actuator was stopped.
                return
            if self.connected and not self.silent.is_set():
                try:
                    self.connected.sendall(said)
                except OSError:
                    # The machine is being reset.
                    pass

    def pulsed(self):
        return [int(line.split(",")[0]) for line in self.log.read_text().splitlines()[1:]]

    def stop(self):
        self.process.kill()
        self.process.wait()


class Machine:
    """Boots at once. `wire` joins its second serial line to the actuator; `disk` is a file that it has as /dev/vda."""

    def __init__(self, work, image, wire=None, auto=False, disk=None):
        root = work / "root"
        kernel = next((root / "boot").glob("vmlinuz-*"))
        # Emulating wider instructions than this processor's takes longer than doing without. On a busy host an emulated
        # timer is late, which the kernel would take for a broken one.
        command = [
            root / "usr/bin/qemu-system-x86_64", "-nodefaults", "-M", "pc", "-cpu", "Nehalem", "-smp", "1", "-m", "640",
            "-accel", "tcg", "-display", "none", "-nic", "none", "-L", root / "usr/share/qemu", "-L", root / "usr/share/seabios",
            "-kernel", kernel, "-initrd", image,
            "-append", f"console=ttyS0 quiet panic=-1 no_timer_check {'station=auto' if auto else ''}",
            "-serial", "stdio", "-device", "i6300esb", "-action", "watchdog=reset",
        ]
        if wire:
            command += ["-chardev", f"socket,id=wire,path={wire},reconnect=1", "-serial", "chardev:wire"]
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
        while said := self.process.stdout.read(4096):
            self.transcript.write(said)
            self.transcript.flush()
            *lines, rest = (rest + said).split(b"\n")
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
                raise Hil(f"the machine did not say {mark!r} within {patience_s} s; it said: {seen[-5:]}") from None
            if line is None:
                raise Hil(f"the machine ended before it said {mark!r}; it said: {seen[-5:]}")
            seen.append(line)
            if mark in line:
                return seen

    def begin(self, command):
        """Starts one line of shell in the machine, and does not wait for its end."""
        self.process.stdin.write(command.encode() + b"\n")

    def run(self, command, patience_s=PATIENCE_S, may_fail=False):
        """Runs one line of shell in the machine and returns what it said."""
        self.begin(command)
        *said, last = self.wait_for("@@rc ", patience_s)
        text = "\n".join(said)
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
