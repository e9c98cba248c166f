//! A line at work through the real program while its slots change under it: a flash, a selection by command, by file
//! and by the controller's word on the reject link. No part may be missed, and the journal has to know who judged it.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use aecsad_program::counted;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::commands::Station;
use super::fixture::{aecsad, stderr, stdout};

const AECSAD: &str = env!("CARGO_BIN_EXE_aecsad");
/// Longer than any of these lines is watched.
const PARTS: u64 = 600;
/// Each fifth part is bad, the third first.
const BAD: u64 = 3;

/// What an emulated or a busy machine needs: a verdict may take ten seconds before it is late.
fn station_file(station: &Station, bundle: &str) {
    let text = format!(
        "[bundle]\nslots = \"slots\"\nkeys = \"keys\"\ntrial_parts = 4\n{bundle}\
         [camera]\nkind = \"folder\"\npath = \"frames\"\nrate_per_min = 90\n\
         [conveyor]\ntravel_ms = 10000\n\
         [reject]\nkind = \"framed\"\ndevice = \"gate\"\npulse_ms = 20\nmargin_ms = 500\n\
         [monitor]\nlisten = \"off\"\n\
         [journal]\npath = \"journal\"\n"
    );
    station.fixture.put("station.toml", text.as_bytes());
}

/// Version 1 of `drawn part` is installed, and `another part` beside it.
pub(super) fn two_products() -> Station {
    let mut station = Station::new();
    let drawn = station.version(1);
    station.fixture.manifest().product = "another part".into();
    let other = station.version(7);
    station.fixture.manifest().product = "drawn part".into();
    station.flash(&drawn, &[]);
    station.flash(&other, &["--add-product"]);
    for seed in 0..5 {
        let bad = if seed == BAD { 1000 } else { 0 };
        station
            .fixture
            .draw(&format!("drawn/{seed}.png"), seed + bad);
    }
    std::fs::create_dir(station.fixture.at("frames")).unwrap();
    for part in 1..=PARTS {
        let (seed, name) = (part % 5, format!("frames/{part:04}.png"));
        let drawn = station.fixture.at(&format!("drawn/{seed}.png"));
        std::fs::hard_link(drawn, station.fixture.at(&name)).unwrap();
    }
    station_file(&station, "");
    station
}

/// The programs of a running line.
pub(super) struct Running {
    actuator: Child,
    line: Child,
    printed: PathBuf,
    journal: PathBuf,
}

impl Running {
    pub fn start(station: &Station, actuator: &[&str]) -> Self {
        let gate = station.fixture.at("gate");
        let actuator = Command::new(AECSAD)
            .args(["simulate-rejector", "--pty-link"])
            .arg(&gate)
            .args(actuator)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        until("the actuator", || gate.exists());
        let printed = station.fixture.at("printed.txt");
        let line = Command::new(AECSAD)
            .args(["run", "--config"])
            .arg(&station.config)
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&printed).unwrap())
            .spawn()
            .unwrap();
        let journal = station.fixture.at("journal");
        Running {
            actuator,
            line,
            printed,
            journal,
        }
    }

    pub fn printed(&self) -> String {
        std::fs::read_to_string(&self.printed).unwrap()
    }

    pub fn until_printed(&self, what: &str) {
        until(what, || {
            let printed = self.printed();
            assert!(!printed.contains("aecsad: "), "{printed}");
            printed.contains(what)
        });
    }

    /// One field of each part so far, by the journal.
    pub fn journal(&self, field: &str) -> Vec<String> {
        let run = aecsad(&[&"history", &"--journal", &self.journal, &"--csv", &"-"]);
        let text = stdout(&run);
        let mut table = csv::Reader::from_reader(text.as_bytes());
        let Ok(header) = table.headers().cloned() else {
            return Vec::new();
        };
        let Some(column) = header.iter().position(|name| name == field) else {
            return Vec::new();
        };
        let rows = table.records().map(|row| row.unwrap()[column].to_owned());
        rows.collect()
    }

    pub fn until_judged_by(&self, bundle: &str) {
        until(bundle, || {
            self.journal("bundle").last().is_some_and(|b| b == bundle)
        });
    }

    /// Stops the line in order; what its table printed.
    pub fn stop(mut self) -> String {
        kill(Pid::from_raw(self.line.id() as i32), Signal::SIGTERM).unwrap();
        let mut table = String::new();
        std::io::Read::read_to_string(&mut self.line.stdout.take().unwrap(), &mut table).unwrap();
        assert_eq!(self.line.wait().unwrap().code(), Some(130));
        table
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for child in [&mut self.actuator, &mut self.line] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[track_caller]
pub(super) fn until(what: &str, mut seen: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(120);
    while !seen() {
        assert!(Instant::now() < give_up, "{what} did not come");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Those that are not about a single part, which may be late on a busy machine, nor about the actuator.
fn alarms_of_the_changeover(printed: &str) -> Vec<&str> {
    let alarms = printed
        .lines()
        .filter_map(|line| line.strip_prefix("ALARM: "));
    alarms
        .filter(|alarm| !alarm.starts_with("part ") && !alarm.starts_with("the actuator "))
        .collect()
}

fn succeeded(run: &Output) {
    assert!(run.status.success(), "{}", stderr(run));
}

#[test]
fn each_change_comes_between_two_parts_and_none_is_missed() {
    let mut station = two_products();
    let second = station.version(2);
    let line = Running::start(&station, &[]);
    line.until_printed("version 1 of drawn part passed its trial");
    station.flash(&second, &[]);
    line.until_judged_by("drawn part 2");
    // As a controller writes it: first the file, then what is in it.
    let select = station.fixture.put("slots/select", b"");
    std::thread::sleep(Duration::from_millis(700));
    assert!(select.exists(), "a file that is still being written counts");
    std::fs::write(&select, "another part\n").unwrap();
    line.until_judged_by("another part 7");
    assert!(!select.exists());
    succeeded(&station.run(&[&"select", &"drawn part"]));
    line.until_judged_by("drawn part 2");
    std::fs::write(&select, "nut").unwrap();
    line.until_printed("there is no nut in the slots");

    let (parts, causes) = (line.journal("part"), line.journal("cause"));
    let mut bundles = line.journal("bundle");
    let expected: Vec<String> = (1..=parts.len()).map(|part| part.to_string()).collect();
    assert_eq!(parts, expected, "each part once");
    for (part, cause) in (1..).zip(causes) {
        let found = if part % 5 == BAD { "bad" } else { "good" };
        // A machine that is too busy leaves parts without a verdict, which are not this test's.
        let judged = ["good", "bad"].contains(&cause.as_str());
        assert!(!judged || cause == found, "part {part} is {cause}");
    }
    bundles.dedup();
    let turns = [
        "drawn part 1",
        "drawn part 2",
        "another part 7",
        "drawn part 2",
    ];
    assert_eq!(bundles, turns);
    let printed = line.printed();
    let table = line.stop();
    assert_eq!(alarms_of_the_changeover(&printed).len(), 1, "{printed}");
    let alarms = printed.lines().filter(|l| l.contains("ALARM")).count();
    assert!(
        table.contains(&counted(alarms, "alarm")),
        "the observers know of it: {table}"
    );
}

#[test]
fn the_controller_on_the_reject_link_selects_the_product() {
    let station = two_products();
    let request = ["--select", "another part", "--select-after", "1"];
    let line = Running::start(&station, &request);
    line.until_judged_by("another part 7");
    // It goes on requesting it each second, which changes nothing.
    line.until_printed("version 7 of another part passed its trial");
    let mut bundles = line.journal("bundle");
    bundles.dedup();
    assert_eq!(bundles, ["drawn part 1", "another part 7"]);
    assert_eq!(alarms_of_the_changeover(&line.printed()), [""; 0]);
    assert_eq!(line.printed().matches("another part selected").count(), 1);
    assert!(station.slots().contains("another part selected"));
}

#[test]
fn a_request_for_a_missing_product_is_reported_once_and_the_line_goes_on() {
    let station = two_products();
    let line = Running::start(&station, &["--select", "nut\u{1b}[2J"]);
    line.until_printed("ALARM: there is no nut[2J in the slots");
    line.until_printed("version 1 of drawn part passed its trial");
    assert_eq!(line.printed().matches("there is no nut").count(), 1);
    drop(line);

    let bundle = station.fixture.bundle();
    station_file(&station, "");
    let text = std::fs::read_to_string(&station.config).unwrap();
    let one = format!("[bundle]\npath = {bundle:?}\n[camera]");
    let text = one + text.split_once("[camera]").unwrap().1;
    station.fixture.put("station.toml", text.as_bytes());
    let line = Running::start(&station, &["--select", "nut"]);
    line.until_printed(
        "ALARM: the line's controller requests nut, but this station has one bundle",
    );
    until("two parts", || line.journal("part").len() >= 2);
    assert_eq!(line.printed().matches("requests nut").count(), 1);
}

#[test]
fn each_product_keeps_its_own_calibration() {
    let mut station = two_products();
    station_file(&station, "calibration = \"calibration\"\n");
    let text = std::fs::read_to_string(&station.config).unwrap();
    let good = station.fixture.put(
        "calibrate.toml",
        text.replace("\"frames\"", "\"good\"")
            .replace("= 90", "= 2000")
            .as_bytes(),
    );
    for part in 0..24 {
        station
            .fixture
            .draw(&format!("good/{part:02}.png"), part % 8);
    }
    // Before its first calibration a station works, and says what is missing.
    let check = || stdout(&station.run(&[&"check"]));
    let awaited = "there is no calibration";
    assert!(
        check().contains(&format!("warn  calibration {awaited}")),
        "{}",
        check()
    );
    assert!(station.slots().contains(awaited), "{}", station.slots());
    let run = aecsad(&[&"calibrate", &"--keep-duplicates", &"--config", &good]);
    succeeded(&run);
    let place = station.fixture.at("calibration/drawn part.toml");
    for shown in [check(), station.slots()] {
        assert!(shown.contains("drawn part.toml, made 20"), "{shown}");
        assert!(shown.contains("from 20 parts, 20.0 % of good"), "{shown}");
        assert!(shown.contains("(the bundle's own is "), "{shown}");
    }
    let calibration = std::fs::read_to_string(&place).unwrap();
    // From here on a station that reads it finds no part of this product good.
    let (before, after) = calibration.split_once("threshold = ").unwrap();
    let rest = after.split_once('\n').unwrap().1;
    std::fs::write(&place, format!("{before}threshold = -1000.0\n{rest}")).unwrap();

    let line = Running::start(&station, &[]);
    line.until_printed("drawn part.toml, made 20");
    until("the first parts", || line.journal("cause").len() >= 2);
    assert!(line.journal("cause").iter().all(|cause| cause == "bad"));
    succeeded(&station.run(&[&"select", &"another part"]));
    line.until_judged_by("another part 7");
    until("a good part", || {
        line.journal("cause").contains(&"good".into())
    });
    // Another version of the first product: what was calibrated for the old one doesn't count, and that is printed.
    let second = station.version(2);
    station.flash(&second, &[]);
    succeeded(&station.run(&[&"select", &"drawn part"]));
    line.until_judged_by("drawn part 2");
    line.until_printed("is for drawn part 1, but the bundle is drawn part 2");
    let judged = line
        .journal("bundle")
        .into_iter()
        .zip(line.journal("cause"));
    for (bundle, cause) in judged {
        if bundle != "drawn part 1" {
            continue;
        }
        assert_eq!(cause, "bad");
    }
}

#[test]
fn a_calibration_that_has_no_effect_or_can_t_be_used_is_an_error() {
    let station = two_products();
    let bundle = station.fixture.bundle();
    station.fixture.put("folder/x.toml", b"");
    station.fixture.put("file.toml", b"threshold = 1");
    let refused = |section: &str, part: &str| {
        station_file(&station, "");
        let text = std::fs::read_to_string(&station.config).unwrap();
        let rest = text.split_once("[camera]").unwrap().1;
        let text = format!("[bundle]\n{section}\n[camera]{rest}");
        station.fixture.put("station.toml", text.as_bytes());
        let checked = stdout(&station.run(&[&"check"]));
        let line = checked
            .lines()
            .find(|line| line.starts_with("FAIL  bundle"));
        assert!(line.is_some_and(|line| line.contains(part)), "{checked}");
        let calibrated = station.run(&[&"calibrate"]);
        (calibrated.status.code(), stderr(&calibrated))
    };
    let slots = "slots = \"slots\"\nkeys = \"keys\"\ncalibration = \"file.toml\"";
    let (code, text) = refused(slots, "name a folder");
    assert!(code == Some(5) && text.contains("name a folder"), "{text}");
    let folder = format!("path = {bundle:?}\ncalibration = \"folder\"");
    let (code, text) = refused(&folder, "name the file");
    assert!(code == Some(5) && text.contains("name the file"), "{text}");
    let damaged = format!("path = {bundle:?}\ncalibration = \"file.toml\"");
    refused(&damaged, "can't be read");
}
