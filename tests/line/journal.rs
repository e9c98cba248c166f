//! What became of each part, read from the journal afterwards.

use std::process::{Command, Output};

use super::{AECSAD, Line, printed};

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
    assert_eq!(printed(&output), (0, String::new()));
    let mut table = csv::Reader::from_reader(&output.stdout[..]);
    let column = table.headers().unwrap().iter().position(|h| h == field);
    let column = column.unwrap_or_else(|| panic!("no column {field}"));
    let rows = table.records().map(|row| row.unwrap()[column].to_owned());
    rows.collect()
}

#[test]
fn history_finds_parts_by_its_filters_and_writes_them_as_csv() {
    let line = Line::new(8);
    line.change("[conveyor]", "[journal]\npath = \"journal\"\n[conveyor]");
    let missing = history(&line, &[]);
    assert_eq!(missing.status.code(), Some(3));
    let _actuator = line.actuator("pulses.csv", &[]);
    for limit in ["8", "4"] {
        let output = line.station("run", &["--limit", limit]).wait_with_output();
        assert_eq!(printed(&output.unwrap()).0, 0);
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
        (["--since", "yesterday"], 2, "is no time"),
        (["--cause", "ugly"], 2, "queue_full"),
        (["--csv", "/proc/parts.csv"], 7, "/proc/parts.csv"),
    ] {
        let (left_with, text) = printed(&history(&line, &flags));
        assert!(left_with == code && text.contains(what), "{text}");
    }
    line.change("[journal]\npath = \"journal\"\n", "");
    let (code, text) = printed(&history(&line, &[]));
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
        printed(&output)
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

fn with_journal(parts: u32) -> Line {
    let line = Line::new(parts);
    line.change("[conveyor]", "[journal]\npath = \"journal\"\n[conveyor]");
    line
}

fn run(line: &Line, parts: &str) -> String {
    let output = line.station("run", &["--limit", parts]).wait_with_output();
    let (code, text) = printed(&output.unwrap());
    assert_eq!(code, 0, "{text}");
    text
}

fn checked(line: &Line) -> String {
    let output = line.station("check", &[]).wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .find(|l| l.contains(" journal "))
        .unwrap()
        .into()
}

#[test]
fn a_journal_damaged_in_the_middle_is_put_aside_and_read_as_far_as_it_can_be() {
    let line = with_journal(10);
    let _actuator = line.actuator("pulses.csv", &[]);
    run(&line, "4");
    let path = line.path("journal/parts.sqlite");
    let journal = rusqlite::Connection::open(&path).unwrap();
    let columns = "part, captured_ms, cause, branches, pulse, bundle";
    for run in 2..=800 {
        let more = format!(
            "INSERT INTO parts (run, {columns}) SELECT {run}, {columns} FROM parts WHERE run = 1"
        );
        journal.execute_batch(&more).unwrap();
    }
    drop(journal);
    assert!(checked(&line).starts_with("ok"), "{}", checked(&line));
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 8192 * 4096;
    bytes[middle..middle + 8 * 4096].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let check = checked(&line);
    assert!(
        check.starts_with("FAIL") && check.contains("damaged"),
        "{check}"
    );

    let text = run(&line, "4");
    assert!(
        text.contains("ALARM: the journal") && text.contains("damaged-1.sqlite"),
        "{text}"
    );
    assert!(
        checked(&line).contains("one damaged file kept aside"),
        "{}",
        checked(&line)
    );
    let output = history(&line, &["--csv", "-"]);
    let (code, text) = printed(&output);
    assert!(
        code == 0 && text.contains("some records are missing"),
        "{text}"
    );
    let rows = String::from_utf8_lossy(&output.stdout).into_owned();
    let runs: Vec<&str> = rows
        .lines()
        .skip(1)
        .map(|r| r.split(',').next().unwrap())
        .collect();
    assert!(runs.len() > 2_500 && runs[0] == "1", "{}", runs.len());
    assert_eq!(runs[runs.len() - 4..], ["801"; 4]);
}

#[test]
fn a_station_starts_whatever_lies_where_its_journal_should() {
    let line = with_journal(4);
    let _actuator = line.actuator("pulses.csv", &[]);
    std::fs::write(line.path("journal"), "a file").unwrap();
    assert!(checked(&line).starts_with("FAIL"), "{}", checked(&line));
    let text = run(&line, "4");
    assert!(text.contains("`journal.path`"), "{text}");
    assert!(
        text.contains("ALARM: 4 parts are missing in the journal"),
        "{text}"
    );
    std::fs::remove_file(line.path("journal")).unwrap();
    std::fs::create_dir_all(line.path("journal/parts.sqlite")).unwrap();
    std::fs::write(line.path("journal/pictures"), "a file").unwrap();
    let text = run(&line, "4");
    assert!(
        text.contains("damaged-1.sqlite") && text.contains("damaged-1-pictures"),
        "{text}"
    );
    assert!(line.path("journal/pictures/000001-00000003.png").is_file());
    assert!(checked(&line).starts_with("ok"), "{}", checked(&line));
}

#[test]
fn a_journal_that_is_removed_under_a_running_station_is_created_again() {
    let line = with_journal(60);
    let _actuator = line.actuator("pulses.csv", &[]);
    let station = line.station("run", &["--limit", "40"]);
    let rows = || said_rows(&line);
    super::until("the first records", || rows() > 0);
    std::fs::remove_dir_all(line.path("journal")).unwrap();
    let (code, text) = printed(&station.wait_with_output().unwrap());
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("was moved or removed"), "{text}");
    assert!(rows() > 5, "{}", rows());
}

/// Records that can be read; none while there is no journal.
fn said_rows(line: &Line) -> usize {
    let output = history(line, &["--csv", "-"]);
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .skip(1)
        .count()
}

#[test]
fn read_permission_is_enough_for_the_journal_and_nothing_is_written_beside_it() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let line = with_journal(60);
    let _actuator = line.actuator("pulses.csv", &[]);
    let open = |name: &str, mode| {
        std::fs::set_permissions(line.path(name), PermissionsExt::from_mode(mode)).unwrap();
    };
    open("", 0o755);
    std::fs::copy(AECSAD, line.path("aecsad")).unwrap();
    let other = || {
        let mut command = Command::new(line.path("aecsad"));
        command.args(["history", "--csv", "-", "--journal"]);
        command.arg(line.path("journal")).uid(65_534).gid(65_534);
        command.output().unwrap()
    };
    let seen = || {
        let output = other();
        assert_eq!(printed(&output), (0, String::new()));
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .skip(1)
            .count()
    };
    run(&line, "4");
    assert_eq!(seen(), 4);
    assert!(!line.path("journal/parts.sqlite-shm").exists());
    let station = line.station("run", &["--limit", "30"]);
    super::until("a record of the running station", || seen() > 4);
    assert_eq!(printed(&station.wait_with_output().unwrap()).0, 0);

    open("journal/parts.sqlite", 0o600);
    let (code, text) = printed(&other());
    assert!(code == 7 && text.contains("read permission on"), "{text}");
    open("journal", 0o700);
    let (code, text) = printed(&other());
    assert!(
        code == 7 && text.contains("execute permission on the folder"),
        "{text}"
    );
}

#[test]
fn a_journal_that_another_program_has_locked_fails_the_check() {
    let line = with_journal(4);
    let _actuator = line.actuator("pulses.csv", &[]);
    run(&line, "2");
    assert!(checked(&line).starts_with("ok"), "{}", checked(&line));
    let path = line.path("journal/parts.sqlite");
    for mode in ["WAL", "DELETE"] {
        let other = rusqlite::Connection::open(&path).unwrap();
        other.pragma_update(None, "journal_mode", mode).unwrap();
        other.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let check = checked(&line);
        assert!(check.starts_with("FAIL"), "{mode}: {check}");
        let holder = format!("process {} has locked it", std::process::id());
        assert!(check.contains(&holder), "{mode}: {check}");
        other.execute_batch("COMMIT").unwrap();
        assert!(checked(&line).starts_with("ok"), "{}", checked(&line));
    }
}

#[test]
fn history_prints_each_record_once_and_nothing_before_an_error() {
    let line = with_journal(4);
    let _actuator = line.actuator("pulses.csv", &[]);
    // The new journal takes the place that the link leads to.
    std::fs::create_dir(line.path("journal")).unwrap();
    std::os::unix::fs::symlink("parts.sqlite", line.path("journal/parts.sqlite")).unwrap();
    let text = run(&line, "4");
    assert!(text.contains("damaged-1.sqlite"), "{text}");
    assert_eq!(found(&line, &[], "part"), ["1", "2", "3", "4"]);
    let threshold = found(&line, &[], "threshold");
    assert_eq!(threshold, ["0"; 4]);

    for input in ["parts.sqlite", "damaged-1.sqlite"] {
        let onto = line.path("journal").join(input);
        let refused = history(&line, &["--csv", onto.to_str().unwrap()]);
        let (code, text) = printed(&refused);
        assert!(
            code == 7 && text.contains("this command reads it"),
            "{text}"
        );
    }
    assert_eq!(found(&line, &[], "part"), ["1", "2", "3", "4"]);

    std::fs::remove_dir_all(line.path("journal")).unwrap();
    let missing = history(&line, &[]);
    assert_eq!(missing.status.code(), Some(3));
    assert!(missing.stdout.is_empty(), "{missing:?}");
}
