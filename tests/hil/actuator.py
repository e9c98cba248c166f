"""The actuator, on this side of the machine's serial line or USB port."""
import os
import socket
import subprocess
import threading
import time


class Actuator:
    """`aecsad simulate-rejector`, joined to the machine by the socket of this name; it can fall silent and be unplugged."""

    def __init__(self, work, aecsad, name="wire"):
        self.work, self.aecsad = work, aecsad
        self.log = work / f"pulses-{name}.csv"
        self.log.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [aecsad, "simulate-rejector", "--log", self.log], stdout=subprocess.PIPE, text=True
        )
        terminal = self.process.stdout.readline().strip().removeprefix("pty,")
        self.terminal = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
        subprocess.run(["stty", "-F", terminal, "raw", "-echo"], check=True)
        self.path = work / name
        self.connected = None
        self.silent, self.stopped = threading.Event(), threading.Event()
        threading.Thread(target=self.listen, daemon=True).start()
        threading.Thread(target=self.answer, daemon=True).start()

    def listen(self):
        while not self.stopped.is_set():
            try:
                with socket.socket(socket.AF_UNIX) as line:
                    line.connect(str(self.path))
                    self.connected = line
                    while received := line.recv(256):
                        if not self.silent.is_set():
                            os.write(self.terminal, received)
            except OSError:
                # There is no machine yet, or it ended.
                pass
            self.connected = None
            time.sleep(0.2)

    def answer(self):
        while True:
            try:
                received = os.read(self.terminal, 256)
            except OSError:
                # The actuator was stopped.
                return
            line = self.connected
            if line and not self.silent.is_set():
                try:
                    line.sendall(received)
                except OSError:
                    # The machine is being reset.
                    pass

    def pulsed(self):
        return [int(line.split(",")[0]) for line in self.log.read_text().splitlines()[1:]]

    def stop(self):
        self.stopped.set()
        self.process.kill()
        self.process.wait()
        if line := self.connected:
            line.shutdown(socket.SHUT_RDWR)
