//! What became of each part, asked for afterwards.

use std::process::{Command, Output};

use super::{AECSAD, Line, said};

fn history(line: &Line, flags: &[&str]) -> Output {
    Command::new(AECSAD)
        .args(["history", "--config"])
        .arg(line.path("station.toml"))
        .args(flags)
        .output()
        .unwrap()
}

/// One field of each part that is found.
fn found(line: &Line, flags: &[&str], field: &str) -> Vec<String> {
    let output = history(line, &[flags, &["--csv", "-"]].concat());
    assert_eq!(said(&output), (0, String::new()));
    let mut table = csv::Reader::from_reader(&output.stdout[..]);
    let column = table.headers().unwrap().iter().position(|h| h == field);
    let column = column.unwrap_or_else(|| panic!("no column {field}"));
    let rows = table.records().map(|row| row.unwrap()[column].to_owned());
    rows.collect()
}

#[test]
fn history_finds_parts_by_what_is_asked_and_writes_them_as_csv() {
    let line = Line::new(8);
    line.change("[conveyor]", "[journal]\npath = \"journal\"\n[conveyor]");
    let missing = history(&line, &[]);
    assert_eq!(missing.status.code(), Some(3));
    let _actuator = line.actuator("pulses.csv", &[]);
    for limit in ["8", "4"] {
        let output = line.station("run", &["--limit", limit]).wait_with_output();
        assert_eq!(said(&output.unwrap()).0, 0);
    }
    let parts = |flags: &[&str]| found(&line, flags, "part").join(" ");
    assert_eq!(parts(&[]), "1 2 3 4 5 6 7 8 1 2 3 4");
    assert_eq!(parts(&["--run", "2"]), "1 2 3 4");
    assert_eq!(parts(&["--cause", "bad"]), "3 8 3");
    assert_eq!(parts(&["--cause", "late,bad", "--run", "1"]), "3 8");
    assert_eq!(parts(&["--part", "2"]), "2 2");
    assert_eq!(parts(&["--limit", "3"]), "2 3 4");
    assert_eq!(parts(&["--since", "1h", "--cause", "bad"]), "3 8 3");
    assert_eq!(parts(&["--until", "2020-01-01"]), "");
    assert_eq!(
        found(&line, &["--run", "2"], "pulse"),
        ["none", "none", "seen", "none"]
    );
    // The picture of each part that was not good, and of no other.
    let pictures = found(&line, &["--run", "1"], "picture");
    for (part, picture) in (1..).zip(&pictures) {
        assert_eq!(
            std::path::Path::new(picture).is_file(),
            part % 5 == 3,
            "{picture}"
        );
    }

    let shown = history(&line, &["--cause", "bad"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert_eq!(shown.lines().count(), 4, "{shown}");
    let file = line.path("parts-of-today.csv");
    let written = history(&line, &["--csv", file.to_str().unwrap()]);
    assert_eq!(written.status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 13);

    for (flags, code, what) in [
        (["--since", "yesterday"], 3, "is no time"),
        (["--cause", "ugly"], 2, "queue_full"),
        (["--csv", "/proc/parts.csv"], 7, "/proc/parts.csv"),
    ] {
        let (left_with, text) = said(&history(&line, &flags));
        assert!(left_with == code && text.contains(what), "{text}");
    }
    line.change("[journal]\npath = \"journal\"\n", "");
    let (code, text) = said(&history(&line, &[]));
    assert!(code == 5 && text.contains("--journal"), "{text}");
}

#[test]
fn a_sensor_behind_the_gate_confirms_each_reject_or_there_is_an_alarm() {
    let line = Line::new(9);
    line.change("lead_ms = 5", "lead_ms = 5\nconfirm_within_ms = 400");
    line.change("travel_ms = 1000", "travel_ms = 4000");
    line.change("[conveyor]", "[journal]\npath = \"journal\"\n[conveyor]");
    let run = |flags: &[&str]| {
        let actuator = line.actuator("pulses.csv", flags);
        let output = line.station("run", &[]).wait_with_output().unwrap();
        drop(actuator);
        said(&output)
    };
    let columns = |run| {
        let column = |field| found(&line, &["--cause", "bad", "--run", run], field);
        column("pulse").into_iter().zip(column("fallen"))
    };
    let (code, text) = run(&["--confirm-after-ms", "50"]);
    assert_eq!(code, 0, "{text}");
    assert!(!text.contains("saw nothing fall"), "{text}");
    for (pulse, fallen) in columns("1") {
        // A busy machine may keep the actuator from reporting a pulse in time; then nothing is to fall.
        assert!(
            pulse != "seen" || fallen == "yes",
            "{pulse}, {fallen}: {text}"
        );
    }
    let (code, text) = run(&[]);
    assert_eq!(code, 0, "{text}");
    for (part, (pulse, fallen)) in [3, 8].into_iter().zip(columns("2")) {
        let alarm =
            format!("part {part} was pulsed, but the sensor behind the gate saw nothing fall");
        assert_eq!(text.contains(&alarm), pulse == "seen", "{text}");
        assert_ne!(fallen, "yes");
    }
}
