//! The actuator's side of the link: a schedule of pulses on its own clock, and an output.
//!
//! The owner feeds it messages and the time, and sets the real output as [`Actuator::energised`] says. The output is off
//! at the start, after a `Hello` or `Cancel`, and never on for longer than the requested pulses.

use heapless::{HistoryBuf, Vec};

use crate::belt::BeltReadings;
use crate::{Answer, Envelope, FromActuator, PROTOCOL, ProductName, ToActuator, When};

/// The most scheduled pulses.
pub const MAX_SCHEDULED: usize = 64;
/// The longest pulse: the longest time that a coil or valve stays on after a single message.
pub const MAX_PULSE_US: u32 = 5_000_000;
/// The longest delay of a pulse. A longer one is more likely a wrong message than a long conveyor.
pub const MAX_DELAY_US: u64 = 600_000_000;
/// A pulse that would be later than this is not given, because it would hit another part.
pub const LATE_US: u32 = 2_000;

/// A change of the output, in the order in which they happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputEdge {
    /// Energised, or kept energised, for this part.
    On {
        part: u32,
        at_us: u64,
        pulse_us: u32,
    },
    Off {
        at_us: u64,
    },
}

#[derive(Clone, Copy)]
struct Pulse {
    part: u32,
    when: When,
    pulse_us: u32,
}

#[derive(Default)]
pub struct Actuator {
    session: Option<u32>,
    belt: BeltReadings,
    scheduled: Vec<Pulse, MAX_SCHEDULED>,
    /// Parts already pulsed: a repeated message must not pulse the neighbour.
    pulsed: HistoryBuf<u32, MAX_SCHEDULED>,
    off_us: Option<u64>,
    seq: u16,
}

impl Actuator {
    pub fn new() -> Self {
        Self::default()
    }

    /// The level that the output must have now.
    pub fn energised(&self) -> bool {
        self.off_us.is_some()
    }

    /// Takes a reading of the belt's encoder. The owner reads it every few milliseconds, also while the belt stands.
    pub fn count(&mut self, now_us: u64, count: i64) {
        self.belt.read(now_us, count);
    }

    /// Takes one message that arrived at `now_us` and returns the answer.
    pub fn receive(
        &mut self,
        now_us: u64,
        received: Envelope<ToActuator>,
    ) -> Envelope<FromActuator> {
        let answer = match received.message {
            ToActuator::Hello { protocol, .. } if protocol != PROTOCOL => Answer::WrongProtocol,
            ToActuator::Hello { session, .. } => {
                // Within one session a part keeps its number, so the list of pulsed parts stays valid over a
                // reconnection.
                if self.session.replace(session) != Some(session) {
                    self.pulsed.clear();
                }
                self.clear();
                Answer::Done
            }
            _ if self.session.is_none() => Answer::NoSession,
            ToActuator::Heartbeat => Answer::Done,
            ToActuator::Cancel => {
                self.clear();
                Answer::Done
            }
            ToActuator::Reject {
                part,
                when,
                pulse_us,
            } => self.schedule(now_us, part, when, pulse_us),
        };
        self.say(FromActuator::Ack {
            seq: received.seq,
            at_us: now_us,
            answer,
        })
    }

    /// The next change of the output that is due, at the time it was due. Call until `None`.
    pub fn next_edge(&mut self, now_us: u64) -> Option<OutputEdge> {
        let due = self.earliest(now_us);
        let on = due.filter(|&(_, on_us)| on_us <= now_us);
        if let Some(off_us) = self.off_us
            && off_us <= now_us
            && on.is_none_or(|(_, on_us)| off_us < on_us)
        {
            self.off_us = None;
            return Some(OutputEdge::Off { at_us: off_us });
        }
        let (index, _) = on?;
        let pulse = self.scheduled.swap_remove(index);
        self.pulsed.write(pulse.part);
        // The end is counted from now, not from the due time, so that a late owner still gives the whole pulse.
        let ends = now_us.saturating_add(u64::from(pulse.pulse_us));
        self.off_us = Some(self.off_us.map_or(ends, |off_us| off_us.max(ends)));
        Some(OutputEdge::On {
            part: pulse.part,
            at_us: now_us,
            pulse_us: pulse.pulse_us,
        })
    }

    /// When [`Actuator::next_edge`] must be called next, at the belt's present speed.
    pub fn wake_us(&self, now_us: u64) -> Option<u64> {
        let on = self.earliest(now_us).map(|(_, on_us)| on_us);
        match (on, self.off_us) {
            (Some(on), Some(off)) => Some(on.min(off)),
            (on, off) => on.or(off),
        }
    }

    /// The report that belongs to an [`OutputEdge::On`].
    pub fn pulsed(&mut self, part: u32, at_us: u64) -> Envelope<FromActuator> {
        let count = self.belt.count_at(at_us);
        self.say(FromActuator::Pulsed { part, at_us, count })
    }

    /// The regular report of the encoder, if there is one.
    pub fn counted(&mut self, now_us: u64) -> Option<Envelope<FromActuator>> {
        let count = self.belt.count_at(now_us)?;
        Some(self.say(FromActuator::Count {
            at_us: now_us,
            count,
        }))
    }

    /// The report of a rejected part that the sensor behind the gate saw.
    pub fn confirmed(&mut self, at_us: u64) -> Envelope<FromActuator> {
        self.say(FromActuator::Confirmed { at_us })
    }

    /// The product that the line's controller requests.
    pub fn selects(&mut self, product: ProductName) -> Envelope<FromActuator> {
        self.say(FromActuator::Select { product })
    }

    fn schedule(&mut self, now_us: u64, part: u32, when: When, pulse_us: u32) -> Answer {
        if pulse_us == 0 || pulse_us > MAX_PULSE_US {
            return Answer::OutOfRange;
        }
        if self.scheduled.iter().any(|p| p.part == part)
            || self.pulsed.oldest_ordered().any(|&p| p == part)
        {
            return Answer::AlreadyKnown;
        }
        match when {
            When::At { at_us } => {
                if at_us.saturating_sub(now_us) > MAX_DELAY_US {
                    return Answer::OutOfRange;
                }
                if now_us.saturating_sub(at_us) > u64::from(LATE_US) {
                    return Answer::TooLate;
                }
            }
            When::AtCount { count, lead_us } => {
                let Some(here) = self.belt.count_at(now_us) else {
                    return Answer::NoEncoder;
                };
                if u64::from(lead_us) > MAX_DELAY_US {
                    return Answer::OutOfRange;
                }
                let from = here.saturating_add(self.belt.ahead(lead_us));
                if from > count.saturating_add(self.belt.ahead(LATE_US)) {
                    return Answer::TooLate;
                }
            }
        }
        let pulse = Pulse {
            part,
            when,
            pulse_us,
        };
        match self.scheduled.push(pulse) {
            Ok(()) => Answer::Done,
            Err(_) => Answer::Full,
        }
    }

    /// The next pulse and its time. A pulse at a position that a standing belt has not reached has no time.
    fn earliest(&self, now_us: u64) -> Option<(usize, u64)> {
        let pulses = self.scheduled.iter().enumerate();
        pulses
            .filter_map(|(index, pulse)| Some((index, self.on_us(pulse, now_us)?)))
            .min_by_key(|&(_, on_us)| on_us)
    }

    fn on_us(&self, pulse: &Pulse, now_us: u64) -> Option<u64> {
        match pulse.when {
            When::At { at_us } => Some(at_us),
            When::AtCount { count, lead_us } => {
                let here = self.belt.count_at(now_us)?;
                let left = count
                    .saturating_sub(here)
                    .saturating_sub(self.belt.ahead(lead_us));
                if left <= 0 {
                    return Some(now_us);
                }
                let speed = self.belt.speed();
                // Rounded up: one microsecond early would be one wake-up too many.
                (speed > 0).then(|| {
                    let left_us = left.saturating_mul(1_000_000) / speed + 1;
                    now_us.saturating_add(left_us as u64)
                })
            }
        }
    }

    fn clear(&mut self) {
        self.scheduled.clear();
        self.off_us = None;
    }

    fn say(&mut self, message: FromActuator) -> Envelope<FromActuator> {
        self.seq = self.seq.wrapping_add(1);
        Envelope {
            seq: self.seq,
            message,
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    fn receive(actuator: &mut Actuator, now_us: u64, message: ToActuator) -> Answer {
        match actuator
            .receive(now_us, Envelope { seq: 5, message })
            .message
        {
            FromActuator::Ack { seq: 5, answer, .. } => answer,
            other => panic!("{other:?} is not the answer to message 5"),
        }
    }

    fn hello(session: u32) -> ToActuator {
        ToActuator::Hello {
            session,
            protocol: PROTOCOL,
        }
    }

    fn reject(part: u32, at_us: u64) -> ToActuator {
        ToActuator::Reject {
            part,
            when: When::At { at_us },
            pulse_us: 100,
        }
    }

    fn greeted() -> Actuator {
        let mut actuator = Actuator::new();
        assert_eq!(receive(&mut actuator, 0, hello(1)), Answer::Done);
        actuator
    }

    fn edges(actuator: &mut Actuator, now_us: u64) -> Vec<OutputEdge> {
        std::iter::from_fn(|| actuator.next_edge(now_us)).collect()
    }

    #[test]
    fn a_pulse_comes_at_its_delay_and_ends() {
        let mut actuator = greeted();
        assert_eq!(receive(&mut actuator, 10, reject(7, 510)), Answer::Done);
        assert_eq!(actuator.wake_us(10), Some(510));
        assert_eq!(edges(&mut actuator, 509), []);
        assert!(!actuator.energised());
        let on = OutputEdge::On {
            part: 7,
            at_us: 510,
            pulse_us: 100,
        };
        assert_eq!(edges(&mut actuator, 510), [on]);
        assert!(actuator.energised());
        assert_eq!(actuator.wake_us(510), Some(610));
        assert_eq!(edges(&mut actuator, 700), [OutputEdge::Off { at_us: 610 }]);
        assert!(!actuator.energised());
    }

    #[test]
    fn a_repeated_message_gives_one_pulse() {
        let mut actuator = greeted();
        assert_eq!(receive(&mut actuator, 0, reject(7, 500)), Answer::Done);
        assert_eq!(
            receive(&mut actuator, 9, reject(7, 499)),
            Answer::AlreadyKnown
        );
        assert_eq!(edges(&mut actuator, 10_000).len(), 1);
        assert_eq!(
            receive(&mut actuator, 10_001, reject(7, 500)),
            Answer::AlreadyKnown
        );
        // The same over a reconnection within the session, but not in another session.
        assert_eq!(receive(&mut actuator, 10_002, hello(1)), Answer::Done);
        assert_eq!(
            receive(&mut actuator, 10_003, reject(7, 500)),
            Answer::AlreadyKnown
        );
        assert_eq!(receive(&mut actuator, 10_004, hello(2)), Answer::Done);
        assert_eq!(
            receive(&mut actuator, 10_005, reject(7, 10_005)),
            Answer::Done
        );
    }

    #[test]
    fn hello_and_cancel_leave_nothing_energised_or_waiting() {
        for end in [hello(1), hello(2), ToActuator::Cancel] {
            let mut actuator = greeted();
            receive(&mut actuator, 0, reject(1, 10));
            receive(&mut actuator, 0, reject(2, 5_000));
            edges(&mut actuator, 20);
            assert!(actuator.energised());
            assert_eq!(receive(&mut actuator, 30, end), Answer::Done);
            assert!(!actuator.energised());
            assert_eq!(actuator.wake_us(30), None);
        }
    }

    #[test]
    fn neighbours_keep_the_output_on_until_the_last_ends() {
        let mut actuator = greeted();
        receive(&mut actuator, 0, reject(2, 150));
        receive(&mut actuator, 0, reject(1, 100));
        let mut seen = Vec::new();
        for now_us in 0..400 {
            seen.extend(edges(&mut actuator, now_us));
        }
        assert!(matches!(
            seen[0],
            OutputEdge::On {
                part: 1,
                at_us: 100,
                ..
            }
        ));
        assert!(matches!(
            seen[1],
            OutputEdge::On {
                part: 2,
                at_us: 150,
                ..
            }
        ));
        assert_eq!(seen[2..], [OutputEdge::Off { at_us: 250 }]);
    }

    #[test]
    fn what_it_cannot_do_is_refused() {
        let mut actuator = Actuator::new();
        assert_eq!(receive(&mut actuator, 0, reject(1, 10)), Answer::NoSession);
        assert_eq!(
            receive(&mut actuator, 0, ToActuator::Heartbeat),
            Answer::NoSession
        );
        let other_version = ToActuator::Hello {
            session: 1,
            protocol: PROTOCOL + 1,
        };
        assert_eq!(
            receive(&mut actuator, 0, other_version),
            Answer::WrongProtocol
        );

        let mut actuator = greeted();
        assert_eq!(
            receive(&mut actuator, 0, reject(1, u64::MAX)),
            Answer::OutOfRange
        );
        let endless = ToActuator::Reject {
            part: 1,
            when: When::At { at_us: 10 },
            pulse_us: u32::MAX,
        };
        assert_eq!(receive(&mut actuator, 0, endless), Answer::OutOfRange);
        for part in 0..MAX_SCHEDULED as u32 {
            assert_eq!(receive(&mut actuator, 0, reject(part, 10)), Answer::Done);
        }
        assert_eq!(receive(&mut actuator, 0, reject(9_999, 10)), Answer::Full);
    }

    #[test]
    fn a_message_that_arrives_too_late_gives_no_pulse() {
        let mut actuator = greeted();
        let just = u64::from(LATE_US);
        assert_eq!(
            receive(&mut actuator, 5_000, reject(1, 5_000 - just)),
            Answer::Done
        );
        assert_eq!(
            receive(&mut actuator, 5_000, reject(2, 4_999 - just)),
            Answer::TooLate
        );
        assert_eq!(edges(&mut actuator, 5_000).len(), 1);
    }

    fn reject_at_count(part: u32, count: i64, lead_us: u32) -> ToActuator {
        ToActuator::Reject {
            part,
            when: When::AtCount { count, lead_us },
            pulse_us: 100,
        }
    }

    #[test]
    fn a_pulse_at_a_count_waits_for_a_belt_that_stops() {
        let mut actuator = greeted();
        assert_eq!(
            receive(&mut actuator, 0, reject_at_count(1, 100, 0)),
            Answer::NoEncoder
        );
        // One count a millisecond until 60, a pause of a second, then two.
        let count = |ms: u64| match ms {
            0..60 => ms as i64,
            60..1_060 => 60,
            _ => 60 + 2 * (ms as i64 - 1_060),
        };
        actuator.count(0, 0);
        assert_eq!(
            receive(&mut actuator, 0, reject_at_count(1, 100, 5_000)),
            Answer::Done
        );
        let mut on_ms = None;
        for ms in 0..1_200 {
            actuator.count(ms * 1_000, count(ms));
            if let Some(OutputEdge::On { part: 1, .. }) = actuator.next_edge(ms * 1_000) {
                assert_eq!(on_ms.replace(ms), None);
            }
            if ms == 1_000 {
                assert_eq!(actuator.wake_us(ms * 1_000), None, "the belt stands");
            }
        }
        // At two counts a millisecond it is at 90, 5 ms before 100, at 1,075 ms; the speed is known a little later.
        let on_ms = on_ms.unwrap();
        assert!((1_075..=1_079).contains(&on_ms), "{on_ms}");
        let late = receive(&mut actuator, 1_200_000, reject_at_count(2, 100, 5_000));
        assert_eq!(late, Answer::TooLate);
        let pulsed = actuator.pulsed(1, 1_200_000).message;
        assert!(
            matches!(pulsed, FromActuator::Pulsed { count: Some(c), .. } if c >= 338),
            "{pulsed:?}"
        );
    }
}
