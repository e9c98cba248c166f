use std::collections::{BinaryHeap, HashMap};

use proptest::prelude::*;

use super::*;
use std::vec::Vec;

use crate::line::{Conveyor, FirePoint, OnTrouble, Travel};

const MS: Duration = Duration::from_millis(1);

const TRAVEL: Duration = Duration::from_millis(800);

fn conveyor() -> Conveyor {
    Conveyor {
        travel: Travel::Time(TRAVEL),
        lead: 20 * MS,
        margin: 25 * MS,
        pulse: 40 * MS,
        reach: Duration::ZERO,
    }
}

/// An event of the virtual line, the earliest first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Captured(u32),
    Found(u32),
    /// The reject thread looks at its deadlines.
    Look,
}

struct Outcome {
    fates: HashMap<u32, Fate>,
    /// Which parts were bad by their verdict.
    bad: HashMap<u32, bool>,
    /// When each verdict came, if it did.
    verdict_at: HashMap<u32, Instant>,
    parts: Vec<Part>,
}

/// Runs a line of parts at random distances and verdicts at random delays against a virtual clock. Between two looks
/// at the deadlines lie at most `stall`.
fn run(seed: u64, policies: Policies, stall: Duration) -> Outcome {
    let mut rng = fastrand::Rng::with_seed(seed);
    let start = Instant::now();
    let mut events = BinaryHeap::new();
    let mut at = start;
    let mut parts = Vec::new();
    let (mut bad, mut verdict_at) = (HashMap::new(), HashMap::new());
    for id in 1..=400 {
        at += Duration::from_micros(rng.u64(45_000..200_000));
        parts.push(Part { id, captured: at });
        events.push(std::cmp::Reverse((at, Event::Captured(id))));
        bad.insert(id, rng.u8(..4) == 0);
        // Most verdicts come in time, some late, some very late, some never.
        let delay_ms = match rng.u8(..20) {
            0 => rng.u64(700..800),
            1 => rng.u64(750..3_000),
            2 => continue,
            _ => rng.u64(5..600),
        };
        let found_at = at + Duration::from_millis(delay_ms);
        verdict_at.insert(id, found_at);
        events.push(std::cmp::Reverse((found_at, Event::Found(id))));
    }
    let end = at + Duration::from_secs(5);
    let mut look = start;
    while look < end {
        look += Duration::from_micros(rng.u64(1..=stall.as_micros() as u64));
        events.push(std::cmp::Reverse((look, Event::Look)));
    }

    let mut tracker = Tracker::<64>::new(Belt::new(conveyor()), policies);
    let mut fates = HashMap::new();
    while let Some(std::cmp::Reverse((now, event))) = events.pop() {
        let mut decided = Vec::new();
        match event {
            Event::Captured(id) => {
                decided.extend(tracker.enter(parts[id as usize - 1], now));
            }
            Event::Found(id) => {
                let finding = if bad[&id] { Cause::Bad } else { Cause::Good };
                decided.extend(tracker.found(id, finding, now));
            }
            Event::Look => decided.extend(std::iter::from_fn(|| tracker.due(now))),
        }
        for fate in decided {
            if let Action::Pulse {
                fire: FirePoint::At(fire_at),
            } = fate.action
            {
                assert!(fire_at >= now, "a pulse was requested in the past");
            }
            assert!(
                fates.insert(fate.part.id, fate).is_none(),
                "part {} has two fates",
                fate.part.id
            );
        }
    }
    assert!(tracker.is_empty());
    Outcome {
        fates,
        bad,
        verdict_at,
        parts,
    }
}

/// The parts that stand in front of the rejector while it acts.
fn hit(outcome: &Outcome, fate: &Fate) -> Vec<u32> {
    let Action::Pulse {
        fire: FirePoint::At(fire_at),
    } = fate.action
    else {
        return Vec::new();
    };
    let conveyor = conveyor();
    let acts = fire_at + conveyor.lead..fire_at + conveyor.lead + 40 * MS;
    outcome
        .parts
        .iter()
        .filter(|&&p| acts.contains(&(p.captured + TRAVEL)))
        .map(|p| p.id)
        .collect()
}

#[test]
fn every_pulse_hits_its_own_part_and_every_late_part_is_rejected_and_alarmed() {
    let mut late = 0;
    for seed in 0..50 {
        // The look at the deadlines is never later than the margin allows.
        let outcome = run(seed, Policies::default(), conveyor().margin);
        assert_eq!(outcome.fates.len(), outcome.parts.len());
        for part in &outcome.parts {
            let fate = &outcome.fates[&part.id];
            let deadline = part.captured + TRAVEL - conveyor().lead - conveyor().margin;
            let in_time = outcome
                .verdict_at
                .get(&part.id)
                .is_some_and(|&at| at <= deadline);
            let rejected = hit(&outcome, fate) == [part.id];
            if in_time {
                assert_eq!(rejected, outcome.bad[&part.id], "{fate:?}");
                assert!(!fate.alarm());
            } else {
                late += 1;
                assert!(rejected && fate.alarm(), "{fate:?}");
                assert_eq!(fate.cause, Cause::Late);
            }
        }
    }
    assert!(late > 1_000, "only {late} late parts were tried");
}

#[test]
fn a_stalled_station_never_pulses_at_another_part() {
    let mut missed = 0;
    for seed in 0..50 {
        let outcome = run(seed, Policies::default(), 300 * MS);
        for fate in outcome.fates.values() {
            match fate.action {
                Action::Pass => {}
                Action::Pulse { .. } => assert_eq!(hit(&outcome, fate), [fate.part.id]),
                Action::Astray => panic!("its time is known"),
                Action::Missed { .. } => {
                    missed += 1;
                    assert!(fate.alarm());
                }
            }
        }
    }
    assert!(missed > 100, "only {missed} parts were missed");
}

#[test]
fn each_trouble_follows_its_own_policy() {
    let start = Instant::now();
    let part = Part {
        id: 1,
        captured: start,
    };
    let findings = [Cause::QueueFull, Cause::EngineError, Cause::NoFrame];
    for policy in [OnTrouble::Reject, OnTrouble::Pass, OnTrouble::Stop] {
        for finding in findings {
            let mut policies = Policies::default();
            match finding {
                Cause::QueueFull => policies.queue_full = policy,
                _ => policies.engine_error = policy,
            }
            let mut tracker = Tracker::<4>::new(Belt::new(conveyor()), policies);
            assert_eq!(tracker.enter(part, start), None);
            let fate = tracker.found(1, finding, start + 10 * MS).unwrap();
            assert!(fate.alarm());
            assert_eq!(fate.stop.is_some(), policy == OnTrouble::Stop);
            assert_eq!(fate.action == Action::Pass, policy == OnTrouble::Pass);
        }
    }
}

#[test]
fn a_part_beyond_the_capacity_is_decided_at_once() {
    let start = Instant::now();
    let mut tracker = Tracker::<2>::new(Belt::new(conveyor()), Policies::default());
    let part = |id| Part {
        id,
        captured: start,
    };
    assert_eq!(tracker.enter(part(1), start), None);
    assert_eq!(tracker.enter(part(2), start), None);
    let fate = tracker.enter(part(3), start).unwrap();
    assert_eq!(fate.cause, Cause::QueueFull);
    assert!(matches!(fate.action, Action::Pulse { .. }));
}

fn part(id: u32, captured: Instant) -> Part {
    Part { id, captured }
}

#[test]
fn too_many_rejects_in_a_row_stop_the_station_and_a_good_part_ends_a_row() {
    let policies = Policies {
        rejects_in_a_row: Some(3),
        ..Policies::default()
    };
    let mut tracker = Tracker::<16>::new(Belt::new(conveyor()), policies);
    let start = Instant::now();
    let findings = [
        Cause::Bad,
        Cause::Bad,
        Cause::Good,
        Cause::Bad,
        Cause::NoFrame,
        Cause::Bad,
    ];
    let mut stops = Vec::new();
    for (id, finding) in (1..).zip(findings) {
        let now = start + 100 * MS * id;
        assert_eq!(tracker.enter(part(id, now), now), None);
        stops.push(tracker.found(id, finding, now + 10 * MS).unwrap().stop);
    }
    assert_eq!(stops[..5], [None; 5]);
    assert_eq!(stops[5], Some(StopReason::RejectsInARow(3)));
}

#[test]
fn a_good_part_within_another_s_pulse_is_reported() {
    let mut tracker = Tracker::<16>::new(Belt::new(conveyor()), Policies::default());
    let start = Instant::now();
    // The pulse of a part hits what comes within 40 ms after it.
    for (id, ms) in [(1, 0), (2, 30), (3, 60), (4, 200)] {
        assert_eq!(
            tracker.enter(part(id, start + ms * MS), start + 200 * MS),
            None
        );
    }
    let now = start + 300 * MS;
    tracker.found(2, Cause::Good, now);
    assert_eq!(tracker.taken_along(), None);
    tracker.found(1, Cause::Bad, now);
    assert_eq!(tracker.taken_along(), Some(TakenAlong { part: 2, with: 1 }));
    tracker.found(4, Cause::Bad, now);
    tracker.found(3, Cause::Good, now);
    assert_eq!(tracker.taken_along(), None);

    // Of a longer part the front is still there when the pulse begins, or already when it ends.
    let conveyor = Conveyor {
        reach: 25 * MS,
        ..conveyor()
    };
    let mut tracker = Tracker::<16>::new(Belt::new(conveyor), Policies::default());
    for (id, ms) in [(1, 0), (2, 60), (3, 130)] {
        tracker.enter(part(id, start + ms * MS), start + 200 * MS);
    }
    tracker.found(1, Cause::Bad, now);
    tracker.found(2, Cause::Good, now);
    assert_eq!(tracker.taken_along(), Some(TakenAlong { part: 2, with: 1 }));
    tracker.found(3, Cause::Good, now);
    assert_eq!(tracker.taken_along(), None);
}

fn counted() -> Conveyor {
    Conveyor {
        travel: Travel::Counts {
            counts: 1_000,
            top_speed: 2_000,
        },
        ..conveyor()
    }
}

#[test]
fn a_part_on_a_standing_belt_is_never_late_and_a_lost_one_is_reported() {
    let start = Instant::now();
    let mut tracker = Tracker::<16>::new(Belt::new(counted()), Policies::default());
    let read = |tracker: &mut Tracker<16>, ms: u32, count: i64| {
        tracker.belt.encoder.read(start + ms * MS, count);
    };
    for ms in (0..=400).step_by(20) {
        read(&mut tracker, ms, i64::from(ms));
    }
    assert_eq!(
        tracker.enter(part(1, start + 390 * MS), start + 400 * MS),
        None
    );
    // The belt stops for an hour.
    for minute in 0..60 {
        let ms = 500 + minute * 60_000;
        read(&mut tracker, ms, 400);
        read(&mut tracker, ms + 20, 400);
        assert_eq!(tracker.due(start + (ms + 30) * MS), None);
    }
    let now = 3_600_000;
    read(&mut tracker, now, 400);
    let fate = tracker.found(1, Cause::Bad, start + now * MS).unwrap();
    let Action::Pulse {
        fire: FirePoint::AtCount { at, .. },
    } = fate.action
    else {
        panic!("{fate:?}");
    };
    assert_eq!(at.count, 1_390);
    assert!(!fate.alarm());
    // One whose place on the belt is not known any more.
    assert_eq!(
        tracker.enter(part(2, start + now * MS), start + now * MS),
        None
    );
    tracker.belt.encoder.restart();
    let fate = tracker
        .found(2, Cause::Bad, start + (now + 50) * MS)
        .unwrap();
    assert_eq!(fate.action, Action::Astray);
    assert!(fate.alarm());
}

proptest! {
    /// However parts, verdicts and a counted belt come, each part gets one fate, no fate is too late, and a part to be
    /// rejected passes only with an alarm.
    #[test]
    fn every_part_gets_one_fate_and_none_passes_silently(
        steps in proptest::collection::vec((0u8..6, 1u32..80, 0i64..120), 1..400),
    ) {
        let start = Instant::now();
        let mut tracker = Tracker::<8>::new(Belt::new(counted()), Policies::default());
        let (mut now, mut count, mut entered) = (start, 0i64, 0u32);
        let mut fates = Vec::new();
        for (what, ms, counts) in steps {
            now += ms * MS;
            match what {
                0 => {
                    entered += 1;
                    fates.extend(tracker.enter(part(entered, now), now));
                }
                1 => fates.extend(tracker.found(1 + ms % entered.max(1), Cause::Bad, now)),
                2 => fates.extend(tracker.found(1 + ms % entered.max(1), Cause::Good, now)),
                3 if counts == 0 => {
                    tracker.belt.encoder.restart();
                    count = 0;
                }
                _ => {
                    count += counts;
                    tracker.belt.encoder.read(now, count);
                }
            }
            fates.extend(std::iter::from_fn(|| tracker.due(now)));
        }
        now += Duration::from_secs(60);
        fates.extend(std::iter::from_fn(|| tracker.due(now)));
        let mut ids: Vec<u32> = fates.iter().map(|f| f.part.id).collect();
        ids.sort_unstable();
        prop_assert_eq!(ids, (1..=entered).collect::<Vec<_>>());
        for fate in fates {
            let bad = fate.cause != Cause::Good;
            prop_assert!(!bad || fate.action != Action::Pass);
            if bad && !matches!(fate.action, Action::Pulse { .. }) {
                prop_assert!(fate.alarm());
            }
        }
    }
}
