//! What is wrong before the line starts: one sentence, and an exit code of its own.

use super::{Line, printed, sentence, until};

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    let line = Line::new(1);
    line.change("pulse_ms", "puls_ms");
    let text = sentence(&line.aecsad("run"), 5);
    assert!(
        text.contains("`reject.puls_ms`") && text.contains("`reject.pulse_ms`"),
        "{text}"
    );
}

#[test]
fn a_value_out_of_range_is_refused_with_the_range() {
    let line = Line::new(1);
    line.change("rate_per_min = 600", "rate_per_min = 60000");
    let text = sentence(&line.aecsad("run"), 5);
    assert!(
        text.contains("is 60000 parts/min, allowed is 1 to 6000"),
        "{text}"
    );
}

#[test]
fn a_missing_station_file_is_named() {
    let line = Line::new(1);
    std::fs::remove_file(line.path("station.toml")).unwrap();
    let text = sentence(&line.aecsad("run"), 5);
    assert!(
        text.contains("station.toml") && text.contains("--config"),
        "{text}"
    );
}

#[test]
fn a_folder_without_images_is_refused() {
    let line = Line::new(0);
    let text = sentence(&line.aecsad("run"), 3);
    assert!(text.contains("no image in"), "{text}");
}

#[test]
fn a_device_that_is_missing_busy_or_no_terminal_has_its_own_sentence() {
    let line = Line::new(1);
    let missing = sentence(&line.aecsad("run"), 6);
    assert!(missing.contains("there is no serial device"), "{missing}");

    std::fs::write(line.path("gate"), "").unwrap();
    let file = sentence(&line.aecsad("run"), 6);
    assert!(file.contains("is not a serial device"), "{file}");
    std::fs::remove_file(line.path("gate")).unwrap();
}

#[test]
fn a_second_station_on_the_same_devices_is_refused_and_the_first_goes_on() {
    let line = Line::new(20);
    let _actuator = line.actuator("pulses.csv", &[]);
    let csv = line.path("rows.csv");
    let first = line.station("run", &["--csv", csv.to_str().unwrap()]);
    until("the first row", || {
        std::fs::read_to_string(&csv).is_ok_and(|rows| rows.lines().count() >= 2)
    });
    let busy = sentence(&line.aecsad("run"), 6);
    assert!(busy.contains("is in use by another program"), "{busy}");
    let (code, text) = printed(&first.wait_with_output().unwrap());
    assert_eq!(code, 0, "{text}");
    assert!(
        !text.contains("was lost") && !text.contains("is silent"),
        "{text}"
    );
    let rows = std::fs::read_to_string(&csv).unwrap();
    assert_eq!(rows.lines().count(), 21, "{rows}");
}

#[test]
fn a_bundle_that_is_missing_or_damaged_is_refused_before_the_line_starts() {
    let line = Line::new(1);
    let _actuator = line.actuator("pulses.csv", &[]);
    let missing = sentence(&line.aecsad("run"), 4);
    assert!(missing.contains("none.aecsad"), "{missing}");
    std::fs::write(line.path("none.aecsad"), [7; 4096]).unwrap();
    let damaged = sentence(&line.aecsad("run"), 4);
    assert!(damaged.contains("none.aecsad"), "{damaged}");
}

#[test]
fn check_names_what_is_missing_and_passes_when_nothing_is() {
    let line = Line::new(2);
    let (code, _) = printed(&line.aecsad("check"));
    assert_eq!(code, 10);
    let output = line.station("check", &[]).wait_with_output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(report.contains("ok    camera    2 images"), "{report}");
    assert!(
        report.contains("FAIL  rejector  there is no serial device"),
        "{report}"
    );
    assert_eq!(output.status.code(), Some(10));

    let _actuator = line.actuator("pulses.csv", &[]);
    let output = line.station("check", &[]).wait_with_output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(
        report.contains("ok    rejector") && !report.contains("FAIL"),
        "{report}"
    );
    for what in [
        "station", "bundle", "engine", "camera", "system", "disk", "clock",
    ] {
        assert!(report.contains(&format!("ok    {what} ")), "{report}");
    }
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn the_demo_s_bundle_is_refused_unless_the_station_file_allows_it() {
    let line = Line::new(1);
    let _actuator = line.actuator("pulses.csv", &[]);
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/models/demo.aecsad");
    line.change("none.aecsad", demo);
    let refused = sentence(&line.aecsad("run"), 4);
    assert!(refused.contains("bundle.demo"), "{refused}");
    let report = line.aecsad("check");
    assert_eq!(report.status.code(), Some(10));
    let report = String::from_utf8_lossy(&report.stdout).into_owned();
    assert!(
        report.contains("FAIL  bundle") && report.contains("bundle.demo"),
        "{report}"
    );

    line.change("[camera]", "demo = true\n[camera]");
    let report = line.aecsad("check");
    let text = String::from_utf8_lossy(&report.stdout).into_owned();
    assert_eq!(report.status.code(), Some(0), "{text}");
    assert!(text.contains("ok    bundle"), "{text}");
}

/// A station with the demo's bundle, and how `run` and `check` refuse it.
struct Refused {
    line: Line,
    _actuator: super::Actuator,
}

impl Refused {
    fn new() -> Self {
        let line = Line::new(2);
        let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/models/demo.aecsad");
        line.change("none.aecsad\"", &format!("{demo}\"\ndemo = true"));
        let _actuator = line.actuator("pulses.csv", &[]);
        Refused { line, _actuator }
    }

    /// The sentence of `run`, which `check` says too.
    #[track_caller]
    fn sentence(&self, code: i32) -> String {
        let (left_with, text) = printed(&self.line.aecsad("run"));
        assert_eq!(left_with, code, "{text}");
        let last = text.lines().last().unwrap_or_default().to_owned();
        let report = self.line.aecsad("check");
        assert_eq!(report.status.code(), Some(10));
        let report = String::from_utf8_lossy(&report.stdout).into_owned();
        assert!(report.contains("FAIL"), "{report}");
        last
    }
}

#[test]
fn a_camera_path_that_names_a_file_is_refused() {
    let refused = Refused::new();
    let image = "frames/001.png";
    refused
        .line
        .change("path = \"frames\"", &format!("path = {image:?}"));
    let text = refused.sentence(3);
    assert!(
        text.contains(image) && text.contains("name its folder"),
        "{text}"
    );
}

#[test]
fn a_flat_field_that_is_dark_is_refused() {
    let refused = Refused::new();
    super::picture(&refused.line.path("sheet.png"), 3);
    let with = "[optics]\nflat_field = \"sheet.png\"\n[conveyor]";
    refused.line.change("[conveyor]", with);
    let text = refused.sentence(6);
    assert!(
        text.contains("sheet.png") && text.contains("it is dark"),
        "{text}"
    );
}

#[test]
fn a_watchdog_that_is_none_is_refused() {
    let refused = Refused::new();
    let image = refused.line.path("frames/001.png");
    let device = format!("[watchdog]\ndevice = {image:?}\n[camera]");
    refused.line.change("[camera]", &device);
    let text = refused.sentence(6);
    assert!(text.contains("it is no watchdog"), "{text}");
    assert!(image::open(image).is_ok(), "nothing was written to it");
}

#[test]
fn a_pipe_as_key_or_calibration_is_refused_and_not_waited_for() {
    use nix::sys::stat::Mode;
    let refused = Refused::new();
    let pipe = |name: &str| nix::unistd::mkfifo(&refused.line.path(name), Mode::S_IRWXU).unwrap();
    pipe("calibration.toml");
    refused.line.change(
        "demo = true",
        "demo = true\ncalibration = \"calibration.toml\"",
    );
    let text = refused.sentence(5);
    assert!(
        text.contains("calibration.toml") && text.contains("it is a pipe"),
        "{text}"
    );
    std::fs::create_dir(refused.line.path("keys")).unwrap();
    pipe("keys/line.pub");
    refused
        .line
        .change("demo = true", "demo = true\nkeys = \"keys\"");
    let text = refused.sentence(4);
    assert!(
        text.contains("line.pub") && text.contains("it is a pipe or a device"),
        "{text}"
    );
}
