//! The framed serial link as a rejector: acknowledged messages, a heartbeat each second, repetition until answered, and
//! reconnection with back-off. The pulse itself is timed by the actuator's clock, so that neither this machine's scheduler
//! nor the wire can move it.

mod connection;

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aecsad_link::{Answer, FromActuator, MAX_SCHEDULED, PROTOCOL, ToActuator};
use serialport::TTYPort;

use super::clock::PeerClock;
use super::{RejectError, RejectEvent, Rejector, serial};
use connection::{Connection, Heard, Purpose};

const HEARTBEAT: Duration = Duration::from_secs(1);
/// Three periods without a word.
const SILENT_AFTER: Duration = Duration::from_secs(3);
const HELLO_AGAIN: Duration = Duration::from_millis(300);
/// Twice the latency timer of common USB adapters, so that a repetition is a real loss.
const REJECT_AGAIN: Duration = Duration::from_millis(32);
/// A report of a pulse takes no longer after the moment of the pulse.
const CONFIRM_WITHIN: Duration = Duration::from_millis(250);
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(5);
const STOP_WITHIN: Duration = Duration::from_millis(500);

#[derive(Clone, Debug)]
pub struct FramedSettings {
    pub device: PathBuf,
    pub baud: u32,
    /// How long the output stays energised.
    pub pulse: Duration,
}

/// A reject on its way.
#[derive(Clone, Copy)]
struct Waiting {
    part: u32,
    fire_at: Instant,
    sent: Option<Instant>,
    accepted: bool,
}

pub struct FramedSerial {
    settings: FramedSettings,
    session: u32,
    connection: Option<Connection>,
    retry_at: Instant,
    back_off: Duration,
    /// What the owner was told last.
    told_up: Option<bool>,
    waiting: heapless::Vec<Waiting, MAX_SCHEDULED>,
}

impl FramedSerial {
    /// Opens the device; the actuator itself is greeted by the first [`Rejector::poll`].
    pub fn open(settings: FramedSettings) -> Result<Self, RejectError> {
        let now = Instant::now();
        let port = serial::open(&settings.device, settings.baud)?;
        let mut rejector = FramedSerial {
            settings,
            // Any number that the last run is unlikely to have had.
            session: RandomState::new().hash_one(std::process::id()) as u32,
            connection: None,
            retry_at: now,
            back_off: FIRST_RETRY,
            told_up: None,
            waiting: heapless::Vec::new(),
        };
        rejector.connection = Some(rejector.connect(port, now)?);
        Ok(rejector)
    }

    fn device(&self) -> String {
        self.settings.device.display().to_string()
    }

    fn connect(&self, port: TTYPort, now: Instant) -> Result<Connection, RejectError> {
        Connection::new(port, now).map_err(|error| RejectError::Unusable {
            device: self.device(),
            reason: error.to_string(),
        })
    }

    fn lost(&self, error: &std::io::Error) -> RejectError {
        RejectError::Lost {
            device: self.device(),
            reason: error.to_string(),
        }
    }

    fn reconnect(&mut self, now: Instant) -> Option<RejectEvent> {
        if now < self.retry_at {
            return None;
        }
        let opened = serial::open(&self.settings.device, self.settings.baud);
        match opened.and_then(|port| self.connect(port, now)) {
            Ok(connection) => {
                self.connection = Some(connection);
                None
            }
            Err(error) => self.down(error, now),
        }
    }

    /// Gives the connection up until the back-off is over.
    fn down(&mut self, error: RejectError, now: Instant) -> Option<RejectEvent> {
        self.connection = None;
        self.retry_at = now + self.back_off;
        self.back_off = (self.back_off * 2).min(LONGEST_RETRY);
        for waiting in &mut self.waiting {
            waiting.sent = None;
            waiting.accepted = false;
        }
        (self.told_up.replace(false) != Some(false)).then_some(RejectEvent::Down(error))
    }

    fn up(&mut self) -> Option<RejectEvent> {
        self.back_off = FIRST_RETRY;
        (self.told_up.replace(true) != Some(true)).then_some(RejectEvent::Up)
    }

    fn heard(&mut self, at: Instant, message: FromActuator) -> Option<RejectEvent> {
        let connection = self.connection.as_mut()?;
        connection.heard_at = at;
        match message {
            FromActuator::Ack { seq, at_us, answer } => {
                let sent = connection.answered(seq)?;
                if answer == Answer::NoSession {
                    // It has lost its power in between: schedule and clock are gone.
                    connection.greeted = false;
                    connection.beat_at = at;
                    return None;
                }
                if sent.purpose == Purpose::Hello {
                    connection.clock = PeerClock::default();
                }
                connection.clock.sample(sent.at, at, at_us);
                match sent.purpose {
                    Purpose::Hello => self.greeting_answered(at, answer),
                    Purpose::Reject(part) => self.reject_answered(part, answer),
                    Purpose::Heartbeat | Purpose::Cancel => None,
                }
            }
            FromActuator::Pulsed { part, at_us } => {
                let clock = connection.clock;
                let index = self.waiting.iter().position(|w| w.part == part)?;
                let fire_at = self.waiting.swap_remove(index).fire_at;
                let pulsed_at = clock.here(at_us).unwrap_or(at);
                let late = pulsed_at.saturating_duration_since(fire_at).as_micros() as i64;
                let early = fire_at.saturating_duration_since(pulsed_at).as_micros() as i64;
                let error_us = late - early;
                Some(RejectEvent::Pulsed { part, error_us })
            }
        }
    }

    fn greeting_answered(&mut self, now: Instant, answer: Answer) -> Option<RejectEvent> {
        if answer != Answer::Done {
            let error = RejectError::WrongProtocol {
                device: self.device(),
                expected: PROTOCOL,
            };
            return self.down(error, now);
        }
        self.connection.as_mut()?.greeted = true;
        // The greeting emptied the actuator's schedule.
        for waiting in &mut self.waiting {
            waiting.sent = None;
            waiting.accepted = false;
        }
        self.up()
    }

    fn reject_answered(&mut self, part: u32, answer: Answer) -> Option<RejectEvent> {
        let index = self.waiting.iter().position(|w| w.part == part)?;
        if matches!(answer, Answer::Done | Answer::AlreadyKnown) {
            self.waiting[index].accepted = true;
            return None;
        }
        self.waiting.swap_remove(index);
        Some(RejectEvent::Refused { part, answer })
    }

    /// Greeting, heartbeat and silence.
    fn keep_alive(&mut self, now: Instant) -> Option<RejectEvent> {
        let connection = self.connection.as_mut()?;
        if now.saturating_duration_since(connection.heard_at) > SILENT_AFTER {
            return self.down(RejectError::Silent(self.device()), now);
        }
        if now < connection.beat_at {
            return None;
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
        let error = sent.err()?;
        self.down(self.lost(&error), now)
    }

    /// Sends what has not been answered yet, if it can still come in time.
    fn send_waiting(&mut self, now: Instant) -> Option<RejectEvent> {
        let connection = self.connection.as_mut().filter(|c| c.greeted)?;
        for waiting in &mut self.waiting {
            let due = waiting.sent.is_none_or(|sent| now >= sent + REJECT_AGAIN);
            if waiting.accepted || !due || now > waiting.fire_at {
                continue;
            }
            let delay = waiting
                .fire_at
                .saturating_duration_since(now + connection.clock.one_way());
            let reject = ToActuator::Reject {
                part: waiting.part,
                delay_us: micros(delay),
                pulse_us: micros(self.settings.pulse),
            };
            waiting.sent = Some(now);
            if let Err(error) = connection.send(reject, Purpose::Reject(waiting.part), now) {
                return self.down(self.lost(&error), now);
            }
        }
        None
    }

    fn give_up(&mut self, now: Instant) -> Option<RejectEvent> {
        let index = self
            .waiting
            .iter()
            .position(|w| now > w.fire_at + CONFIRM_WITHIN)?;
        let part = self.waiting.swap_remove(index).part;
        Some(RejectEvent::Unconfirmed { part })
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

impl Rejector for FramedSerial {
    fn schedule(&mut self, part: u32, fire_at: Instant, now: Instant) -> Result<(), RejectError> {
        let waiting = Waiting {
            part,
            fire_at,
            sent: None,
            accepted: false,
        };
        if self.waiting.push(waiting).is_err() {
            return Err(RejectError::Overfull {
                device: self.device(),
                part,
                waiting: self.waiting.len(),
            });
        }
        match self.send_waiting(now) {
            Some(RejectEvent::Down(error)) => Err(error),
            _ => Ok(()),
        }
    }

    fn poll(&mut self, now: Instant) -> Option<RejectEvent> {
        while let Some(connection) = &mut self.connection {
            let event = match connection.hear() {
                Ok(None) => break,
                Ok(Some(Heard { at, message })) => self.heard(at, message),
                Err(error) => self.down(self.lost(&error), now),
            };
            if event.is_some() {
                return event;
            }
        }
        let event = if self.connection.is_some() {
            self.keep_alive(now)
        } else {
            self.reconnect(now)
        };
        event
            .or_else(|| self.send_waiting(now))
            .or_else(|| self.give_up(now))
    }

    fn wake_at(&self) -> Instant {
        let mut wake_at = match &self.connection {
            Some(connection) => connection.beat_at.min(connection.heard_at + SILENT_AFTER),
            None => self.retry_at,
        };
        let greeted = self.connection.as_ref().is_some_and(|c| c.greeted);
        for waiting in &self.waiting {
            let again = match waiting.sent {
                Some(sent) if greeted && !waiting.accepted => sent + REJECT_AGAIN,
                _ => waiting.fire_at + CONFIRM_WITHIN,
            };
            wake_at = wake_at.min(again.min(waiting.fire_at + CONFIRM_WITHIN));
        }
        wake_at
    }

    fn pending(&self) -> usize {
        self.waiting.len()
    }

    fn stop(&mut self) -> Result<(), RejectError> {
        self.waiting.clear();
        let Some(mut connection) = self.connection.take() else {
            return Err(RejectError::Silent(self.device()));
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
        Err(RejectError::Silent(self.device()))
    }
}

#[cfg(test)]
mod tests;
