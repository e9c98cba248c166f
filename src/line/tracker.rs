//! The undecided parts between camera and gate, and the rules by which each gets exactly one fate.

use std::time::{Duration, Instant};

use heapless::{Deque, HistoryBuf, Vec};

use super::fate::{Action, Cause, Fate, OnTrouble, Policies, StopReason};
use super::{Belt, BeltPosition, Left, Part, Travel};

/// Decided parts kept, to find pulses that also hit a neighbour.
const NEIGHBOURS: usize = 16;
/// A part whose position is unknown is given up after this time.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(10);

#[derive(Clone, Copy)]
struct Tracked {
    part: Part,
    /// The encoder position at the gate; final once there are readings from before and after the capture.
    gate: Option<BeltPosition>,
    settled: bool,
    /// The result of the inspection, if it came before `settled`.
    cause: Option<Cause>,
}

#[derive(Clone, Copy)]
struct Decided {
    tracked: Tracked,
    rejected: bool,
}

/// A part that should pass is so close to a rejected part that the pulse may hit both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenAlong {
    pub part: u32,
    pub with: u32,
}

/// Up to `N` undecided parts, in the order of their capture.
pub struct Tracker<const N: usize> {
    pub belt: Belt,
    policies: Policies,
    undecided: Vec<Tracked, N>,
    decided: HistoryBuf<Decided, NEIGHBOURS>,
    taken_along: Deque<TakenAlong, NEIGHBOURS>,
    rejects_in_a_row: u32,
}

impl<const N: usize> Tracker<N> {
    pub fn new(belt: Belt, policies: Policies) -> Self {
        Tracker {
            belt,
            policies,
            undecided: Vec::new(),
            decided: HistoryBuf::new(),
            taken_along: Deque::new(),
            rejects_in_a_row: 0,
        }
    }

    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// A part has left the camera. If `N` parts are on the way already, it is decided at once.
    pub fn enter(&mut self, part: Part, now: Instant) -> Option<Fate> {
        let mut tracked = Tracked {
            part,
            gate: None,
            settled: matches!(self.belt.conveyor().travel, Travel::Time(_)),
            cause: None,
        };
        tracked.settle(&self.belt);
        // A part without a picture can be reported later than its successor.
        let later = self
            .undecided
            .iter()
            .rposition(|t| t.part.captured <= part.captured);
        match self
            .undecided
            .insert(later.map_or(0, |index| index + 1), tracked)
        {
            Ok(()) => None,
            Err(tracked) => Some(self.fate(tracked, Cause::QueueFull, now)),
        }
    }

    /// A part's inspection has this result. `None` if the part was decided by its deadline before, or will be decided by
    /// [`Tracker::due`] once its position on the belt is certain.
    pub fn found(&mut self, id: u32, found: Cause, now: Instant) -> Option<Fate> {
        let index = self.undecided.iter().position(|t| t.part.id == id)?;
        let over = self.is_over(&self.undecided[index], now);
        let tracked = &mut self.undecided[index];
        tracked.settle(&self.belt);
        if !tracked.settled && !over {
            tracked.cause.get_or_insert(found);
            return None;
        }
        let tracked = self.undecided.remove(index);
        let cause = tracked
            .cause
            .unwrap_or(if over { Cause::Late } else { found });
        Some(self.fate(tracked, cause, now))
    }

    /// Decides the next part that can be decided now, or whose deadline is over. Call until `None`.
    pub fn due(&mut self, now: Instant) -> Option<Fate> {
        for tracked in &mut self.undecided {
            tracked.settle(&self.belt);
        }
        let ready = |t: &Tracked| t.settled && t.cause.is_some() || self.is_over(t, now);
        let index = self.undecided.iter().position(ready)?;
        let tracked = self.undecided.remove(index);
        let cause = tracked.cause.unwrap_or(Cause::Late);
        Some(self.fate(tracked, cause, now))
    }

    /// When [`Tracker::due`] must be called next, if the belt keeps its speed.
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let margin = self.belt.conveyor().margin;
        let first = self.undecided.first()?;
        match self.belt.left(first.part, first.gate, now) {
            Left::In(left) => Some(now + left.saturating_sub(margin)),
            Left::Over(_) => Some(now),
            Left::Standing | Left::Unknown => None,
        }
    }

    pub fn is_undecided(&self, id: u32) -> bool {
        self.undecided.iter().any(|t| t.part.id == id)
    }

    pub fn is_empty(&self) -> bool {
        self.undecided.is_empty()
    }

    /// A part that should pass but is hit by a neighbour's pulse. Call until `None` after each fate.
    pub fn taken_along(&mut self) -> Option<TakenAlong> {
        self.taken_along.pop_front()
    }

    /// Whether it is too late to send a decision safely.
    fn is_over(&self, tracked: &Tracked, now: Instant) -> bool {
        match self.belt.left(tracked.part, tracked.gate, now) {
            Left::In(left) => left < self.belt.conveyor().margin,
            Left::Over(_) => true,
            Left::Standing => false,
            Left::Unknown => now.saturating_duration_since(tracked.part.captured) > GIVEN_UP_AFTER,
        }
    }

    fn fate(&mut self, tracked: Tracked, cause: Cause, now: Instant) -> Fate {
        let policies = &self.policies;
        let trouble = match cause {
            Cause::Good => OnTrouble::Pass,
            Cause::Bad => OnTrouble::Reject,
            Cause::QueueFull => policies.queue_full,
            Cause::EngineError | Cause::NoFrame => policies.engine_error,
            Cause::Late => policies.late,
        };
        let mut stop = (trouble == OnTrouble::Stop).then_some(StopReason::NoVerdict(cause));
        let rejected = trouble != OnTrouble::Pass;
        if rejected {
            self.rejects_in_a_row += 1;
            if let Some(most) = policies.rejects_in_a_row
                && self.rejects_in_a_row >= most
            {
                stop = stop.or(Some(StopReason::RejectsInARow(self.rejects_in_a_row)));
            }
        } else if cause == Cause::Good {
            self.rejects_in_a_row = 0;
        }
        let action = if rejected {
            self.reject(&tracked, now)
        } else {
            Action::Pass
        };
        self.note_neighbours(Decided {
            tracked,
            rejected: matches!(action, Action::Pulse { .. }),
        });
        Fate {
            part: tracked.part,
            cause,
            action,
            stop,
        }
    }

    fn reject(&self, tracked: &Tracked, now: Instant) -> Action {
        let Tracked { part, gate, .. } = *tracked;
        let fire = self.belt.fire(part, gate).filter(|_| tracked.settled);
        let Some(fire) = fire else {
            return Action::Astray;
        };
        match self.belt.left(part, gate, now) {
            Left::Over(by) if !by.is_zero() => Action::Missed { by },
            // A silent encoder of this epoch is no obstacle: the actuator counts by itself.
            Left::Unknown if gate.is_some_and(|g| g.epoch != self.belt.encoder.epoch()) => {
                Action::Astray
            }
            _ => Action::Pulse { fire },
        }
    }

    fn note_neighbours(&mut self, new: Decided) {
        let place = |d: &Decided| (d.tracked.part, d.tracked.gate);
        for old in self.decided.oldest_ordered() {
            let one_of_them = old.rejected != new.rejected;
            if one_of_them && self.belt.share_pulse(place(old), place(&new)) {
                let (hit, hits) = if new.rejected {
                    (old, &new)
                } else {
                    (&new, old)
                };
                let _ = self.taken_along.push_back(TakenAlong {
                    part: hit.tracked.part.id,
                    with: hits.tracked.part.id,
                });
            }
        }
        self.decided.write(new);
    }
}

impl Tracked {
    fn settle(&mut self, belt: &Belt) {
        if !self.settled {
            self.gate = belt.gate_position(self.part);
            let latest = belt.encoder.latest();
            self.settled = latest.is_some_and(|(at, _)| at >= self.part.captured);
        }
    }
}

#[cfg(test)]
mod tests;
