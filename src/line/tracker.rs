//! The parts between camera and gate that nobody has decided on yet, and the rules by which each gets exactly one fate.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::{Conveyor, Part};

/// What a station does with a part it has no verdict for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnTrouble {
    /// Reject the part and go on.
    #[default]
    Reject,
    /// Let the part pass and go on.
    Pass,
    /// Reject the part and stop the station.
    Stop,
}

/// One choice for each kind of trouble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    pub late: OnTrouble,
    pub queue_full: OnTrouble,
    /// The engine failed, or there was no usable frame.
    pub engine_error: OnTrouble,
}

/// What was found out about a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    Good,
    Bad,
    /// Its frame found no room before the engine.
    QueueFull,
    EngineError,
    /// The camera gave no usable frame.
    NoFrame,
}

/// Why a part got its fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Found(Finding),
    /// No verdict by the deadline.
    Late,
}

impl Cause {
    /// The word in tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Found(Finding::Good) => "good",
            Cause::Found(Finding::Bad) => "bad",
            Cause::Found(Finding::QueueFull) => "queue_full",
            Cause::Found(Finding::EngineError) => "engine_error",
            Cause::Found(Finding::NoFrame) => "no_frame",
            Cause::Late => "late",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Pass,
    /// Energise the actuator at this moment.
    Pulse {
        fire_at: Instant,
    },
    /// It should have been rejected, but its moment is over: a pulse now would hit another part.
    Missed {
        by: Duration,
    },
}

/// What happens to one part. Each part gets one, whatever goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    pub part: Part,
    pub cause: Cause,
    pub action: Action,
    /// The policy wants the station stopped.
    pub stop: bool,
}

impl Fate {
    /// Whether somebody has to know.
    pub fn alarm(&self) -> bool {
        !matches!(self.cause, Cause::Found(Finding::Good | Finding::Bad))
            || matches!(self.action, Action::Missed { .. })
    }
}

/// Up to `N` undecided parts, in the order of their capture.
pub struct Tracker<const N: usize> {
    conveyor: Conveyor,
    policies: Policies,
    undecided: heapless::Vec<Part, N>,
}

impl<const N: usize> Tracker<N> {
    pub fn new(conveyor: Conveyor, policies: Policies) -> Self {
        Tracker {
            conveyor,
            policies,
            undecided: heapless::Vec::new(),
        }
    }

    /// A part has left the camera. With more than `N` on the way, it is decided at once.
    pub fn enter(&mut self, part: Part, now: Instant) -> Option<Fate> {
        match self.undecided.push(part) {
            Ok(()) => None,
            Err(part) => Some(self.fate(part, Cause::Found(Finding::QueueFull), now)),
        }
    }

    /// Something was found out about a part. `None` if it was decided before, by its deadline.
    pub fn found(&mut self, id: u32, finding: Finding, now: Instant) -> Option<Fate> {
        let index = self.undecided.iter().position(|p| p.id == id)?;
        let part = self.undecided.remove(index);
        let cause = if now > self.conveyor.deadline(part) {
            Cause::Late
        } else {
            Cause::Found(finding)
        };
        Some(self.fate(part, cause, now))
    }

    /// The next part whose deadline is over. Call until `None`.
    pub fn overdue(&mut self, now: Instant) -> Option<Fate> {
        let part = *self.undecided.first()?;
        if now <= self.conveyor.deadline(part) {
            return None;
        }
        self.undecided.remove(0);
        Some(self.fate(part, Cause::Late, now))
    }

    /// When [`Tracker::overdue`] must be called next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.undecided.first().map(|&p| self.conveyor.deadline(p))
    }

    pub fn is_undecided(&self, id: u32) -> bool {
        self.undecided.iter().any(|p| p.id == id)
    }

    pub fn is_empty(&self) -> bool {
        self.undecided.is_empty()
    }

    fn fate(&self, part: Part, cause: Cause, now: Instant) -> Fate {
        let trouble = match cause {
            Cause::Found(Finding::Good) => OnTrouble::Pass,
            Cause::Found(Finding::Bad) => OnTrouble::Reject,
            Cause::Found(Finding::QueueFull) => self.policies.queue_full,
            Cause::Found(Finding::EngineError | Finding::NoFrame) => self.policies.engine_error,
            Cause::Late => self.policies.late,
        };
        let fire_at = self.conveyor.fire_at(part);
        let action = match (trouble, now.checked_duration_since(fire_at)) {
            (OnTrouble::Pass, _) => Action::Pass,
            (_, Some(by)) if !by.is_zero() => Action::Missed { by },
            _ => Action::Pulse { fire_at },
        };
        Fate {
            part,
            cause,
            action,
            stop: trouble == OnTrouble::Stop,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BinaryHeap, HashMap};

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn conveyor() -> Conveyor {
        Conveyor {
            travel: 800 * MS,
            lead: 20 * MS,
            margin: 25 * MS,
        }
    }

    /// What the virtual line does at one moment, earliest first.
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    enum Happening {
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
        let mut happenings = BinaryHeap::new();
        let mut at = start;
        let mut parts = Vec::new();
        let (mut bad, mut verdict_at) = (HashMap::new(), HashMap::new());
        for id in 1..=400 {
            at += Duration::from_micros(rng.u64(45_000..200_000));
            parts.push(Part { id, captured: at });
            happenings.push(std::cmp::Reverse((at, Happening::Captured(id))));
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
            happenings.push(std::cmp::Reverse((found_at, Happening::Found(id))));
        }
        let end = at + Duration::from_secs(5);
        let mut look = start;
        while look < end {
            look += Duration::from_micros(rng.u64(1..=stall.as_micros() as u64));
            happenings.push(std::cmp::Reverse((look, Happening::Look)));
        }

        let mut tracker = Tracker::<64>::new(conveyor(), policies);
        let mut fates = HashMap::new();
        while let Some(std::cmp::Reverse((now, happening))) = happenings.pop() {
            let mut decided = Vec::new();
            match happening {
                Happening::Captured(id) => {
                    decided.extend(tracker.enter(parts[id as usize - 1], now));
                }
                Happening::Found(id) => {
                    let finding = if bad[&id] {
                        Finding::Bad
                    } else {
                        Finding::Good
                    };
                    decided.extend(tracker.found(id, finding, now));
                }
                Happening::Look => decided.extend(std::iter::from_fn(|| tracker.overdue(now))),
            }
            for fate in decided {
                if let Action::Pulse { fire_at } = fate.action {
                    assert!(fire_at >= now, "a pulse was asked for in the past");
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
        let Action::Pulse { fire_at } = fate.action else {
            return Vec::new();
        };
        let conveyor = conveyor();
        let acts = fire_at + conveyor.lead..fire_at + conveyor.lead + 40 * MS;
        outcome
            .parts
            .iter()
            .filter(|&&p| acts.contains(&conveyor.at_gate(p)))
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
                let deadline = conveyor().deadline(*part);
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
        let findings = [Finding::QueueFull, Finding::EngineError, Finding::NoFrame];
        for policy in [OnTrouble::Reject, OnTrouble::Pass, OnTrouble::Stop] {
            for finding in findings {
                let mut policies = Policies::default();
                match finding {
                    Finding::QueueFull => policies.queue_full = policy,
                    _ => policies.engine_error = policy,
                }
                let mut tracker = Tracker::<4>::new(conveyor(), policies);
                assert_eq!(tracker.enter(part, start), None);
                let fate = tracker.found(1, finding, start + 10 * MS).unwrap();
                assert!(fate.alarm());
                assert_eq!(fate.stop, policy == OnTrouble::Stop);
                assert_eq!(fate.action == Action::Pass, policy == OnTrouble::Pass);
            }
        }
    }

    #[test]
    fn a_part_beyond_the_capacity_is_decided_at_once() {
        let start = Instant::now();
        let mut tracker = Tracker::<2>::new(conveyor(), Policies::default());
        let part = |id| Part {
            id,
            captured: start,
        };
        assert_eq!(tracker.enter(part(1), start), None);
        assert_eq!(tracker.enter(part(2), start), None);
        let fate = tracker.enter(part(3), start).unwrap();
        assert_eq!(fate.cause, Cause::Found(Finding::QueueFull));
        assert!(matches!(fate.action, Action::Pulse { .. }));
    }
}
