use super::declaration::keys;
use super::*;
use crate::line::Travel;
use crate::station::config::bundle::BundleSource;

const SAMPLE: &str = include_str!("../../../calibration/station.toml");

fn parse(text: &str) -> Result<StationConfig, ConfigError> {
    StationConfig::parse(text, Path::new("line 3/station.toml"))
}

fn sentence(from: &str, to: &str) -> String {
    assert!(SAMPLE.contains(from), "{from:?} is not in the sample");
    let error = parse(&SAMPLE.replacen(from, to, 1))
        .unwrap_err()
        .to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

#[test]
fn the_sample_is_valid_and_documents_every_key() {
    let config = parse(SAMPLE).unwrap();
    let bundle = BundleSource::File("line 3/product.aecsad".into());
    assert_eq!(config.bundle.source, bundle);
    assert_eq!(config.reject.device(), Path::new("/dev/ttyUSB0"));
    assert_eq!(
        config.conveyor.travel,
        Travel::Time(Duration::from_millis(2_000))
    );
    let mut section = "";
    let mut seen = Vec::new();
    for line in SAMPLE.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = name;
        }
        // A key may stand in the sample as a comment, as the other of two choices.
        if let Some((key, _)) = line.trim_start_matches("# ").split_once(" = ") {
            seen.push(format!("{section}.{key}"));
        }
    }
    for key in keys().map(|key| key.name) {
        assert!(seen.iter().any(|k| k == key), "{key} is not in the sample");
    }
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest() {
    let error = sentence("pulse_ms", "puls_ms");
    assert_eq!(
        error,
        "line 3/station.toml: unknown key `reject.puls_ms`: did you mean `reject.pulse_ms`?"
    );
    let error = sentence("[policy]", "[polcy]");
    assert!(
        error.ends_with("unknown key `polcy`: did you mean `policy`?"),
        "{error}"
    );
    let error = sentence("[policy]", "[policy]\nmaximum_temperature = 3");
    assert!(
        error.ends_with("`policy.maximum_temperature`: remove it"),
        "{error}"
    );
}

#[test]
fn a_value_out_of_range_is_answered_with_the_range() {
    assert_eq!(
        sentence("rate_per_min = 120", "rate_per_min = 0"),
        "line 3/station.toml: `camera.rate_per_min` is 0 parts/min, allowed is 1 to 6000: correct it there"
    );
    for (from, to) in [
        ("rate_per_min = 120", "rate_per_min = nan"),
        ("rate_per_min = 120", "rate_per_min = -inf"),
        ("speed_mm_s = 200", "speed_mm_s = 0"),
        ("distance_mm = 400", "distance_mm = 1e9"),
        ("baud = 115200", "baud = 1"),
        ("pulse_ms = 40", "pulse_ms = 6000"),
        ("lead_ms = 15", "lead_ms = -1"),
        ("margin_ms = 40", "margin_ms = 0"),
    ] {
        let error = sentence(from, to);
        assert!(error.contains("allowed is"), "{error}");
    }
}

#[test]
fn contradictions_and_wrong_types_are_named() {
    let error = sentence("speed_mm_s = 200", "travel_ms = 100");
    assert!(error.contains("give either"), "{error}");
    let error = sentence("pulse_ms = 40", "pulse_ms = 500");
    assert!(error.contains("would hit the next part"), "{error}");
    let error = sentence("lead_ms = 15", "lead_ms = 1990");
    assert!(error.contains("move the gate"), "{error}");
    let error = sentence("late = \"reject\"", "late = \"maybe\"");
    assert!(
        error.contains("line ") && error.contains("maybe"),
        "{error}"
    );
    let error = sentence("pulse_ms = 40", "pulse_ms = \"long\"");
    assert!(error.contains("line "), "{error}");
    let error = sentence("kind = \"folder\"", "kind = \"webcam\"");
    assert!(error.contains("webcam"), "{error}");
    let error = sentence("[bundle]", "[bundle");
    assert!(error.contains("line "), "{error}");
    let error = sentence("path = \"product.aecsad\"", "");
    assert!(error.contains("path"), "{error}");
}

/// The sample with one section's content replaced.
fn with_section(section: &str, content: &str) -> String {
    let heading = format!("[{section}]");
    let start = SAMPLE.find(&heading).unwrap() + heading.len();
    let length = SAMPLE[start..].find("\n[").unwrap_or(SAMPLE.len() - start);
    format!(
        "{}\n{content}\n{}",
        &SAMPLE[..start],
        &SAMPLE[start + length..]
    )
}

const V4L2: &str =
    "kind = \"v4l2\"\ndevice = \"/dev/video0\"\nwidth = 640\nheight = 480\nformat = \"Y10\"\n";

#[test]
fn each_kind_of_camera_trigger_gate_and_belt_is_read() {
    let text = with_section(
        "camera",
        &format!("{V4L2}controls = {{ gain = 3, auto_exposure = true }}"),
    );
    let CameraConfig::V4l2(camera) = parse(&text).unwrap().camera else {
        panic!("it is a camera");
    };
    assert_eq!((camera.width, camera.shift, camera.stall), (640, 2, None));
    assert_eq!(
        camera.controls,
        [("auto_exposure".into(), 1), ("gain".into(), 3)]
    );

    let text = with_section(
        "conveyor",
        "encoder = \"link\"\ncounts_per_mm = 2.5\ndistance_mm = 400\nspeed_mm_s = 500",
    );
    let config = parse(&text).unwrap();
    assert_eq!(
        (config.conveyor.travel, config.counter),
        (
            Travel::Counts {
                counts: 1_000,
                top_speed: 1_250
            },
            None
        )
    );

    let modbus = "kind = \"modbus\"\ndevice = \"/dev/ttyS1\"\npulse_ms = 20\ncoil = 3\nconfirm_within_ms = 100\nconfirm_input = 7";
    let config = parse(&with_section("reject", modbus)).unwrap();
    let RejectSettings::Switched(gate) = config.reject else {
        panic!("it is switched from here");
    };
    assert_eq!(
        (gate.serial.baud, config.confirm_within),
        (115_200, Some(Duration::from_millis(100)))
    );

    for trigger in [
        "kind = \"presence\"\nbelt_level = 20\ncontrast = 40",
        "kind = \"gpio\"\nchip = \"/dev/gpiochip0\"\nline = 4\nwait_ms = 50",
        "kind = \"serial\"\ndevice = \"/dev/ttyS2\"\nwait_ms = 50",
    ] {
        let text = with_section("camera", V4L2)
            .replace("[trigger]\n", &format!("[trigger]\n{trigger}\n#"));
        let text = text.replacen("\nkind = \"frame\"", "\n", 1);
        assert!(
            !matches!(parse(&text).unwrap().trigger, TriggerConfig::Frame),
            "{trigger}"
        );
    }
}

#[test]
fn what_does_not_fit_together_is_named() {
    let refused = |section: &str, content: &str| {
        let error = parse(&with_section(section, content))
            .unwrap_err()
            .to_string();
        assert!(!error.contains('\n'), "{error}");
        error
    };
    for (section, content, part) in [
        (
            "camera",
            format!("{V4L2}rate_per_min = 3"),
            "means nothing for `camera.kind = \"v4l2\"`",
        ),
        ("camera", V4L2.replace("Y10", "Y11"), "choose one of GREY"),
        (
            "camera",
            V4L2.replace("Y10", "GREY") + "shift = 2",
            "Y10, Y12, Y14 and Y16 only",
        ),
        (
            "camera",
            V4L2.replace("Y10", "Y16"),
            "with the format Y16 `camera.shift` is needed",
        ),
        (
            "camera",
            V4L2.replace("640", "3"),
            "`camera.width` is 3 pixels",
        ),
        (
            "trigger",
            "kind = \"presence\"\nbelt_level = 20\ncontrast = 40".into(),
            "each image of a folder is a part",
        ),
        (
            "conveyor",
            "encoder = \"link\"\ndistance_mm = 400".into(),
            "counts_per_mm",
        ),
        (
            "reject",
            "kind = \"lcus\"\ndevice = \"x\"\npulse_ms = 20\ncoil = 1".into(),
            "`reject.coil` means nothing",
        ),
        (
            "reject",
            "kind = \"lcus\"\ndevice = \"x\"\npulse_ms = 20\nconfirm_within_ms = 9".into(),
            "a relay board has none",
        ),
        (
            "reject",
            "kind = \"modbus\"\ndevice = \"x\"\npulse_ms = 20\nunit = 250".into(),
            "1 to 247",
        ),
        ("monitor", "listen = \"here\"".into(), "127.0.0.1:9464"),
        ("monitor", "shifts = \"6 o'clock\"".into(), "06:00 14:00"),
        ("journal", "path = \"x\"\nrecords = 3".into(), "1000 to"),
        ("watchdog", "patience_s = 1".into(), "5 to 3600"),
        ("system", "priority = 99".into(), "0 to 90"),
        ("system", "threads = 65".into(), "1 to 64"),
    ] {
        let error = refused(section, &content);
        assert!(error.contains(part), "{content}: {error}");
    }
    let counted = with_section(
        "conveyor",
        "encoder = \"link\"\ncounts_per_mm = 2.5\ndistance_mm = 400\nspeed_mm_s = 500",
    );
    let relay = counted.replace("kind = \"framed\"", "kind = \"lcus\"");
    let error = parse(&relay).unwrap_err().to_string();
    assert!(
        error.contains("only such an actuator reports its encoder"),
        "{error}"
    );
}

#[test]
fn the_station_file_that_is_deployed_is_valid() {
    let deployed = include_str!("../../../deploy/station.toml");
    assert!(matches!(
        parse(deployed).unwrap().camera,
        CameraConfig::V4l2(_)
    ));
}
