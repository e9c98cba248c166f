//! The page in a real browser, on a station at work with real networks: watch, log in, mark a part, move the threshold,
//! flash a bundle by upload, roll it back, and stay through a restart. `tests/page/drive.mjs` does what a person would do.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::commands::Station;
use super::live::{Running, two_products, until};

const AECSAD: &str = env!("CARGO_BIN_EXE_aecsad");
const USER: &str = "anna";
const PASSWORD: &str = "correct horse";

/// The folder of the browser's packages, where `tests/page/fetch.sh` puts them.
fn target() -> Option<PathBuf> {
    let target = Path::new(AECSAD).ancestors().nth(2)?;
    if !target.join("page-tools/installed.json").exists() {
        eprintln!("skipped: there is no browser; tests/page/fetch.sh fetches it");
        return None;
    }
    Some(target.into())
}

/// A station that listens, and a browser for it.
struct Browser {
    target: PathBuf,
    address: String,
}

impl Browser {
    fn step(&self, step: &[&str]) -> Command {
        let mut command = Command::new("node");
        command
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/page/drive.mjs"))
            .arg(&self.address)
            .args(step)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("PAGE_USER", USER)
            .env("PAGE_PASSWORD", PASSWORD);
        command
    }

    /// Does one step of `drive.mjs`, as a user who may act.
    fn drive(&self, step: &[&str]) -> String {
        let done = self.step(step).output().unwrap();
        let [printed, failed] =
            [&done.stdout, &done.stderr].map(|text| String::from_utf8_lossy(text));
        assert!(done.status.success(), "{step:?}: {failed}\n{printed}");
        printed.into_owned()
    }
}

fn listening(station: &Station, address: &str) {
    let text = std::fs::read_to_string(&station.config).unwrap();
    let text = text.replace("listen = \"off\"", &format!("listen = \"{address}\""));
    station.fixture.put("station.toml", text.as_bytes());
}

/// The page of a station that runs, on a port of its own, so that the page finds the station again.
fn served(station: &Station, target: PathBuf) -> (Running, Browser) {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    listening(station, &port.to_string());
    add_user(station);
    let running = Running::start(station, &[]);
    let address = address(&running);
    (running, Browser { target, address })
}

/// The address that the station names when it starts.
fn address(running: &Running) -> String {
    let mut found = None;
    until("the page's address", || {
        let printed = running.printed();
        let address = printed.split("the page beside the line: ").nth(1);
        found = address
            .and_then(|text| text.lines().next())
            .map(str::to_owned);
        found.is_some()
    });
    found.unwrap()
}

fn add_user(station: &Station) {
    let mut command = Command::new(AECSAD)
        .args(["users", "add", USER, "--act", "--config"])
        .arg(&station.config)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = command.stdin.take().unwrap();
    writeln!(input, "{PASSWORD}").unwrap();
    drop(input);
    assert!(command.wait().unwrap().success());
}

#[test]
fn a_person_watches_marks_decides_and_flashes() {
    let Some(target) = target() else {
        return;
    };
    let mut station = two_products();
    let second = station.version(2);
    let (running, browser) = served(&station, target);
    running.until_judged_by("drawn part 1");
    until("a rejected part", || {
        running.journal("cause").iter().any(|cause| cause == "bad")
    });
    let live = browser.drive(&["live"]);
    assert!(live.contains("part"), "{live}");
    browser.drive(&["login", USER, PASSWORD]);
    browser.drive(&["review"]);
    let reviewed = station.fixture.at("reviewed");
    let export = station.run(&[&"export", &"--reviewed", &reviewed]);
    assert!(export.status.success());
    assert_eq!(reviewed.join("bad").read_dir().unwrap().count(), 1);
    browser.drive(&["threshold"]);
    let actions = station.run(&[&"history", &"--actions"]);
    let actions = String::from_utf8(actions.stdout).unwrap();
    assert!(
        actions.contains("a test of the page") && actions.contains("undone by a test"),
        "{actions}"
    );
    // A rollback needs a proven version.
    running.until_printed("version 1 of drawn part passed its trial");
    browser.drive(&["flash", second.to_str().unwrap()]);
    running.until_judged_by("drawn part 2");
    browser.drive(&["flash", station.config.to_str().unwrap(), "refused"]);
    browser.drive(&["calibrate", "set `bundle.calibration`"]);
    browser.drive(&["rollback"]);
    running.until_judged_by("drawn part 1");
    browser.drive(&["axe"]);

    // The page stays open while the station restarts, and so does the session.
    let mut open = browser.step(&["frozen"]);
    let mut open = open.stdout(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    let mut printed = BufReader::new(open.stdout.take().unwrap());
    printed.read_line(&mut first).unwrap();
    assert_eq!(first.trim_end(), "live");
    running.stop();
    let mut said = String::new();
    printed.read_line(&mut said).unwrap();
    let running = Running::start(&station, &[]);
    assert!(open.wait().unwrap().success(), "{said}");
    running.stop();
}

#[test]
fn a_person_calibrates_while_the_line_runs() {
    let Some(target) = target() else {
        return;
    };
    let station = two_products();
    let text = std::fs::read_to_string(&station.config).unwrap();
    let text = text
        .replace("[camera]", "calibration = \"calibration\"\n[camera]")
        .replace("\"frames\"", "\"good\"");
    station.fixture.put("station.toml", text.as_bytes());
    for part in 0..8 {
        station
            .fixture
            .draw(&format!("drawn/good-{part}.png"), part);
    }
    std::fs::create_dir(station.fixture.at("good")).unwrap();
    for part in 0..200 {
        let drawn = station.fixture.at(&format!("drawn/good-{}.png", part % 8));
        let frame = station.fixture.at(&format!("good/{part:03}.png"));
        std::fs::hard_link(drawn, frame).unwrap();
    }
    let (running, browser) = served(&station, target);
    running.until_printed("version 1 of drawn part passed its trial");
    let before = running.journal("threshold").pop().unwrap();
    let picture = station.fixture.at("calibration/drawn part.png");
    browser.drive(&["calibrate", "", picture.to_str().unwrap()]);
    until("a part judged by the calibration", || {
        *running.journal("threshold").last().unwrap() != before
    });
    let actions = station.run(&[&"history", &"--actions"]);
    let actions = String::from_utf8(actions.stdout).unwrap();
    assert!(actions.contains("a calibration by a test"), "{actions}");
    assert!(
        station.slots().contains("from 20 parts, 20.0 % of good"),
        "{}",
        station.slots()
    );
    assert!(picture.is_file());
    // The same threshold after a restart.
    let calibrated = running.journal("threshold").pop();
    running.stop();
    let running = Running::start(&station, &[]);
    let parts = running.journal("part").len();
    until("a part after the restart", || {
        running.journal("part").len() > parts
    });
    assert_eq!(running.journal("threshold").pop(), calibrated);
    running.stop();
}
