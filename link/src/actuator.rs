//! The actuator's side of the link: a schedule of pulses on its own clock, and an output.
//!
//! The owner feeds it messages and the time, and sets the real output as [`Actuator::energised`] says. The output is off
//! at the start, after a `Hello` or `Cancel`, and never on for longer than the pulses asked for.

use heapless::{HistoryBuf, Vec};

use crate::{Answer, Envelope, FromActuator, PROTOCOL, ToActuator};

/// Pulses that can be waiting at once.
pub const MAX_SCHEDULED: usize = 64;
/// No pulse is longer: a coil or valve stays on for no more than this after a single message.
pub const MAX_PULSE_US: u32 = 5_000_000;
/// No pulse lies further ahead: beyond it, the message is more likely wrong than the conveyor long.
pub const MAX_DELAY_US: u32 = 600_000_000;

/// A change of the output, in the order in which they happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
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
    on_us: u64,
    pulse_us: u32,
}

#[derive(Default)]
pub struct Actuator {
    session: Option<u32>,
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

    /// Takes one message that arrived at `now_us` and returns what to answer.
    pub fn receive(
        &mut self,
        now_us: u64,
        received: Envelope<ToActuator>,
    ) -> Envelope<FromActuator> {
        let answer = match received.message {
            ToActuator::Hello { protocol, .. } if protocol != PROTOCOL => Answer::WrongProtocol,
            ToActuator::Hello { session, .. } => {
                // Within one session a part keeps its number, so what was pulsed stays known over a reconnection.
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
                delay_us,
                pulse_us,
            } => self.schedule(now_us, part, delay_us, pulse_us),
        };
        self.say(FromActuator::Ack {
            seq: received.seq,
            at_us: now_us,
            answer,
        })
    }

    /// The next change of the output that is due, at the time it was due. Call until `None`.
    pub fn next_edge(&mut self, now_us: u64) -> Option<Edge> {
        let due = self.earliest();
        let on = due.map(|i| self.scheduled[i]).filter(|p| p.on_us <= now_us);
        if let Some(off_us) = self.off_us
            && off_us <= now_us
            && on.is_none_or(|pulse| off_us < pulse.on_us)
        {
            self.off_us = None;
            return Some(Edge::Off { at_us: off_us });
        }
        let (pulse, index) = (on?, due?);
        self.scheduled.swap_remove(index);
        self.pulsed.write(pulse.part);
        // Counted from now, not from when it was due: a late owner still gives the whole pulse.
        let ends = now_us.saturating_add(u64::from(pulse.pulse_us));
        self.off_us = Some(self.off_us.map_or(ends, |off_us| off_us.max(ends)));
        Some(Edge::On {
            part: pulse.part,
            at_us: now_us,
            pulse_us: pulse.pulse_us,
        })
    }

    /// When [`Actuator::next_edge`] must be called next.
    pub fn wake_us(&self) -> Option<u64> {
        let on = self.earliest().map(|i| self.scheduled[i].on_us);
        match (on, self.off_us) {
            (Some(on), Some(off)) => Some(on.min(off)),
            (on, off) => on.or(off),
        }
    }

    /// The report that belongs to an [`Edge::On`].
    pub fn pulsed(&mut self, part: u32, at_us: u64) -> Envelope<FromActuator> {
        self.say(FromActuator::Pulsed { part, at_us })
    }

    fn schedule(&mut self, now_us: u64, part: u32, delay_us: u32, pulse_us: u32) -> Answer {
        if delay_us > MAX_DELAY_US || pulse_us == 0 || pulse_us > MAX_PULSE_US {
            return Answer::OutOfRange;
        }
        if self.scheduled.iter().any(|p| p.part == part)
            || self.pulsed.oldest_ordered().any(|&p| p == part)
        {
            return Answer::AlreadyKnown;
        }
        let pulse = Pulse {
            part,
            on_us: now_us.saturating_add(u64::from(delay_us)),
            pulse_us,
        };
        match self.scheduled.push(pulse) {
            Ok(()) => Answer::Done,
            Err(_) => Answer::Full,
        }
    }

    fn earliest(&self) -> Option<usize> {
        (0..self.scheduled.len()).min_by_key(|&i| self.scheduled[i].on_us)
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

    fn tell(actuator: &mut Actuator, now_us: u64, message: ToActuator) -> Answer {
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

    fn reject(part: u32, delay_us: u32) -> ToActuator {
        ToActuator::Reject {
            part,
            delay_us,
            pulse_us: 100,
        }
    }

    fn greeted() -> Actuator {
        let mut actuator = Actuator::new();
        assert_eq!(tell(&mut actuator, 0, hello(1)), Answer::Done);
        actuator
    }

    fn edges(actuator: &mut Actuator, now_us: u64) -> Vec<Edge> {
        std::iter::from_fn(|| actuator.next_edge(now_us)).collect()
    }

    #[test]
    fn a_pulse_comes_at_its_delay_and_ends() {
        let mut actuator = greeted();
        assert_eq!(tell(&mut actuator, 10, reject(7, 500)), Answer::Done);
        assert_eq!(actuator.wake_us(), Some(510));
        assert_eq!(edges(&mut actuator, 509), []);
        assert!(!actuator.energised());
        let on = Edge::On {
            part: 7,
            at_us: 510,
            pulse_us: 100,
        };
        assert_eq!(edges(&mut actuator, 510), [on]);
        assert!(actuator.energised());
        assert_eq!(actuator.wake_us(), Some(610));
        assert_eq!(edges(&mut actuator, 700), [Edge::Off { at_us: 610 }]);
        assert!(!actuator.energised());
    }

    #[test]
    fn a_repeated_message_gives_one_pulse() {
        let mut actuator = greeted();
        assert_eq!(tell(&mut actuator, 0, reject(7, 500)), Answer::Done);
        assert_eq!(tell(&mut actuator, 9, reject(7, 490)), Answer::AlreadyKnown);
        assert_eq!(edges(&mut actuator, 10_000).len(), 1);
        assert_eq!(
            tell(&mut actuator, 10_001, reject(7, 0)),
            Answer::AlreadyKnown
        );
        // The same over a reconnection within the session, but not in another session.
        assert_eq!(tell(&mut actuator, 10_002, hello(1)), Answer::Done);
        assert_eq!(
            tell(&mut actuator, 10_003, reject(7, 0)),
            Answer::AlreadyKnown
        );
        assert_eq!(tell(&mut actuator, 10_004, hello(2)), Answer::Done);
        assert_eq!(tell(&mut actuator, 10_005, reject(7, 0)), Answer::Done);
    }

    #[test]
    fn hello_and_cancel_leave_nothing_energised_or_waiting() {
        for end in [hello(1), hello(2), ToActuator::Cancel] {
            let mut actuator = greeted();
            tell(&mut actuator, 0, reject(1, 10));
            tell(&mut actuator, 0, reject(2, 5_000));
            edges(&mut actuator, 20);
            assert!(actuator.energised());
            assert_eq!(tell(&mut actuator, 30, end), Answer::Done);
            assert!(!actuator.energised());
            assert_eq!(actuator.wake_us(), None);
        }
    }

    #[test]
    fn neighbours_keep_the_output_on_until_the_last_ends() {
        let mut actuator = greeted();
        tell(&mut actuator, 0, reject(2, 150));
        tell(&mut actuator, 0, reject(1, 100));
        let mut seen = Vec::new();
        for now_us in 0..400 {
            seen.extend(edges(&mut actuator, now_us));
        }
        assert!(matches!(
            seen[0],
            Edge::On {
                part: 1,
                at_us: 100,
                ..
            }
        ));
        assert!(matches!(
            seen[1],
            Edge::On {
                part: 2,
                at_us: 150,
                ..
            }
        ));
        assert_eq!(seen[2..], [Edge::Off { at_us: 250 }]);
    }

    #[test]
    fn what_it_cannot_do_is_refused() {
        let mut actuator = Actuator::new();
        assert_eq!(tell(&mut actuator, 0, reject(1, 10)), Answer::NoSession);
        assert_eq!(
            tell(&mut actuator, 0, ToActuator::Heartbeat),
            Answer::NoSession
        );
        let stranger = ToActuator::Hello {
            session: 1,
            protocol: PROTOCOL + 1,
        };
        assert_eq!(tell(&mut actuator, 0, stranger), Answer::WrongProtocol);

        let mut actuator = greeted();
        assert_eq!(
            tell(&mut actuator, 0, reject(1, u32::MAX)),
            Answer::OutOfRange
        );
        let endless = ToActuator::Reject {
            part: 1,
            delay_us: 0,
            pulse_us: u32::MAX,
        };
        assert_eq!(tell(&mut actuator, 0, endless), Answer::OutOfRange);
        for part in 0..MAX_SCHEDULED as u32 {
            assert_eq!(tell(&mut actuator, 0, reject(part, 10)), Answer::Done);
        }
        assert_eq!(tell(&mut actuator, 0, reject(9_999, 10)), Answer::Full);
    }
}
