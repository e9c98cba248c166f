//! A gate on Modbus RTU against pymodbus, in a process of its own, at the other end of a wire of two pseudo-terminals.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use aecsad::line::FirePoint;
use aecsad::reject::switched::{Board, Switched, SwitchedSettings};
use aecsad::reject::{RejectError, RejectEvent, Rejector};
use aecsad::serial::SerialSettings;
use serialport::{SerialPort, TTYPort};

const MS: Duration = Duration::from_millis(1);
const UNIT: u8 = 7;
const COIL: u16 = 3;
const INPUT: u16 = 2;

/// Python with pymodbus, where `tests/modbus/fetch.sh` puts it.
fn python() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_BIN_EXE_aecsad")).ancestors().nth(2)?;
    let python = target.join("modbus-venv/bin/python");
    if !python.exists() {
        eprintln!("skipped: there is no pymodbus; tests/modbus/fetch.sh fetches it");
        return None;
    }
    Some(python)
}

/// Two pseudo-terminals whose far ends are joined.
struct Wire {
    station: PathBuf,
    server: PathBuf,
    _ends: [TTYPort; 2],
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Wire {
    fn new() -> Self {
        let (left, station) = TTYPort::pair().unwrap();
        let (right, server) = TTYPort::pair().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let copy = |mut from: TTYPort, mut to: TTYPort| {
            let stop = Arc::clone(&stop);
            from.set_timeout(5 * MS).unwrap();
            thread::spawn(move || {
                let mut bytes = [0; 64];
                while !stop.load(Ordering::Relaxed) {
                    if let Ok(length) = from.read(&mut bytes) {
                        let _ = to.write_all(&bytes[..length]);
                    }
                }
            })
        };
        let clone = |port: &TTYPort| port.try_clone_native().unwrap();
        let threads = vec![copy(clone(&left), clone(&right)), copy(right, left)];
        Wire {
            station: station.name().unwrap().into(),
            server: server.name().unwrap().into(),
            _ends: [station, server],
            stop,
            threads,
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

struct Server {
    process: Child,
    printed: Receiver<String>,
}

impl Server {
    fn start(python: &Path, terminal: &Path) -> Self {
        let mut process = Command::new(python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/modbus/serve.py"))
            .arg(terminal)
            .args([UNIT.to_string(), COIL.to_string(), INPUT.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = process.stdout.take().unwrap();
        let (tell, printed) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        assert_eq!(
            printed.recv_timeout(Duration::from_secs(30)).as_deref(),
            Ok("ready")
        );
        Server { process, printed }
    }

    fn coil_changes(&self) -> Vec<String> {
        self.printed.try_iter().collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn settings(device: &Path, coil: u16) -> SwitchedSettings {
    SwitchedSettings {
        device: device.into(),
        serial: SerialSettings::plain(115_200),
        pulse: 40 * MS,
        board: Board::Modbus {
            unit: UNIT,
            coil,
            confirm_input: Some(INPUT),
        },
    }
}

/// The server takes a moment from being ready to answering.
fn open(device: &Path) -> Switched {
    let give_up = Instant::now() + Duration::from_secs(30);
    loop {
        match Switched::open(settings(device, COIL)) {
            Ok(gate) => return gate,
            Err(RejectError::Silent { .. }) if Instant::now() < give_up => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn until(gate: &mut Switched, expected: impl Fn(&RejectEvent) -> bool) -> Vec<RejectEvent> {
    let give_up = Instant::now() + Duration::from_secs(30);
    let mut seen = Vec::new();
    while Instant::now() < give_up {
        while let Some(event) = gate.poll(Instant::now()) {
            let found = expected(&event);
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
fn a_coil_is_switched_for_each_pulse_and_the_fallen_part_is_seen() {
    let Some(python) = python() else {
        return;
    };
    let wire = Wire::new();
    let server = Server::start(&python, &wire.server);
    let mut gate = open(&wire.station);
    until(&mut gate, |e| matches!(e, RejectEvent::Up));
    let now = Instant::now();
    for part in 1..=3 {
        gate.schedule(part, FirePoint::At(now + part * 500 * MS), now)
            .unwrap();
    }
    let mut seen = Vec::new();
    for _ in 1..=3 {
        seen.extend(until(&mut gate, |e| matches!(e, RejectEvent::Fell { .. })));
    }
    let pulsed: Vec<u32> = seen
        .iter()
        .filter_map(|e| match e {
            RejectEvent::Pulsed { part, .. } => Some(*part),
            _ => None,
        })
        .collect();
    assert_eq!(pulsed, [1, 2, 3]);
    gate.stop().unwrap();
    let mut changes = server.coil_changes();
    // A try at the start may have been answered too late, and was made again.
    changes.dedup();
    assert_eq!(
        changes,
        ["coil 3 0", "coil 3 1"]
            .repeat(3)
            .into_iter()
            .chain(["coil 3 0"])
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_coil_that_is_not_there_is_said_at_the_start_and_a_dead_unit_found_again() {
    let Some(python) = python() else {
        return;
    };
    let wire = Wire::new();
    let server = Server::start(&python, &wire.server);
    drop(open(&wire.station));
    let error = Switched::open(settings(&wire.station, COIL + 1))
        .err()
        .unwrap();
    let text = error.to_string();
    assert!(
        matches!(error, RejectError::Refuses { .. }) && text.contains("no such coil"),
        "{text}"
    );

    let mut gate = open(&wire.station);
    until(&mut gate, |e| matches!(e, RejectEvent::Up));
    drop(server);
    until(&mut gate, |e| {
        matches!(e, RejectEvent::Down(RejectError::Silent { .. }))
    });
    let _server = Server::start(&python, &wire.server);
    until(&mut gate, |e| matches!(e, RejectEvent::Up));
    gate.stop().unwrap();
}
