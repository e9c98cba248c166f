//! The rejector against a real simulator on a real pseudo-terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use aecsad_link::Edge;

use super::*;
use crate::line::Position;
use crate::reject::simulator::{Play, Simulator};

const MS: Duration = Duration::from_millis(1);

struct Gate {
    edges: mpsc::Receiver<Edge>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Gate {
    fn start(link: &std::path::Path, play: Play) -> Self {
        let mut simulator = Simulator::open(Some(link)).unwrap();
        let (outbox, edges) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let log = |edge| outbox.send(edge).map_err(std::io::Error::other);
            simulator.run(play, &stopped, log).unwrap();
        });
        Gate {
            edges,
            stop,
            thread: Some(thread),
        }
    }

    fn pulsed(&self) -> Vec<u32> {
        let on = |edge| match edge {
            Edge::On { part, .. } => Some(part),
            Edge::Off { .. } => None,
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
        baud: 115_200,
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
    let gate = Gate::start(&device, Play::default());
    let mut rejector = rejector(&device);
    until(&mut rejector, is_up);
    let now = Instant::now();
    for part in 1..=5 {
        rejector
            .schedule(part, Moment::At(now + part * 40 * MS), now)
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
    let gate = Gate::start(&device, Play::default());
    let mut rejector = rejector(&device);
    until(&mut rejector, is_up);
    let now = Instant::now();
    rejector
        .schedule(1, Moment::At(now + 300 * MS), now)
        .unwrap();
    rejector.stop().unwrap();
    thread::sleep(500 * MS);
    assert_eq!(gate.pulsed(), [0; 0]);
}

#[test]
fn an_unplugged_actuator_is_reported_once_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let device = folder.path().join("gate");
    let gate = Gate::start(&device, Play::default());
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
    rejector.schedule(1, Moment::At(now), now).unwrap();
    rejector
        .schedule(2, Moment::At(now + 3_000 * MS), now)
        .unwrap();
    let seen = until(&mut rejector, |e| {
        matches!(e, RejectEvent::Unconfirmed { part: 1 })
    });
    assert_eq!(seen.len(), 1, "{seen:?}");
    let gate = Gate::start(&device, Play::default());
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
        Play {
            silent_after: Some(1),
            ..Play::default()
        },
    );
    let mut rejector = rejector(&device);
    until(&mut rejector, is_up);
    let now = Instant::now();
    rejector
        .schedule(1, Moment::At(now + 20 * MS), now)
        .unwrap();
    rejector
        .schedule(2, Moment::At(now + 600 * MS), now)
        .unwrap();
    let seen = until(&mut rejector, is_down);
    assert!(
        matches!(
            &seen[..],
            [
                RejectEvent::Pulsed { part: 1, .. },
                RejectEvent::Unconfirmed { part: 2 },
                RejectEvent::Down(RejectError::Silent(_))
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
            simulator.run(Play::default(), &off, log).unwrap();
            simulator.run(Play::default(), &on, log).unwrap();
        });
        let mut rejector = rejector(&device);
        until(&mut rejector, is_up);
        let now = Instant::now();
        rejector
            .schedule(1, Moment::At(now + 2_000 * MS), now)
            .unwrap();
        let accepted = Instant::now() + 200 * MS;
        while Instant::now() < accepted {
            assert!(rejector.poll(Instant::now()).is_none());
            thread::park_timeout(10 * MS);
        }
        assert!(rejector.waiting[0].accepted);
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
        .filter(|e| matches!(e, Edge::On { .. }))
        .count();
    assert_eq!(on, 1);
}

#[test]
fn a_belt_with_an_encoder_is_pulsed_at_its_count_and_the_fallen_part_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let device = folder.path().join("gate");
    let play = Play {
        counts_per_s: Some(10_000.0),
        confirm_after: Some(30 * MS),
        ..Play::default()
    };
    let gate = Gate::start(&device, play);
    let mut rejector = rejector(&device);
    let is_count = |e: &RejectEvent| matches!(e, RejectEvent::Count { .. });
    // Two readings, so that there is a speed.
    until(&mut rejector, is_count);
    let seen = until(&mut rejector, is_count);
    let Some(RejectEvent::Count { count, .. }) = seen.last() else {
        panic!("{seen:?}");
    };
    let at = Position {
        epoch: 0,
        count: count + 3_000,
    };
    let fire = Moment::AtCount { at, lead: 20 * MS };
    rejector.schedule(1, fire, Instant::now()).unwrap();
    let seen = until(&mut rejector, |e| matches!(e, RejectEvent::Pulsed { .. }));
    assert!(
        matches!(seen.last(), Some(RejectEvent::Pulsed { part: 1, .. })),
        "{seen:?}"
    );
    until(&mut rejector, |e| matches!(e, RejectEvent::Fell { .. }));
    assert_eq!(gate.pulsed(), [1]);
}

#[test]
fn an_actuator_is_not_silent_because_the_station_was_slow_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let device = folder.path().join("gate");
    let _gate = Gate::start(&device, Play::default());
    let mut rejector = rejector(&device);
    // As if the bundle had taken longer to load than an actuator may be silent.
    let connection = rejector.connection.as_mut().unwrap();
    connection.heard_at = Instant::now().checked_sub(4 * SILENT_AFTER).unwrap();
    let seen = until(&mut rejector, |e| is_up(e) || is_down(e));
    assert!(matches!(seen[..], [RejectEvent::Up]), "{seen:?}");
}
