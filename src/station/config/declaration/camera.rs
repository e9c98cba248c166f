//! Keys of the sections `bundle`, `camera`, `trigger` and `optics`.

use super::Key;

const FOLDER: &[&str] = &["folder"];
const V4L2: &[&str] = &["v4l2"];
const PRESENCE: &[&str] = &["presence"];
const GPIO: &[&str] = &["gpio"];
const SERIAL: &[&str] = &["serial"];
const SENSOR: &[&str] = &["gpio", "serial"];
const SIDE: (f64, f64) = (16.0, 16_384.0);

pub const KEYS: &[Key] = &[
    Key::text("bundle.path", "the trained product: the one file that training wrote, put there by hand")
        .default_in_words("path, or slots")
        .sample_in_force("\"product.aecsad\""),
    Key::text(
        "bundle.slots",
        "instead: the folder that `aecsad flash` fills, two slots a product, a trial for each new bundle, and the old one back by itself if that fails",
    )
    .sample("\"slots\""),
    Key::text(
        "bundle.keys",
        "the folder of public keys (*.pub) whose bundles are accepted. A file `revoked` in it lists the ids of keys that no longer count. With path and without keys any bundle but the demo's is accepted",
    )
    .default_in_words("needed with slots")
    .sample("\"keys\""),
    Key::whole("bundle.trial_parts", (1.0, 100_000.0), "with slots: parts that a new bundle has to judge well before it stays")
        .in_unit("parts")
        .default("100")
        .sample("100"),
    Key::switch("bundle.demo", "accept the demo's bundle, whose key everybody has")
        .default("false")
        .sample("true"),
    Key::text(
        "bundle.calibration",
        "scale and threshold for this station's light, as `aecsad calibrate` writes them: with path the file, with slots the folder of one `PRODUCT.toml` a product. Until it is there the bundle's own count, with an alarm",
    )
    .default_in_words("the bundle's own")
    .sample("\"calibration.toml\""),
    Key::word("camera.kind", &["folder", "v4l2"], "`\"folder\"`: the images of a folder in the order of their names, as if a camera had taken them; `\"v4l2\"`: a camera of this machine")
        .needed()
        .sample_in_force("\"folder\""),
    Key::text("camera.path", "the folder").of(FOLDER).needed().sample_in_force("\"frames\""),
    Key::number("camera.rate_per_min", (1.0, 6_000.0), "parts a minute")
        .of(FOLDER)
        .needed()
        .in_unit("parts/min")
        .sample_in_force("120"),
    Key::text(
        "camera.device",
        "best `/dev/v4l/by-id/...`. The driver must grant what is requested here: `v4l2-ctl --list-formats-ext` shows what there is",
    )
    .of(V4L2)
    .needed()
    .sample("\"/dev/video0\""),
    Key::number("camera.width", SIDE, "width of its frames").of(V4L2).needed().in_unit("pixels").sample("1280"),
    Key::number("camera.height", SIDE, "height of its frames").of(V4L2).needed().in_unit("pixels").sample("720"),
    Key::text(
        "camera.format",
        "`GREY`, `Y10`, `Y12`, `Y14`, `Y16`, `YUYV`, `UYVY`, `NV12`, `RGB24`, `MJPG`, `BGGR8`, `GBRG8`, `GRBG8` or `RGGB8`",
    )
    .of(V4L2)
    .needed()
    .sample("\"YUYV\""),
    Key::number("camera.frame_rate", (0.1, 10_000.0), "frames a second")
        .of(V4L2)
        .in_unit("frames/s")
        .default_in_words("the camera's")
        .sample("30"),
    Key::number(
        "camera.shift",
        (0.0, 8.0),
        "`Y10`, `Y12`, `Y14`, `Y16`: how far values are shifted down to 8 bits. `Y16` needs it: 8 less than the bits that the camera's values really have",
    )
    .of(V4L2)
    .in_unit("bits")
    .default_in_words("2, 4, 6; needed with `Y16`")
    .sample("4"),
    Key::number(
        "camera.stall_ms",
        (50.0, 600_000.0),
        "a free-running camera that gives no frame for so long is opened again, with an alarm. Leave it out for a camera that waits for its trigger",
    )
    .of(V4L2)
    .in_unit("ms")
    .default_in_words("never")
    .sample("2000"),
    Key::new(
        "camera.controls",
        super::Type::Controls,
        "exposure, gain and so on, set in this order and read back; the names are those of `v4l2-ctl --list-ctrls`",
    )
    .of(V4L2)
    .default_in_words("none")
    .sample("{ auto_exposure = 1, exposure_time_absolute = 80, gain = 10 }"),
    Key::word(
        "trigger.kind",
        &["frame", "presence", "gpio", "serial"],
        "`\"frame\"`: each frame is a part, for a camera with a trigger input. The others are for a free-running camera: `\"presence\"`: a part is there when its front edge reaches a strip of the picture; `\"gpio\"`: a sensor on a GPIO line sees each part; `\"serial\"`: a serial device sends one byte for each part",
    )
    .needed()
    .default_in_words("each frame, where the section is left out")
    .sample_in_force("\"frame\""),
    Key::number("trigger.belt_level", (0.0, 255.0), "brightness of the empty belt")
        .of(PRESENCE)
        .needed()
        .in_unit("levels")
        .sample("20"),
    Key::number("trigger.contrast", (1.0, 254.0), "a part differs from the belt by more")
        .of(PRESENCE)
        .needed()
        .in_unit("levels")
        .sample("40"),
    Key::number("trigger.share", (0.01, 1.0), "how much of the strip a part covers")
        .of(PRESENCE)
        .in_unit("of the strip")
        .default("0.2")
        .sample("0.2"),
    Key::number("trigger.at", (0.0, 1.0), "where the strip is along the belt")
        .of(PRESENCE)
        .in_unit("of the picture")
        .default("0.5")
        .sample("0.5"),
    Key::word("trigger.axis", &["x", "y"], "the belt's direction in the picture")
        .of(PRESENCE)
        .default("\"x\"")
        .sample("\"x\""),
    Key::text("trigger.chip", "the chip of the sensor's line").of(GPIO).needed().sample("\"/dev/gpiochip0\""),
    Key::new("trigger.line", super::Type::Whole, "the number of the line").of(GPIO).needed().sample("4"),
    Key::word("trigger.edge", &["rising", "falling"], "the edge at which a part comes")
        .of(GPIO)
        .default("\"rising\"")
        .sample("\"rising\""),
    Key::number("trigger.debounce_ms", (0.0, 1_000.0), "how long the line must be steady")
        .of(GPIO)
        .in_unit("ms")
        .default("0")
        .sample("1"),
    Key::text("trigger.device", "the serial device").of(SERIAL).needed().sample("\"/dev/ttyUSB1\""),
    Key::whole("trigger.baud", (1_200.0, 4_000_000.0), "its speed").of(SERIAL).in_unit("baud").default("9600").sample("9600"),
    Key::number("trigger.delay_ms", (0.0, 60_000.0), "from the sensor to the middle of the picture")
        .of(SENSOR)
        .in_unit("ms")
        .default("0")
        .sample("15"),
    Key::number(
        "trigger.wait_ms",
        (1.0, 10_000.0),
        "how much later a frame may be and still show the part; at least the time between two frames",
    )
    .of(SENSOR)
    .needed()
    .in_unit("ms")
    .sample("40"),
    Key::new("optics.region", super::Type::Region, "what the inspector looks at: left, top, width, height in pixels; the sides are 16 to 16384")
        .default_in_words("the bundle's region, or all of the picture")
        .sample("[160, 0, 960, 720]"),
    Key::text(
        "optics.flat_field",
        "a picture by this camera of an evenly lit, clean sheet of white paper, as large as its frames; every frame is corrected by it",
    )
    .default_in_words("none")
    .sample("\"sheet.png\""),
];
