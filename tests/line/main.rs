//! A station from its file to the actuator's log, through real processes and real pseudo-terminals: what goes wrong on
//! a line must be printed in one sentence, leave with its own exit code, and never stop the line where it can go on.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use aecsad::cli;
use aecsad::station::config::StationConfig;
use aecsad::station::{Judge, JudgeError};
use aecsad_inspect::branches::shared::heat::HeatMap;
use aecsad_inspect::frame::Frame;
use aecsad_inspect::inspector::Verdict;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

mod calibrate;
mod collect;
mod journal;
mod page;
mod refusals;
mod unattended;
mod wire;

const AECSAD: &str = env!("CARGO_BIN_EXE_aecsad");

/// A judge that needs no bundle: bright parts are bad, and anomalous where they are bright. It never gets over a
/// [`STALLING`] part.
#[derive(Default)]
struct Brightness {
    heat_map: HeatMap,
}

/// The level of such a part's picture.
const STALLING: u8 = 99;

impl Judge for Brightness {
    fn judge(&mut self, frame: &Frame) -> Result<Verdict, JudgeError> {
        if frame.rgb[0] == STALLING {
            loop {
                std::thread::park();
            }
        }
        let levels: Vec<f32> = frame.rgb.chunks_exact(3).map(|p| f32::from(p[0])).collect();
        let score = levels.iter().sum::<f32>() / levels.len() as f32;
        let (width, height) = (frame.width as usize, frame.height as usize);
        self.heat_map = HeatMap::new();
        let (rows, columns) = (self.heat_map.rows, self.heat_map.columns);
        for (index, heat) in self.heat_map.values.iter_mut().enumerate() {
            let (x, y) = (index % columns, index / columns);
            *heat = levels[y * height / rows * width + x * width / columns];
        }
        Ok(Verdict {
            reject: score > 127.0,
            far_off: score > 200.0,
            ..Verdict::passing(score, 0.0)
        })
    }

    fn heat_map(&mut self) -> Option<&HeatMap> {
        Some(&self.heat_map)
    }
}

fn load_brightness(_: &StationConfig) -> aecsad::Result<Box<dyn Judge>> {
    Ok(Box::new(Brightness::default()))
}

/// Not a test of its own: the process that [`Line::station`] starts, `aecsad` with a judge that needs no bundle.
#[test]
#[ignore = "a process of other tests"]
fn station_process() {
    use clap::Parser;
    let Ok(command) = std::env::var("AECSAD_TEST_COMMAND") else {
        return;
    };
    let done = match cli::Cli::parse_from(command.split('\n')).command {
        cli::Command::Run(args) => cli::run::run(&args, &load_brightness),
        cli::Command::Check(args) => cli::check::run(&args, &load_brightness),
        cli::Command::Demo(args) => {
            cli::demo::run_with_actuator(&args, &load_brightness, Path::new(AECSAD))
        }
        // Not a station's: nothing here starts them.
        _ => return,
    };
    let code = done.err().map_or(0, |error| {
        eprintln!("aecsad: {error}");
        error.exit_code() as i32
    });
    std::process::exit(code);
}

/// A folder with a station file, pictures and a place for the actuator's terminal.
struct Line {
    folder: tempfile::TempDir,
}

impl Line {
    /// Every fifth of `parts` pictures is of a bad part, the third first.
    fn new(parts: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("frames")).unwrap();
        let mut labels = String::from("image,label\n");
        for part in 1..=parts {
            let bad = part % 5 == 3;
            let level = if bad { 220 } else { 30 };
            let name = format!("{part:03}.png");
            picture(&folder.path().join("frames").join(&name), level);
            labels += &format!("{name},{}\n", if bad { "scratch" } else { "good" });
        }
        let line = Line { folder };
        std::fs::write(line.path("parts.csv"), labels).unwrap();
        line.configure(
            "[bundle]\npath = \"none.aecsad\"\n\
             [camera]\nkind = \"folder\"\npath = \"frames\"\nrate_per_min = 600\n\
             [monitor]\nlisten = \"off\"\n\
             [conveyor]\ntravel_ms = 1000\n\
             [reject]\nkind = \"framed\"\ndevice = \"gate\"\npulse_ms = 20\nlead_ms = 5\nmargin_ms = 300\n",
        );
        line
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configure(&self, text: &str) {
        std::fs::write(self.path("station.toml"), text).unwrap();
    }

    fn change(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path("station.toml")).unwrap();
        assert!(text.contains(from));
        self.configure(&text.replace(from, to));
    }

    /// The product's own binary with `command` on this line's station file.
    fn aecsad(&self, command: &str) -> Output {
        Command::new(AECSAD)
            .args([command, "--config"])
            .arg(self.path("station.toml"))
            .output()
            .unwrap()
    }

    /// `aecsad` with the judge of this file.
    fn station(&self, command: &str, flags: &[&str]) -> Child {
        self.program(command, flags).spawn().unwrap()
    }

    fn program(&self, command: &str, flags: &[&str]) -> Command {
        let config = self.path("station.toml");
        let mut words = vec!["aecsad", command, "--config", config.to_str().unwrap()];
        words.extend(flags);
        let mut program = Command::new(std::env::current_exe().unwrap());
        program
            .args(["--exact", "station_process", "--ignored", "--nocapture"])
            .env("AECSAD_TEST_COMMAND", words.join("\n"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        program
    }

    fn actuator(&self, log: &str, flags: &[&str]) -> Actuator {
        let mut process = Command::new(AECSAD)
            .args(["simulate-rejector", "--pty-link"])
            .arg(self.path("gate"))
            .arg("--log")
            .arg(self.path(log))
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut first).unwrap();
        assert!(first.starts_with("pty,/dev/"), "{first}");
        Actuator { process }
    }

    /// The parts that the actuator was energised for.
    fn pulsed(&self, log: &str) -> Vec<u32> {
        let text = std::fs::read_to_string(self.path(log)).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("part,at_us,pulse_us"));
        lines
            .map(|line| line.split(',').next().unwrap().parse().unwrap())
            .collect()
    }
}

/// A picture of one grey level.
fn picture(path: &Path, level: u8) {
    let picture = image::RgbImage::from_pixel(32, 24, image::Rgb([level; 3]));
    picture.save(path).unwrap();
}

struct Actuator {
    process: Child,
}

impl Drop for Actuator {
    /// Lets it remove its link. A link that stays leads to the next pseudo-terminal that takes the number, which may be
    /// that of another test's actuator.
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.process.id() as i32), Signal::SIGTERM);
        let _ = self.process.wait();
    }
}

fn send(signal: Signal, process: &Child) {
    kill(Pid::from_raw(process.id() as i32), signal).unwrap();
}

fn until(what: &str, mut seen: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(30);
    while !seen() {
        assert!(Instant::now() < give_up, "{what} did not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The exit code and what was printed on standard error.
fn printed(output: &Output) -> (i32, String) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap(), text)
}

/// The one sentence with which the command failed.
fn sentence(output: &Output, code: i32) -> String {
    let (left_with, text) = printed(output);
    assert_eq!(left_with, code, "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn each_bad_part_is_pulsed_once_and_stands_in_the_csv() {
    let line = Line::new(20);
    let _actuator = line.actuator("pulses.csv", &[]);
    let csv = line.path("rows.csv");
    let station = line.station("run", &["--limit", "15", "--csv", csv.to_str().unwrap()]);
    let output = station.wait_with_output().unwrap();
    let (code, text) = printed(&output);
    assert_eq!(code, 0, "{text}");
    assert!(!text.contains("ALARM"), "{text}");
    assert_eq!(line.pulsed("pulses.csv"), [3, 8, 13]);
    let rows = std::fs::read_to_string(csv).unwrap();
    assert_eq!(rows.lines().count(), 16, "{rows}");
    assert!(rows.starts_with(
        "part,image,cause,score,p_value,branch,latency_ms,pulse_error_ms,threshold\n"
    ));
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(
        table.contains("15 parts: 12 good, 3 bad, 0 without a verdict"),
        "{table}"
    );
    assert!(
        table.contains("3 pulses seen by the actuator, 0 not reported"),
        "{table}"
    );
}

#[test]
fn part_after_part_like_no_good_one_is_one_alarm() {
    let line = Line::new(24);
    for part in 1..=24 {
        // One good part in the middle ends the first run.
        let level = if part == 12 { 30 } else { 220 };
        picture(&line.path(&format!("frames/{part:03}.png")), level);
    }
    let _actuator = line.actuator("pulses.csv", &[]);
    let output = line.station("run", &[]).wait_with_output().unwrap();
    let (code, text) = printed(&output);
    assert_eq!(code, 0, "{text}");
    assert_eq!(text.matches("look like no good part").count(), 2, "{text}");
    assert!(
        text.contains("10 parts in a row are rejected, part 10 last"),
        "{text}"
    );
    assert!(text.contains("camera that was moved"), "{text}");
}

#[test]
fn the_line_goes_on_without_its_actuator_and_finds_it_again() {
    let line = Line::new(80);
    let actuator = line.actuator("before.csv", &[]);
    let station = line.station("run", &[]);
    until("the first pulse", || !line.pulsed("before.csv").is_empty());
    drop(actuator);
    std::thread::sleep(Duration::from_millis(1_500));
    let _actuator = line.actuator("after.csv", &[]);
    let output = station.wait_with_output().unwrap();
    let (code, text) = printed(&output);
    assert_eq!(code, 0, "{text}");
    assert_eq!(text.matches("was lost").count(), 1, "{text}");
    assert!(
        text.contains("the actuator did not report a pulse for part"),
        "{text}"
    );
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.contains("80 parts: 64 good, 16 bad"), "{table}");
    let after = line.pulsed("after.csv");
    assert!(after.ends_with(&[73, 78]), "{after:?}");
    assert!(after.iter().all(|part| part % 5 == 3), "{after:?}");
}

#[test]
fn a_silent_actuator_is_an_alarm_and_the_line_goes_on() {
    let line = Line::new(60);
    let _actuator = line.actuator("pulses.csv", &["--silent-after", "1"]);
    let output = line.station("run", &[]).wait_with_output().unwrap();
    let (code, text) = printed(&output);
    assert_eq!(code, 0, "{text}");
    assert_eq!(line.pulsed("pulses.csv"), [3]);
    assert!(text.contains("is silent: check its power"), "{text}");
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.contains("60 parts: 48 good, 12 bad"), "{table}");
    assert!(
        table.contains("1 pulse seen by the actuator, 11 not reported"),
        "{table}"
    );
}

#[test]
fn a_station_that_was_held_up_does_not_blame_its_actuator() {
    let line = Line::new(80);
    let _actuator = line.actuator("pulses.csv", &[]);
    let csv = line.path("rows.csv");
    let station = line.station("run", &["--csv", csv.to_str().unwrap()]);
    until("part 7", || {
        std::fs::read_to_string(&csv).is_ok_and(|rows| rows.lines().count() >= 8)
    });
    // The pulse for part 8 comes, and is reported, while nothing here listens; no heartbeat is sent for far too long.
    send(Signal::SIGSTOP, &station);
    std::thread::sleep(Duration::from_secs(4));
    send(Signal::SIGCONT, &station);
    let (code, text) = printed(&station.wait_with_output().unwrap());
    assert_eq!(code, 0, "{text}");
    for blamed in ["is silent", "did not report a pulse for part 8:"] {
        assert!(!text.contains(blamed), "{text}");
    }
    let rows = std::fs::read_to_string(&csv).unwrap();
    assert_eq!(rows.lines().count(), 81, "{rows}");
    let pulsed = line.pulsed("pulses.csv");
    assert!(pulsed.starts_with(&[3, 8]), "{pulsed:?}");
}

#[test]
fn ctrl_c_sigterm_and_a_lost_terminal_leave_nothing_scheduled() {
    // Each on a line of its own, at once: all but a moment of it is waiting.
    std::thread::scope(|scope| {
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            scope.spawn(move || nothing_is_scheduled_after(signal));
        }
    });
}

fn nothing_is_scheduled_after(signal: Signal) {
    let line = Line::new(60);
    line.change("travel_ms = 1000", "travel_ms = 5000");
    let _actuator = line.actuator("pulses.csv", &[]);
    let csv = line.path("rows.csv");
    let mut station = line.station("run", &["--csv", csv.to_str().unwrap()]);
    // Parts 1 and 2 have passed the engine, and 3 will be scheduled a moment later.
    until("the second row", || {
        std::fs::read_to_string(&csv).is_ok_and(|rows| rows.lines().count() >= 3)
    });
    std::thread::sleep(Duration::from_millis(300));
    send(signal, &station);
    assert_eq!(station.wait().unwrap().code(), Some(130));
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(line.pulsed("pulses.csv"), [0; 0]);
}

#[test]
fn the_simulator_ends_on_request_and_takes_its_link_along() {
    let line = Line::new(0);
    let mut actuator = line.actuator("pulses.csv", &[]);
    assert!(line.path("gate").exists());
    send(Signal::SIGTERM, &actuator.process);
    assert_eq!(actuator.process.wait().unwrap().code(), Some(130));
    assert!(!line.path("gate").is_symlink());
}

#[test]
fn the_demo_compares_pulses_with_what_is_known() {
    let line = Line::new(20);
    let out = line.path("out");
    let parts = line.path("parts.csv");
    let flags = [
        "--parts",
        parts.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ];
    let output = line.station("demo", &flags).wait_with_output().unwrap();
    let (code, text) = printed(&output);
    let table = String::from_utf8_lossy(&output.stdout);
    assert_eq!(code, 0, "{text}\n{table}");
    assert!(
        table.contains("known bad parts: 4 of 4 rejected"),
        "{table}"
    );
    assert!(
        table.contains("known good parts: 0 of 16 rejected"),
        "{table}"
    );
    assert!(table.contains("exactly one pulse in its window"), "{table}");
    let sheet = image::open(out.join("heatmaps.png")).unwrap();
    assert_eq!((sheet.width(), sheet.height()), (1440, 288));
}

#[test]
fn a_flat_field_evens_the_light_and_one_of_another_size_is_an_alarm_for_each_part() {
    let line = Line::new(5);
    let _actuator = line.actuator("pulses.csv", &[]);
    line.change(
        "[conveyor]",
        "[optics]\nflat_field = \"sheet.png\"\n[conveyor]",
    );
    let csv = line.path("rows.csv");
    let run = || {
        let station = line.station("run", &["--csv", csv.to_str().unwrap()]);
        let (code, text) = printed(&station.wait_with_output().unwrap());
        (
            code,
            text,
            std::fs::read_to_string(&csv).unwrap_or_default(),
        )
    };
    let missing = sentence(&line.aecsad("run"), 3);
    assert!(missing.contains("sheet.png"), "{missing}");

    let sheet = image::RgbImage::from_pixel(32, 24, image::Rgb([200; 3]));
    sheet.save(line.path("sheet.png")).unwrap();
    let report = line.station("check", &[]).wait_with_output().unwrap();
    let report = String::from_utf8_lossy(&report.stdout).into_owned();
    assert!(report.contains("ok    flat field"), "{report}");
    let (code, text, rows) = run();
    assert!(code == 0 && !text.contains("ALARM"), "{text}");
    assert_eq!(rows.matches(",good,").count(), 4, "{rows}");

    let sheet = image::RgbImage::from_pixel(24, 32, image::Rgb([200; 3]));
    sheet.save(line.path("sheet.png")).unwrap();
    let (code, text, rows) = run();
    assert_eq!(code, 0, "{text}");
    assert_eq!(rows.matches(",no_frame,").count(), 5, "{rows}");
    assert!(
        text.contains("part 1 is rejected: the flat field") && text.contains("24×32"),
        "{text}"
    );
}
