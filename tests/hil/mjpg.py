"""A camera that gives MJPG: v4l2loopback, fed with one JPEG for each part."""
import pathlib
import re
import time

import jpeg
from line import STATION, Pace, begin, check_pulses, expect, rows, stop

# Those of the damaged frame, so that it comes as far as the decoder.
WIDTH, HEIGHT = 24, 16
FILE = (
    STATION.replace("FORMAT", "MJPG")
    .replace("/dev/video0", "/dev/video1")
    .replace("width = 320\nheight = 180", f"width = {WIDTH}\nheight = {HEIGHT}")
    .replace("frame_rate = 1\nstall_ms = 4000\ncontrols = { osd_text_mode = 2 }\n", "")
    .replace('kind = "presence"\nbelt_level = 0\ncontrast = 40', 'kind = "frame"')
)
WHITE = jpeg.frame(WIDTH, HEIGHT, lambda column, row: True)
CHECKERS = jpeg.frame(WIDTH, HEIGHT, lambda column, row: (column + row) % 2 == 0)
DAMAGED = ["cut", "larger", "noise", "breaks"]
BREAKS = pathlib.Path(__file__).parent.parent / "fixtures/breaks-a-decoder.jpg"


def files():
    return {
        "mjpg.toml": FILE,
        "white.jpg": WHITE,
        "checkers.jpg": CHECKERS,
        # Not all cameras that leave the tables out say so.
        "unmarked.jpg": WHITE.replace(b"AVI1", b"JFIF"),
        "cut.jpg": WHITE[: 2 * len(WHITE) // 3],
        "larger.jpg": jpeg.frame(64, 64, lambda column, row: True),
        "noise.jpg": bytes(range(256)),
        "breaks.jpg": BREAKS.read_bytes(),
    }


def mjpg(virtual, actuator):
    virtual.run("v4l2-ctl -d /dev/video1 -c keep_format=1")
    virtual.run(f"v4l2-ctl -d /dev/video1 --set-fmt-video-out=width={WIDTH},height={HEIGHT},pixelformat=MJPG")
    # Open as long as the camera is there; each writing is a frame.
    virtual.run("exec 9>/dev/video1")
    sent = ["white", "white", "checkers", "unmarked", *DAMAGED, "white", "checkers"]
    # It is a camera from its first frame on, which waits for the station.
    feed(virtual, sent[0])
    before = len(actuator.pulsed())
    begin(virtual, "/mjpg.toml")
    for name in sent[1:]:
        feed(virtual, name)
        time.sleep(0.5 + 1.3 * Pace.verdict_s)
    virtual.until("all parts", lambda: len(rows(virtual)) == len(sent))
    found, text = stop(virtual)
    virtual.run("exec 9>&-")
    causes = [row["cause"] for row in found]
    expected = [{"white": "good", "unmarked": "good", "checkers": "bad"}.get(name, "no_frame") for name in sent]
    expect(causes == expected, f"{causes} instead of {expected}: {text[-600:]}")
    reported = re.findall(r"the camera's frame is damaged \((.*)\): check", text)
    expect(len(reported) == len(DAMAGED), f"{reported} were reported: {text[-600:]}")
    rejected = check_pulses(found, actuator, before)
    return f"{len(sent)} JPEGs, parts {rejected} rejected: bad ones, and without a whole picture {'; '.join(reported)}"


def feed(virtual, name):
    virtual.run(f"dd bs=128k <{name}.jpg >&9 2>/dev/null")
