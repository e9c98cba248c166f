//! The rejector against a real simulator on a real pseudo-terminal.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use aecsad_link::{Envelope, FrameDecoder, OutputEdge};

use super::*;
use crate::line::BeltPosition;
use crate::reject::simulator::{Simulator, SimulatorSettings};

const MS: Duration = Duration::from_millis(1);

struct Gate {
    edges: mpsc::Receiver<OutputEdge>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Gate {
    fn start(link: &std::path::Path, settings: SimulatorSettings) -> Self {
        let mut simulator = Simulator::open(Some(link)).unwrap();
        let (outbox, edges) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let log = |edge| outbox.send(edge).map_err(std::io::Error::other);
            simulator.run(settings, &stopped, log).unwrap();
        });
        Gate {
            edges,
            stop,
            thread: Some(thread),
        }
    }

    fn pulsed(&self) -> Vec<u32> {
        let on = |edge| match edge {
            OutputEdge::On { part, .. } => Some(part),
            OutputEdge::Off { .. } => None,
        };
        self.edges.try_iter().filter_map(on).collect()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn rejector(device: &std::path::Path) -> FramedSerial {
    let settings = FramedSettings {
        device: device.into(),
        serial: SerialSettings::plain(115_200),
        pulse: 10 * MS,
    };
    FramedSerial::open(settings).unwrap()
}

/// Lets the link work until an event that `wanted` accepts, and returns all events up to it.
fn until(rejector: &mut FramedSerial, wanted: impl Fn(&RejectEvent) -> bool) -> Vec<RejectEvent> {
    let give_up = Instant::now() + Duration::from_secs(20);
    let mut seen = Vec::new();
    while Instant::now() < give_up {
        let now = Instant::now();
        while let Some(event) = rejector.poll(now) {
            let found = wanted(&event);
            seen.push(event);
            if found {
                return seen;
            }
        }
        thread::park_timeout(
            rejector
                .wake_at()
                .saturating_duration_since(now)
                .min(50 * MS),
        );
    }
    panic!("not among {seen:?}");
}

fn is_up(event: &RejectEvent) -> bool {
    matches!(event, RejectEvent::Up)
}

fn is_down(event: &RejectEvent) -> bool {
    matches!(event, RejectEvent::Down(_))
}

#[test]
fn each_reject_gives_one_pulse_which_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let device = folder.path().join("gate");
    let gate = Gate::start(&device, SimulatorSettings::default());
    let mut rejector = rejector(&device);
    until(&mut rejector, is_up);
    let now = Instant::now();
    for part in 1..=5 {
        rejector
            .schedule(part, FirePoint::At(now + part * 40 * MS), now)
            .unwrap();
    }
    for expected in 1..=5 {
        let seen = until(&mut rejector, |e| matches!(e, RejectEvent::Pulsed { .. }));
        assert!(
            matches!(seen[..], [RejectEvent::Pulsed { part, .. }] if part == expected),
            "{seen:?}"
        );
    }
    assert_eq!(rejector.pending(), 0);
    rejector.stop().unwrap();
    assert_eq!(gate.pulsed(), [1, 2, 3, 4, 5]);
}

#[test]
fn stopping_takes_back_what_was_scheduled() {
    let folder = tempfile::tempdir().unwrap();
    let device = folder.path().join("gate");
    let gate = Gate::start(&device, SimulatorSettings::default());
    let mut rejector = rejector(&device);
    until(&mut rejector, is_up);
    let now = Instant::now();
    rejector
        .schedule(1, FirePoint::At(now + 300 * MS), now)
        .unwrap();
    rejector.stop().unwrap();
    thread::sleep(500 * MS);
    assert_eq!(gate.pulsed(), [0; 0]);
}

#[test]
fn an_unplugged_actuator_is_reported_once_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let device = folder.path().join("gate");
    let gate = Gate::start(&device, SimulatorSettings::default());
    let mut rejector = rejector(&device);
    until(&mut rejector, is_up);
    drop(gate);
    let seen = until(&mut rejector, is_down);
    assert!(
        matches!(&seen[..], [RejectEvent::Down(RejectError::Lost { .. })]),
        "{seen:?}"
    );
    // What was to fire meanwhile is given up; what is still to come is sent once the link is back.
    let now = Instant::now();
    rejector.schedule(1, FirePoint::At(now), now).unwrap();
    rejector
        .schedule(2, FirePoint::At(now + 3_000 * MS), now)
        .unwrap();
    let seen = until(&mut rejector, |e| {
        matches!(e, RejectEvent::Unconfirmed { part: 1 })
    });
    assert_eq!(seen.len(), 1, "{seen:?}");
    let gate = Gate::start(&device, SimulatorSettings::default());
    let seen = until(&mut rejector, |e| {
        matches!(e, RejectEvent::Pulsed { part: 2, .. })
    });
    assert!(matches!(seen[..], [RejectEvent::Up, _]), "{seen:?}");
    assert_eq!(gate.pulsed(), [2]);
}

#[test]
fn a_silent_actuator_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let device = folder.path().join("gate");
    let _gate = Gate::start(
        &device,
        SimulatorSettings {
            silent_after: Some(1),
            ..SimulatorSettings::default()
        },
    );
    let mut rejector = rejector(&device);
    until(&mut rejector, is_up);
    let now = Instant::now();
    rejector
        .schedule(1, FirePoint::At(now + 20 * MS), now)
        .unwrap();
    rejector
        .schedule(2, FirePoint::At(now + 600 * MS), now)
        .unwrap();
    let seen = until(&mut rejector, is_down);
    assert!(
        matches!(
            &seen[..],
            [
                RejectEvent::Pulsed { part: 1, .. },
                RejectEvent::Unconfirmed { part: 2 },
                RejectEvent::Down(RejectError::Silent { .. })
            ]
        ),
        "{seen:?}"
    );
}

#[test]
fn an_actuator_that_lost_its_power_gets_its_schedule_again() {
    let folder = tempfile::tempdir().unwrap();
    let device = folder.path().join("gate");
    let mut simulator = Simulator::open(Some(&device)).unwrap();
    let (off, on) = (AtomicBool::new(false), AtomicBool::new(false));
    let (outbox, edges) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let log = |edge| outbox.send(edge).map_err(std::io::Error::other);
            simulator
                .run(SimulatorSettings::default(), &off, log)
                .unwrap();
            simulator
                .run(SimulatorSettings::default(), &on, log)
                .unwrap();
        });
        let mut rejector = rejector(&device);
        until(&mut rejector, is_up);
        let now = Instant::now();
        rejector
            .schedule(1, FirePoint::At(now + 2_000 * MS), now)
            .unwrap();
        let accepted = Instant::now() + 200 * MS;
        while Instant::now() < accepted {
            assert!(rejector.poll(Instant::now()).is_none());
            thread::park_timeout(10 * MS);
        }
        assert!(rejector.pending[0].accepted);
        // The port stays: only the actuator's memory goes. The next heartbeat finds out.
        off.store(true, Ordering::Relaxed);
        let seen = until(&mut rejector, |e| matches!(e, RejectEvent::Pulsed { .. }));
        assert!(
            matches!(seen[..], [RejectEvent::Pulsed { part: 1, .. }]),
            "{seen:?}"
        );
        on.store(true, Ordering::Relaxed);
    });
    let on = edges
        .try_iter()
        .filter(|e| matches!(e, OutputEdge::On { .. }))
        .count();
    assert_eq!(on, 1);
}

#[test]
fn a_belt_with_an_encoder_is_pulsed_at_its_count_and_the_fallen_part_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let device = folder.path().join("gate");
    let settings = SimulatorSettings {
        counts_per_s: Some(10_000.0),
        confirm_after: Some(30 * MS),
        ..SimulatorSettings::default()
    };
    let gate = Gate::start(&device, settings);
    let mut rejector = rejector(&device);
    let is_count = |e: &RejectEvent| matches!(e, RejectEvent::Count { .. });
    // Two readings, so that there is a speed.
    until(&mut rejector, is_count);
    let seen = until(&mut rejector, is_count);
    let Some(RejectEvent::Count { count, .. }) = seen.last() else {
        panic!("{seen:?}");
    };
    let at = BeltPosition {
        epoch: 0,
        count: count + 3_000,
    };
    let fire = FirePoint::AtCount { at, lead: 20 * MS };
    rejector.schedule(1, fire, Instant::now()).unwrap();
    let seen = until(&mut rejector, |e| matches!(e, RejectEvent::Pulsed { .. }));
    assert!(
        matches!(seen.last(), Some(RejectEvent::Pulsed { part: 1, .. })),
        "{seen:?}"
    );
    until(&mut rejector, |e| matches!(e, RejectEvent::Fell { .. }));
    assert_eq!(gate.pulsed(), [1]);
}

/// A wire without threads: the messages to the actuator, its messages, and the time until which they were read.
#[derive(Clone, Default)]
struct ScriptedWire(Arc<Mutex<WireScript>>);

#[derive(Default)]
struct WireScript {
    said: Vec<Envelope<ToActuator>>,
    inbox: VecDeque<ReceivedMessage>,
    read_until: Option<Instant>,
}

impl ScriptedWire {
    fn connect(&self, now: Instant) -> FramedSerial {
        let settings = FramedSettings {
            device: "scripted".into(),
            serial: SerialSettings::plain(115_200),
            pulse: 10 * MS,
        };
        FramedSerial::connect(settings, Box::new(self.clone()), 7, now).unwrap()
    }

    /// The actuator answers the last message; its clock is here's, from `start` on.
    fn answer(&self, start: Instant, at: Instant) {
        let mut scripted = self.0.lock().unwrap();
        let message = FromActuator::Ack {
            seq: scripted.said.last().unwrap().seq,
            at_us: (at - start).as_micros() as u64,
            answer: Answer::Done,
        };
        scripted.inbox.push_back(ReceivedMessage { at, message });
    }

    fn read_until(&self, until: Instant) {
        self.0.lock().unwrap().read_until = Some(until);
    }
}

impl Connect for ScriptedWire {
    fn connect(&mut self, _now: Instant) -> Result<Box<dyn wire::Wire>, RejectError> {
        Ok(Box::new(self.clone()))
    }
}

impl wire::Wire for ScriptedWire {
    fn write(&mut self, frame: &[u8]) -> std::io::Result<()> {
        let mut decoder = FrameDecoder::new();
        let said = frame
            .iter()
            .filter_map(|byte| decoder.push::<Envelope<ToActuator>>(*byte));
        self.0.lock().unwrap().said.extend(said.flatten());
        Ok(())
    }

    fn receive(&mut self, _now: Instant) -> std::io::Result<Option<ReceivedMessage>> {
        Ok(self.0.lock().unwrap().inbox.pop_front())
    }

    fn receive_within(&mut self, _wait: Duration) -> std::io::Result<Option<ReceivedMessage>> {
        Ok(None)
    }

    fn read_until(&self, now: Instant) -> Instant {
        self.0.lock().unwrap().read_until.unwrap_or(now)
    }
}

/// A link whose actuator has answered the greeting at `start`.
fn scripted(start: Instant) -> (ScriptedWire, FramedSerial) {
    let wire = ScriptedWire::default();
    let mut rejector = wire.connect(start);
    assert!(rejector.poll(start).is_none());
    wire.answer(start, start);
    assert!(matches!(rejector.poll(start), Some(RejectEvent::Up)));
    (wire, rejector)
}

#[test]
fn only_an_actuator_that_has_counted_restarts_its_count() {
    let start = Instant::now();
    let (_wire, mut rejector) = scripted(start);
    rejector.restart_encoder();
    assert!(rejector.events.is_empty());
    rejector.encoder.read(start, 5);
    rejector.restart_encoder();
    let reported = rejector.events.pop_front();
    assert!(
        matches!(reported, Some(RejectEvent::CountRestarted)),
        "{reported:?}"
    );
}

#[test]
fn an_actuator_without_a_request_is_not_silent() {
    // As long as loading a bundle may take, before the first look.
    let wire = ScriptedWire::default();
    let start = Instant::now();
    let mut rejector = wire.connect(start);
    let later = start + 4 * SILENT_AFTER;
    assert!(rejector.poll(later).is_none());
    wire.answer(start, later);
    assert!(matches!(rejector.poll(later), Some(RejectEvent::Up)));

    // This program was held up for so long: the next heartbeat checks the link first.
    let (wire, mut rejector) = scripted(start);
    assert!(rejector.poll(start + 2 * MS).is_none());
    wire.answer(start, start + 2 * MS);
    let later = start + 4 * SILENT_AFTER;
    assert!(rejector.poll(later).is_none());
    assert!(rejector.poll(later + SILENT_AFTER).is_none());
    let down = rejector.poll(later + SILENT_AFTER + MS);
    assert!(
        matches!(down, Some(RejectEvent::Down(RejectError::Silent { .. }))),
        "{down:?}"
    );
}

#[test]
fn what_was_not_read_yet_is_not_missing() {
    let start = Instant::now();
    let (wire, mut rejector) = scripted(start);
    let fire = start + 100 * MS;
    rejector.schedule(1, FirePoint::At(fire), start).unwrap();
    wire.answer(start, start + MS);
    assert!(rejector.poll(start + MS).is_none());
    // The reading thread was held up, this one goes on.
    wire.read_until(start + 50 * MS);
    let later = fire + 4 * SILENT_AFTER;
    assert!(rejector.poll(later).is_none());
    assert_eq!(rejector.pending(), 1);
    // Its report lay on the wire all the time.
    let message = FromActuator::Pulsed {
        part: 1,
        at_us: 100_000,
        count: None,
    };
    let at = later;
    wire.0
        .lock()
        .unwrap()
        .inbox
        .push_back(ReceivedMessage { at, message });
    let reported = rejector.poll(later);
    assert!(
        matches!(
            reported,
            Some(RejectEvent::Pulsed {
                part: 1,
                error_us: 0,
                ..
            })
        ),
        "{reported:?}"
    );

    // Once the port was read without a message, the report is missing.
    rejector
        .schedule(2, FirePoint::At(later + 100 * MS), later)
        .unwrap();
    wire.answer(start, later + MS);
    assert!(rejector.poll(later + MS).is_none());
    let due = later + 100 * MS + CONFIRM_WITHIN;
    wire.read_until(due);
    assert!(rejector.poll(due + 40 * MS).is_none());
    wire.read_until(due + MS);
    let reported = rejector.poll(due + 40 * MS);
    assert!(
        matches!(reported, Some(RejectEvent::Unconfirmed { part: 2 })),
        "{reported:?}"
    );
}
