//! The boards against their bytes on a real pseudo-terminal.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serialport::{SerialPort, TTYPort};

use aecsad_link::Answer;

use super::*;
use crate::serial::never_block;

const MS: Duration = Duration::from_millis(1);

/// A relay board: what it received, and what it answers.
struct ScriptedBoard {
    received: Arc<Mutex<Vec<u8>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    device: std::path::PathBuf,
    _station_side: TTYPort,
}

impl ScriptedBoard {
    fn start(answers: bool) -> Self {
        let (mut port, station_side) = TTYPort::pair().unwrap();
        never_block(&port).unwrap();
        let (received, stop) = (
            Arc::new(Mutex::new(Vec::new())),
            Arc::new(AtomicBool::new(false)),
        );
        let (writes, stopped) = (Arc::clone(&received), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let mut state = 0;
            let mut bytes = [0; 64];
            let _ = port.set_timeout(5 * MS);
            while !stopped.load(Ordering::Relaxed) {
                let Ok(length) = port.read(&mut bytes) else {
                    continue;
                };
                writes.lock().unwrap().extend(&bytes[..length]);
                // KMTronic's three bytes; one write of the station's arrives as one read here.
                for command in bytes[..length].chunks_exact(3) {
                    match command {
                        [0xff, 1, 3] if answers => port.write_all(&[0xff, 1, state]).unwrap(),
                        [0xff, 1, new] => state = *new,
                        _ => {}
                    }
                }
            }
        });
        ScriptedBoard {
            received,
            stop,
            thread: Some(thread),
            device: station_side.name().unwrap().into(),
            _station_side: station_side,
        }
    }

    fn received(&self) -> Vec<u8> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for ScriptedBoard {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn settings(device: &Path, board: Board) -> SwitchedSettings {
    SwitchedSettings {
        device: device.into(),
        serial: SerialSettings::plain(9_600),
        pulse: 30 * MS,
        board,
    }
}

fn until(gate: &mut Switched, wanted: impl Fn(&RejectEvent) -> bool) -> Vec<RejectEvent> {
    let give_up = Instant::now() + Duration::from_secs(20);
    let mut seen = Vec::new();
    while Instant::now() < give_up {
        while let Some(event) = gate.poll(Instant::now()) {
            let found = wanted(&event);
            seen.push(event);
            if found {
                return seen;
            }
        }
        thread::park_timeout(20 * MS);
    }
    panic!("not among {seen:?}");
}

#[test]
fn an_lcus_board_is_off_at_start_and_end_and_on_for_each_pulse() {
    let board = ScriptedBoard::start(false);
    let mut gate = Switched::open(settings(&board.device, Board::Lcus { channel: 2 })).unwrap();
    until(&mut gate, |e| matches!(e, RejectEvent::Up));
    let now = Instant::now();
    for part in 1..=3 {
        gate.schedule(part, FirePoint::At(now + part * 300 * MS), now)
            .unwrap();
    }
    for expected in 1..=3 {
        let seen = until(&mut gate, |e| matches!(e, RejectEvent::Pulsed { .. }));
        assert!(
            matches!(seen.last(), Some(RejectEvent::Pulsed { part, .. }) if *part == expected),
            "{seen:?}"
        );
    }
    assert_eq!(gate.pending(), 0);
    gate.stop().unwrap();
    thread::sleep(50 * MS);
    let received = board.received();
    let states: Vec<u8> = received
        .chunks_exact(4)
        .map(|command| {
            assert_eq!((command[0], command[1]), (0xa0, 2), "{received:02x?}");
            command[2]
        })
        .collect();
    assert_eq!((states.first(), states.last()), (Some(&0), Some(&0)));
    // Each pulse is one time on, followed by off; in between the board only receives commands to stay off.
    let rises = states.windows(2).filter(|pair| pair == &[0, 1]).count();
    let falls = states.windows(2).filter(|pair| pair == &[1, 0]).count();
    assert_eq!((rises, falls), (3, 3), "{states:?}");
}

#[test]
fn a_kmtronic_board_confirms_each_pulse_and_a_dead_one_is_reported_at_the_start() {
    let board = ScriptedBoard::start(true);
    let mut gate = Switched::open(settings(&board.device, Board::Kmtronic { channel: 1 })).unwrap();
    let now = Instant::now();
    gate.schedule(7, FirePoint::At(now + 200 * MS), now)
        .unwrap();
    until(&mut gate, |e| {
        matches!(e, RejectEvent::Pulsed { part: 7, .. })
    });
    gate.stop().unwrap();
    assert_eq!(
        board.received()[..6],
        [0xff, 1, 0, 0xff, 1, 3],
        "off before anything else"
    );

    let dead = ScriptedBoard::start(false);
    let error = Switched::open(settings(&dead.device, Board::Kmtronic { channel: 1 }))
        .err()
        .unwrap();
    assert!(matches!(error, RejectError::Silent { .. }), "{error}");
}

#[test]
fn a_disconnected_board_is_reported_once_with_the_parts_it_missed() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("relay");
    let board = ScriptedBoard::start(true);
    std::os::unix::fs::symlink(&board.device, &link).unwrap();
    let mut gate = Switched::open(settings(&link, Board::Kmtronic { channel: 1 })).unwrap();
    until(&mut gate, |e| matches!(e, RejectEvent::Up));
    drop(board);
    std::fs::remove_file(&link).unwrap();
    let now = Instant::now();
    gate.schedule(1, FirePoint::At(now + 50 * MS), now).unwrap();
    let seen = until(&mut gate, |e| {
        matches!(e, RejectEvent::Unconfirmed { part: 1 })
    });
    assert!(
        seen.iter().any(|e| matches!(e, RejectEvent::Down(_))),
        "{seen:?}"
    );
    // Another board in its place is found by itself, off first.
    let board = ScriptedBoard::start(true);
    std::os::unix::fs::symlink(&board.device, &link).unwrap();
    let seen = until(&mut gate, |e| matches!(e, RejectEvent::Up));
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(board.received()[..3], [0xff, 1, 0]);
    gate.stop().unwrap();
}

#[test]
fn a_time_that_has_passed_gives_no_pulse() {
    let board = ScriptedBoard::start(true);
    let mut gate = Switched::open(settings(&board.device, Board::Kmtronic { channel: 1 })).unwrap();
    until(&mut gate, |e| matches!(e, RejectEvent::Up));
    let now = Instant::now();
    gate.schedule(1, FirePoint::At(now.checked_sub(100 * MS).unwrap()), now)
        .unwrap();
    let seen = until(&mut gate, |e| !matches!(e, RejectEvent::Up));
    assert!(
        matches!(
            seen[..],
            [RejectEvent::Refused {
                part: 1,
                answer: Answer::TooLate
            }]
        ),
        "{seen:?}"
    );
    gate.stop().unwrap();
    assert!(!board.received().chunks_exact(3).any(|c| c == [0xff, 1, 1]));
}
