//! What the actuator's messages mean: answers to greetings and rejects, reported pulses, counts of the encoder.

use std::time::{Duration, Instant};

use aecsad_link::{Answer, FromActuator, PROTOCOL};

use super::connection::Purpose;
use super::{FIRST_RETRY, FramedSerial};
use crate::line::FirePoint;
use crate::reject::clock::PeerClock;
use crate::reject::{RejectError, RejectEvent};

/// An actuator whose clock differs by more than this was restarted, and its encoder with it.
const SAME_CLOCK_US: u64 = 1_000_000;
/// A greeting that is answered later than this, the wire's time not counted, is repeated before its clock is trusted
/// ...
const PROMPT: Duration = Duration::from_millis(20);
/// ... so often, before a link is taken for one that is always slow.
const SLOW_GREETINGS: u32 = 10;
/// A greeting, its answer and what may be on the wire before them, in bytes.
const GREETING_BYTES: u32 = 96;

impl FramedSerial {
    pub(super) fn receive_message(&mut self, at: Instant, message: FromActuator) {
        match message {
            FromActuator::Ack { seq, at_us, answer } => {
                let Some(sent) = self.connection.as_mut().and_then(|c| c.answered(seq)) else {
                    return;
                };
                if answer == Answer::NoSession {
                    self.greet_again(at);
                    return;
                }
                if sent.purpose == Purpose::Hello {
                    self.greeting_answered(sent.at, at, at_us, answer);
                    return;
                }
                self.clock.sample(sent.at, at, at_us);
                if let Purpose::Reject(part) = sent.purpose {
                    self.reject_answered(part, answer);
                }
            }
            FromActuator::Pulsed { part, at_us, count } => {
                let Some(index) = self.pending.iter().position(|w| w.part == part) else {
                    return;
                };
                let fire = self.pending.swap_remove(index).fire;
                let at = self.clock.here(at_us).unwrap_or(at);
                let error_us = self.pulse_error_us(fire, at, count);
                self.report(RejectEvent::Pulsed { part, at, error_us });
            }
            FromActuator::Count { at_us, count } => self.counted(at, at_us, count),
            FromActuator::Confirmed { at_us } => {
                let at = self.clock.here(at_us).unwrap_or(at);
                self.report(RejectEvent::Fell { at });
            }
            FromActuator::Select { product } => self.report(RejectEvent::Select { product }),
        }
    }

    /// The actuator lost its power in between, and with it its schedule and clock.
    fn greet_again(&mut self, now: Instant) {
        if let Some(connection) = &mut self.connection {
            connection.greeted = false;
            connection.beat_at = now;
        }
    }

    fn greeting_answered(&mut self, sent: Instant, now: Instant, at_us: u64, answer: Answer) {
        if answer != Answer::Done {
            let error = RejectError::WrongProtocol {
                device: self.device(),
                expected: PROTOCOL,
            };
            self.down(error, now);
            return;
        }
        // Half the round trip is how far the clock may be off.
        let slow = now.saturating_duration_since(sent)
            > PROMPT + self.settings.serial.wire_time(GREETING_BYTES);
        if slow && self.slow_greetings < SLOW_GREETINGS {
            self.slow_greetings += 1;
            self.greet_again(now);
            return;
        }
        self.slow_greetings = 0;
        let expected_us = self.clock.there_us(now);
        self.clock = PeerClock::default();
        self.clock.sample(sent, now, at_us);
        if expected_us.is_some_and(|us| us.abs_diff(at_us) > SAME_CLOCK_US) {
            self.restart_encoder();
        }
        if let Some(connection) = &mut self.connection {
            connection.greeted = true;
        }
        // The greeting emptied the actuator's schedule.
        self.send_all_again();
        self.back_off = FIRST_RETRY;
        if self.reported_up.replace(true) != Some(true) {
            self.report(RejectEvent::Up);
        }
    }

    fn reject_answered(&mut self, part: u32, answer: Answer) {
        let Some(index) = self.pending.iter().position(|w| w.part == part) else {
            return;
        };
        if matches!(answer, Answer::Done | Answer::AlreadyKnown) {
            self.pending[index].accepted = true;
            return;
        }
        self.pending.swap_remove(index);
        self.report(RejectEvent::Refused { part, answer });
    }

    fn counted(&mut self, received_at: Instant, at_us: u64, count: i64) {
        if !self.connection.as_ref().is_some_and(|c| c.greeted) {
            return;
        }
        let expected_us = self.clock.there_us(received_at);
        if expected_us.is_none_or(|us| us.abs_diff(at_us) > SAME_CLOCK_US) {
            // The next heartbeat would detect it too late.
            self.greet_again(received_at);
            return;
        }
        let at = self.clock.here(at_us).unwrap_or(received_at);
        self.encoder.read(at, count);
        let epoch = self.encoder.epoch();
        for pending in &mut self.pending {
            if let FirePoint::AtCount { at: place, .. } = pending.fire
                && (place.epoch != epoch || place.count <= count)
            {
                pending.due.get_or_insert(at);
            }
        }
        self.report(RejectEvent::Count { at, count });
    }

    fn pulse_error_us(&self, fire: FirePoint, at: Instant, count: Option<i64>) -> i64 {
        match fire {
            FirePoint::At(fire_at) => {
                let late = at.saturating_duration_since(fire_at).as_micros() as i64;
                let early = fire_at.saturating_duration_since(at).as_micros() as i64;
                late - early
            }
            FirePoint::AtCount { at: place, lead } => {
                let speed = self.encoder.speed();
                let Some(count) = count.filter(|_| speed >= 1.0) else {
                    return 0;
                };
                let late_s = (count - place.count) as f64 / speed + lead.as_secs_f64();
                (late_s * 1e6) as i64
            }
        }
    }
}
