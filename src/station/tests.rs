//! The station with a real folder of images, a real simulator on a pseudo-terminal, and a small judge: a picture is bad
//! if it is bright.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use aecsad_inspect::inspector::Verdict;
use aecsad_link::OutputEdge;

use super::ledger::{Ledger, LedgerEntry, PulseState, Row};
use super::*;
use crate::camera::PacedFolder;
use crate::line::{Cause, OnTrouble, Travel};
use crate::reject::framed::{FramedSerial, FramedSettings};
use crate::reject::simulator::{Simulator, SimulatorSettings};
use crate::serial::SerialSettings;

const MS: Duration = Duration::from_millis(1);
const PERIOD: Duration = Duration::from_millis(60);

const GOOD: u8 = 50;
const BAD: u8 = 200;
/// The engine fails on this one, panics on the next, and takes too long on the last.
const FAILS: u8 = 1;
const PANICS: u8 = 2;
const TAKES_LONG: u8 = 3;

struct Brightness;

impl Judge for Brightness {
    fn judge(&mut self, frame: &Frame) -> Result<Verdict, JudgeError> {
        let start = Instant::now();
        let sum: u64 = frame.rgb.iter().map(|&v| u64::from(v)).sum();
        let mean = (sum / frame.rgb.len() as u64) as u8;
        match mean {
            FAILS => return Err(JudgeError::EngineBrokeOff),
            PANICS => panic!("as engines do"),
            TAKES_LONG => thread::sleep(1_200 * MS),
            _ => {}
        }
        Ok(Verdict {
            reject: mean > 127,
            latency: start.elapsed(),
            ..Verdict::passing(f32::from(mean), 0.0)
        })
    }

    fn heat_map(&mut self) -> Option<&HeatMap> {
        None
    }
}

/// A simulator on a thread of its own; the parts it pulsed, in order.
fn gate(link: &Path, stop: &Arc<AtomicBool>) -> JoinHandle<Vec<u32>> {
    let mut simulator = Simulator::open(Some(link)).unwrap();
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        let mut parts = Vec::new();
        let log = |edge| {
            if let OutputEdge::On { part, .. } = edge {
                parts.push(part);
            }
            Ok(())
        };
        simulator
            .run(SimulatorSettings::default(), &stop, log)
            .unwrap();
        parts
    })
}

struct Run {
    rows: Vec<Row>,
    ledger: Ledger,
    alarms: Vec<String>,
    ended: Ended,
    pulsed: Vec<u32>,
}

/// Runs a line over pictures of these brightnesses; 0 stands for a file that is no picture.
fn run(pictures: &[u8], policies: Policies, stop_after: Option<Duration>) -> Run {
    let folder = tempfile::tempdir().unwrap();
    for (index, &level) in pictures.iter().enumerate() {
        let path = folder.path().join(format!("{index:03}.png"));
        if level == 0 {
            std::fs::write(path, "torn").unwrap();
        } else {
            let picture = image::RgbImage::from_pixel(16, 16, image::Rgb([level; 3]));
            picture.save(path).unwrap();
        }
    }
    let device = folder.path().join("gate");
    let gate_stop = Arc::new(AtomicBool::new(false));
    let gate = gate(&device, &gate_stop);
    let mut rejector = FramedSerial::open(FramedSettings {
        device,
        serial: SerialSettings::plain(115_200),
        pulse: 20 * MS,
    })
    .unwrap();
    let mut source = PacedFolder::open(folder.path(), PERIOD).unwrap();
    let station = Station {
        source: &mut source,
        judge: &mut Brightness,
        rejector: &mut rejector,
        conveyor: Conveyor {
            travel: Travel::Time(1_000 * MS),
            lead: 10 * MS,
            margin: 300 * MS,
            pulse: 20 * MS,
            reach: Duration::ZERO,
        },
        policies,
        confirm_within: None,
        album: None,
        thresholds: Default::default(),
        calibration: Default::default(),
        limit: None,
        priority: 0,
        threads: 2,
    };
    let stop = Arc::new(AtomicBool::new(false));
    if let Some(after) = stop_after {
        let stop = Arc::clone(&stop);
        thread::spawn(move || {
            thread::sleep(after);
            stop.store(true, Ordering::Relaxed);
        });
    }
    let mut ledger = Ledger::default();
    let (mut rows, mut alarms) = (Vec::new(), Vec::new());
    let mut write = |entry: LedgerEntry<'_>| match entry {
        LedgerEntry::Row(row) => rows.push(row.clone()),
        LedgerEntry::Message(Message::Alarm(sentence)) => alarms.push(sentence),
        LedgerEntry::Message(Message::Notice(_)) => {}
    };
    let ended = station
        .run(&stop, |event| ledger.note(event, &mut write))
        .unwrap();
    ledger.close(&mut write);
    if stop_after.is_some() {
        // Until what was scheduled would have come.
        thread::sleep(1_100 * MS);
    }
    gate_stop.store(true, Ordering::Relaxed);
    Run {
        rows,
        ledger,
        alarms,
        ended,
        pulsed: gate.join().unwrap(),
    }
}

#[test]
fn each_bad_part_gets_one_pulse_and_no_good_part_gets_any() {
    let pictures: Vec<u8> = (0..30)
        .map(|i| if i % 7 == 3 { BAD } else { GOOD })
        .collect();
    let run = run(&pictures, Policies::default(), None);
    assert_eq!(run.pulsed, [4, 11, 18, 25]);
    assert_eq!(run.alarms, [""; 0]);
    assert_eq!(run.rows.len(), 30);
    for row in &run.rows {
        let seen = matches!(row.pulse, PulseState::Seen { .. });
        assert_eq!(seen, run.pulsed.contains(&row.part), "{row:?}");
    }
    assert!(run.ended.released.is_ok());
    assert_eq!(run.ledger.totals.pulsed, 4);
}

#[test]
fn a_part_without_a_verdict_follows_its_policy_and_the_line_goes_on() {
    let pictures = [GOOD, FAILS, PANICS, 0, BAD, GOOD];
    let rejecting = run(&pictures, Policies::default(), None);
    assert_eq!(rejecting.pulsed, [2, 3, 4, 5]);
    assert_eq!(rejecting.alarms.len(), 3, "{:?}", rejecting.alarms);
    let totals = rejecting.ledger.totals;
    assert_eq!(
        (totals.engine_error, totals.no_frame, totals.bad),
        (2, 1, 1)
    );

    let engine_error = OnTrouble::Pass;
    let policies = Policies {
        engine_error,
        ..Policies::default()
    };
    let passing = run(&pictures, policies, None);
    assert_eq!(passing.pulsed, [5]);
    assert_eq!(passing.alarms.len(), 3, "{:?}", passing.alarms);
}

#[test]
fn late_parts_and_parts_without_room_are_rejected_with_an_alarm() {
    // While the engine is busy for 1.2 s, frames wait for it until there is no room.
    let mut pictures = vec![GOOD; 32];
    pictures[1] = TAKES_LONG;
    let run = run(&pictures, Policies::default(), None);
    let totals = run.ledger.totals;
    assert!(totals.late >= 1 && totals.queue_full >= 1, "{totals:?}");
    assert_eq!(
        totals.alarms,
        totals.late + totals.queue_full,
        "{:?}",
        run.alarms
    );
    let without_verdict: Vec<u32> = run
        .rows
        .iter()
        .filter(|row| row.verdict.is_none())
        .map(|row| row.part)
        .collect();
    let mut pulsed = run.pulsed.clone();
    pulsed.sort();
    assert_eq!(pulsed, without_verdict);
    // It has caught up by the end.
    assert_eq!(run.rows[31].cause, Cause::Good);
}

#[test]
fn the_stop_policy_rejects_the_part_and_ends_the_run() {
    let policies = Policies {
        engine_error: OnTrouble::Stop,
        ..Policies::default()
    };
    let mut pictures = vec![GOOD; 60];
    pictures[2] = FAILS;
    let run = run(&pictures, policies, None);
    assert_eq!(run.ended.stopped_by.and_then(|(part, _)| part), Some(3));
    assert_eq!(run.pulsed, [3]);
    assert!(run.rows.len() < 60);
}

#[test]
fn a_request_to_stop_takes_back_what_is_scheduled() {
    let run = run(&[BAD; 60], Policies::default(), Some(300 * MS));
    // The first part would have been at the gate 1 s after its picture.
    assert_eq!(run.pulsed, [0; 0]);
    assert!(run.ended.released.is_ok());
    assert!(run.rows.len() >= 2 && run.rows.len() < 60);
}
