//! The framed serial link as a rejector: acknowledged messages, a heartbeat each second, repetition until answered, and
//! reconnection with back-off. The pulse itself is timed by the actuator's clock, so that neither this machine's scheduler
//! nor the wire can move it.

mod connection;
pub mod wire;

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aecsad_link::{Answer, FromActuator, MAX_SCHEDULED, PROTOCOL, ToActuator, When};
use heapless::Deque;

use super::clock::PeerClock;
use super::{RejectError, RejectEvent, Rejector};
use crate::line::{BeltEncoder, FirePoint};
use crate::serial::Terms;
use connection::{Connection, Purpose};
use wire::{Dial, Heard, Noise, Terminal};

const HEARTBEAT: Duration = Duration::from_secs(1);
/// Three heartbeats without a word, and time to answer the third.
const SILENT_AFTER: Duration = Duration::from_millis(2_500);
const HELLO_AGAIN: Duration = Duration::from_millis(300);
/// Twice the latency timer of common USB adapters, so that a repetition is a real loss.
const REJECT_AGAIN: Duration = Duration::from_millis(32);
/// A report of a pulse takes no longer after the moment of the pulse.
const CONFIRM_WITHIN: Duration = Duration::from_millis(250);
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(5);
const STOP_WITHIN: Duration = Duration::from_millis(500);
/// An actuator's clock that is further off than this was started anew, and its encoder with it.
const SAME_CLOCK_US: u64 = 1_000_000;
/// A greeting that is answered later than this, the wire's time not counted, is repeated before its clock is trusted ...
const PROMPT: Duration = Duration::from_millis(20);
/// ... so often, before a link is taken for one that is always slow.
const SLOW_GREETINGS: u32 = 10;
/// A greeting, its answer and what may be on the wire before them, in bytes.
const GREETING_BYTES: u32 = 96;
/// A message leads to no more events.
const TOLD_AT_ONCE: usize = 8;

#[derive(Clone, Debug)]
pub struct FramedSettings {
    pub device: PathBuf,
    pub terms: Terms,
    /// How long the output stays energised.
    pub pulse: Duration,
}

/// A reject on its way.
#[derive(Clone, Copy)]
struct PendingReject {
    part: u32,
    fire: FirePoint,
    sent: Option<Instant>,
    accepted: bool,
    /// When the moment was there, as far as it is known.
    due: Option<Instant>,
}

pub struct FramedSerial {
    settings: FramedSettings,
    session: u32,
    dial: Box<dyn Dial>,
    connection: Option<Connection>,
    clock: PeerClock,
    encoder: BeltEncoder,
    retry_at: Instant,
    back_off: Duration,
    /// What the owner received last.
    told_up: Option<bool>,
    to_tell: Deque<RejectEvent, TOLD_AT_ONCE>,
    waiting: heapless::Vec<PendingReject, MAX_SCHEDULED>,
    slow_greetings: u32,
    /// The numbers go on over connections, so that a late answer to an earlier one fits no message of this one.
    last_seq: u16,
    /// What the latest connection carried beside messages.
    last_noise: Noise,
}

impl FramedSerial {
    /// Opens the device; the first [`Rejector::poll`] greets the actuator.
    pub fn open(settings: FramedSettings) -> Result<Self, RejectError> {
        let terminal = Terminal {
            device: settings.device.clone(),
            terms: settings.terms,
        };
        // Any number that the last run is unlikely to have had.
        let session = RandomState::new().hash_one(std::process::id()) as u32;
        Self::dial(settings, Box::new(terminal), session, Instant::now())
    }

    /// The same over any wire.
    pub fn dial(
        settings: FramedSettings,
        mut dial: Box<dyn Dial>,
        session: u32,
        now: Instant,
    ) -> Result<Self, RejectError> {
        let wire = dial.dial(now)?;
        Ok(FramedSerial {
            settings,
            connection: Some(Connection::new(wire, now, session as u16)),
            session,
            dial,
            clock: PeerClock::default(),
            encoder: BeltEncoder::default(),
            retry_at: now,
            back_off: FIRST_RETRY,
            told_up: None,
            to_tell: Deque::new(),
            waiting: heapless::Vec::new(),
            slow_greetings: 0,
            last_seq: session as u16,
            last_noise: Noise::default(),
        })
    }

    fn device(&self) -> String {
        self.settings.device.display().to_string()
    }

    fn silent(&self) -> RejectError {
        let noise = self.connection.as_ref().map(Connection::noise);
        noise.unwrap_or(self.last_noise).explain(&self.settings)
    }

    fn lost(&self, error: &std::io::Error) -> RejectError {
        let (device, reason) = (self.device(), error.to_string());
        RejectError::Lost { device, reason }
    }

    fn tell(&mut self, event: RejectEvent) {
        let _ = self.to_tell.push_back(event);
    }

    fn reconnect(&mut self, now: Instant) {
        if now < self.retry_at {
            return;
        }
        match self.dial.dial(now) {
            Ok(wire) => self.connection = Some(Connection::new(wire, now, self.last_seq)),
            Err(error) => self.down(error, now),
        }
    }

    /// Gives the connection up until the back-off is over.
    fn down(&mut self, error: RejectError, now: Instant) {
        if let Some(connection) = self.connection.take() {
            self.last_noise = connection.noise();
            self.last_seq = connection.seq;
        }
        self.retry_at = now + self.back_off;
        self.back_off = (self.back_off * 2).min(LONGEST_RETRY);
        self.send_all_again();
        if self.told_up.replace(false) != Some(false) {
            self.tell(RejectEvent::Down(error));
        }
    }

    fn send_all_again(&mut self) {
        for waiting in &mut self.waiting {
            waiting.sent = None;
            waiting.accepted = false;
        }
    }

    /// The encoder, if there is one, has lost its count with its power.
    fn counts_anew(&mut self) {
        if self.encoder.latest().is_none() {
            return;
        }
        self.encoder.restart();
        self.tell(RejectEvent::CountsAnew);
    }

    fn heard(&mut self, at: Instant, message: FromActuator) {
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
                let Some(index) = self.waiting.iter().position(|w| w.part == part) else {
                    return;
                };
                let fire = self.waiting.swap_remove(index).fire;
                let at = self.clock.here(at_us).unwrap_or(at);
                let error_us = self.pulse_error_us(fire, at, count);
                self.tell(RejectEvent::Pulsed { part, at, error_us });
            }
            FromActuator::Count { at_us, count } => self.counted(at, at_us, count),
            FromActuator::Confirmed { at_us } => {
                let at = self.clock.here(at_us).unwrap_or(at);
                self.tell(RejectEvent::Fell { at });
            }
            FromActuator::Select { product } => self.tell(RejectEvent::Select { product }),
        }
    }

    /// It has lost its power in between: schedule and clock are gone.
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
            > PROMPT + self.settings.terms.wire_time(GREETING_BYTES);
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
            self.counts_anew();
        }
        if let Some(connection) = &mut self.connection {
            connection.greeted = true;
        }
        // The greeting emptied the actuator's schedule.
        self.send_all_again();
        self.back_off = FIRST_RETRY;
        if self.told_up.replace(true) != Some(true) {
            self.tell(RejectEvent::Up);
        }
    }

    fn reject_answered(&mut self, part: u32, answer: Answer) {
        let Some(index) = self.waiting.iter().position(|w| w.part == part) else {
            return;
        };
        if matches!(answer, Answer::Done | Answer::AlreadyKnown) {
            self.waiting[index].accepted = true;
            return;
        }
        self.waiting.swap_remove(index);
        self.tell(RejectEvent::Refused { part, answer });
    }

    fn counted(&mut self, heard: Instant, at_us: u64, count: i64) {
        if !self.connection.as_ref().is_some_and(|c| c.greeted) {
            return;
        }
        let expected_us = self.clock.there_us(heard);
        if expected_us.is_none_or(|us| us.abs_diff(at_us) > SAME_CLOCK_US) {
            // The next heartbeat would find out too late.
            self.greet_again(heard);
            return;
        }
        let at = self.clock.here(at_us).unwrap_or(heard);
        self.encoder.read(at, count);
        let epoch = self.encoder.epoch();
        for waiting in &mut self.waiting {
            if let FirePoint::AtCount { at: place, .. } = waiting.fire
                && (place.epoch != epoch || place.count <= count)
            {
                waiting.due.get_or_insert(at);
            }
        }
        self.tell(RejectEvent::Count { at, count });
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

    /// Greeting, heartbeat and silence.
    fn keep_alive(&mut self, now: Instant) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        if connection.unanswered_for(now) > SILENT_AFTER {
            self.down(self.silent(), now);
            return;
        }
        if now < connection.beat_at {
            return;
        }
        let sent = if connection.greeted {
            connection.beat_at = now + HEARTBEAT;
            connection.send(ToActuator::Heartbeat, Purpose::Heartbeat, now)
        } else {
            connection.beat_at = now + HELLO_AGAIN;
            let hello = ToActuator::Hello {
                session: self.session,
                protocol: PROTOCOL,
            };
            connection.send(hello, Purpose::Hello, now)
        };
        if let Err(error) = sent {
            self.down(self.lost(&error), now);
        }
    }

    /// Sends what has not been answered yet, if it can still come in time.
    fn send_waiting(&mut self, now: Instant) {
        let Some(connection) = self.connection.as_mut().filter(|c| c.greeted) else {
            return;
        };
        let mut failed = None;
        for waiting in &mut self.waiting {
            let due = waiting.sent.is_none_or(|sent| now >= sent + REJECT_AGAIN);
            if waiting.accepted || !due || waiting.due.is_some_and(|due| now > due) {
                continue;
            }
            let when = match waiting.fire {
                FirePoint::At(at) => match self.clock.there_us(at) {
                    Some(at_us) => When::At { at_us },
                    None => continue,
                },
                FirePoint::AtCount { at, .. } if at.epoch != self.encoder.epoch() => continue,
                FirePoint::AtCount { at, lead } => When::AtCount {
                    count: at.count,
                    lead_us: micros(lead),
                },
            };
            let reject = ToActuator::Reject {
                part: waiting.part,
                when,
                pulse_us: micros(self.settings.pulse),
            };
            waiting.sent = Some(now);
            if let Err(error) = connection.send(reject, Purpose::Reject(waiting.part), now) {
                failed = Some(error);
                break;
            }
        }
        if let Some(error) = failed {
            self.down(self.lost(&error), now);
        }
    }

    fn give_up(&mut self, now: Instant) {
        // A report that has arrived and was not heard yet is no missing one.
        let connection = self.connection.as_ref();
        let listened = connection.map_or(now, |c| c.listened_until(now));
        let over = |w: &PendingReject| w.due.is_some_and(|due| listened > due + CONFIRM_WITHIN);
        while let Some(index) = self.waiting.iter().position(over) {
            let part = self.waiting.swap_remove(index).part;
            self.tell(RejectEvent::Unconfirmed { part });
            if self.to_tell.is_full() {
                return;
            }
        }
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

impl Rejector for FramedSerial {
    fn schedule(&mut self, part: u32, fire: FirePoint, now: Instant) -> Result<(), RejectError> {
        let due = match fire {
            FirePoint::At(at) => Some(at),
            FirePoint::AtCount { .. } => None,
        };
        let waiting = PendingReject {
            part,
            fire,
            sent: None,
            accepted: false,
            due,
        };
        if self.waiting.push(waiting).is_err() {
            return Err(RejectError::Overfull {
                device: self.device(),
                part,
                waiting: self.waiting.len(),
            });
        }
        self.send_waiting(now);
        Ok(())
    }

    fn poll(&mut self, now: Instant) -> Option<RejectEvent> {
        while self.to_tell.is_empty()
            && let Some(connection) = &mut self.connection
        {
            match connection.hear(now) {
                Ok(None) => break,
                Ok(Some(Heard { at, message })) => self.heard(at, message),
                Err(error) => self.down(self.lost(&error), now),
            }
        }
        if self.to_tell.is_empty() {
            if self.connection.is_some() {
                self.keep_alive(now);
            } else {
                self.reconnect(now);
            }
            self.send_waiting(now);
            self.give_up(now);
        }
        self.to_tell.pop_front()
    }

    fn wake_at(&self) -> Instant {
        // What is reported because nothing was heard can wait until a heartbeat is due.
        let mut wake_at = match &self.connection {
            Some(connection) => connection.beat_at,
            None => self.retry_at,
        };
        let greeted = self.connection.as_ref().is_some_and(|c| c.greeted);
        for waiting in &self.waiting {
            let again = waiting.sent.map(|sent| sent + REJECT_AGAIN);
            // After its moment it is not repeated.
            if let Some(again) = again.filter(|again| waiting.due.is_none_or(|due| *again <= due))
                && greeted
                && !waiting.accepted
            {
                wake_at = wake_at.min(again);
            }
        }
        wake_at
    }

    fn pending(&self) -> usize {
        self.waiting.len()
    }

    fn stop(&mut self) -> Result<(), RejectError> {
        self.waiting.clear();
        let Some(mut connection) = self.connection.take() else {
            return Err(self.silent());
        };
        let until = Instant::now() + STOP_WITHIN;
        while Instant::now() < until {
            let now = Instant::now();
            connection
                .send(ToActuator::Cancel, Purpose::Cancel, now)
                .map_err(|error| self.lost(&error))?;
            while let Some(heard) = connection
                .hear_within(REJECT_AGAIN)
                .map_err(|error| self.lost(&error))?
            {
                let FromActuator::Ack { seq, answer, .. } = heard.message else {
                    continue;
                };
                let sent = connection.answered(seq);
                // Without a session there is nothing to cancel.
                if answer == Answer::NoSession || sent.is_some_and(|s| s.purpose == Purpose::Cancel)
                {
                    return Ok(());
                }
            }
        }
        self.last_noise = connection.noise();
        Err(self.silent())
    }
}

#[cfg(test)]
mod tests;
