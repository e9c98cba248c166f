"""The page beside the line while a real driver's camera sends the frames."""
import json

from line import expect

ADDRESS = "http://127.0.0.1:9464"


def watch(virtual):
    """A browser's part: somebody listens, so that the station makes live pictures."""
    virtual.run(f"wget -qO /tmp/events {ADDRESS}/api/events >/dev/null 2>&1 &")


def check(virtual, bad):
    """What the page shows of the line at work; `bad` is the number of a rejected part."""
    read = lambda path: json.loads(virtual.run(f"wget -qO- {ADDRESS}{path}; echo"))
    state = read("/api/state")
    down = [device["name"] for device in state["devices"] if not device["up"]]
    expect(not down and len(state["devices"]) == 3, f"the page says that {down} do not work: {state['devices']}")
    camera = read("/api/camera")
    expect((camera["width"], camera["height"]) == (320, 180), f"the page's camera has another size: {camera}")
    expect(camera["sharpness"] > 0, f"the page's camera has no sharpness: {camera}")
    for path, begins in [("/api/live/frame.jpg", "ffd8"), (f"/api/parts/{state['run']}/{bad}/picture.png", "8950"), ("/", "3c21")]:
        first = virtual.run(f"wget -qO- {ADDRESS}{path} | head -c 2 | hexdump -e '2/1 \"%02x\"'; echo").strip()
        expect(first == begins, f"{path} begins with {first} instead of {begins}")
    events = virtual.run("grep -c '^event: part' /tmp/events").strip()
    virtual.run("killall wget", may_fail=True)
    expect(int(events) >= 3, f"only {events} parts came as events")
    return f"the page shows {events} parts as events, their pictures and a camera of 320×180"
