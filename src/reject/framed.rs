//! The framed serial link as a rejector: acknowledged messages, a heartbeat each second, repetition until answered, and
//! reconnection with back-off. The pulse itself is timed by the actuator's clock, so that neither this machine's
//! scheduler nor the wire can move it.

mod connection;
mod received;
pub mod wire;

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aecsad_link::{Answer, FromActuator, MAX_SCHEDULED, PROTOCOL, ToActuator, When};
use heapless::Deque;

use super::clock::PeerClock;
use super::{RejectError, RejectEvent, Rejector};
use crate::line::{BeltEncoder, FirePoint};
use crate::serial::SerialSettings;
use connection::{Connection, Purpose};
use wire::{Connect, Noise, ReceivedMessage, Terminal};

const HEARTBEAT: Duration = Duration::from_secs(1);
/// Three heartbeats without an answer, and time to answer the third.
const SILENT_AFTER: Duration = Duration::from_millis(2_500);
const HELLO_AGAIN: Duration = Duration::from_millis(300);
/// Twice the latency timer of common USB adapters, so that a message is repeated only after a real loss.
const REJECT_AGAIN: Duration = Duration::from_millis(32);
/// A pulse's report arrives within this time after the pulse.
const CONFIRM_WITHIN: Duration = Duration::from_millis(250);
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(5);
const STOP_WITHIN: Duration = Duration::from_millis(500);
/// The most events from one message.
const MAX_EVENTS: usize = 8;

#[derive(Clone, Debug)]
pub struct FramedSettings {
    pub device: PathBuf,
    pub serial: SerialSettings,
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
    /// When the pulse is due, as far as it is known.
    due: Option<Instant>,
}

pub struct FramedSerial {
    settings: FramedSettings,
    session: u32,
    connect: Box<dyn Connect>,
    connection: Option<Connection>,
    clock: PeerClock,
    encoder: BeltEncoder,
    retry_at: Instant,
    back_off: Duration,
    /// The state that the owner received last.
    reported_up: Option<bool>,
    events: Deque<RejectEvent, MAX_EVENTS>,
    pending: heapless::Vec<PendingReject, MAX_SCHEDULED>,
    slow_greetings: u32,
    /// The numbers go on over connections, so that a late answer to an earlier one fits no message of this one.
    last_seq: u16,
    /// What the latest connection carried apart from messages.
    last_noise: Noise,
}

impl FramedSerial {
    /// Opens the device; the first [`Rejector::poll`] greets the actuator.
    pub fn open(settings: FramedSettings) -> Result<Self, RejectError> {
        let terminal = Terminal {
            device: settings.device.clone(),
            serial: settings.serial,
        };
        // A random number, so that it differs from the last run's.
        let session = RandomState::new().hash_one(std::process::id()) as u32;
        Self::connect(settings, Box::new(terminal), session, Instant::now())
    }

    /// Opens the link over any wire.
    pub fn connect(
        settings: FramedSettings,
        mut connect: Box<dyn Connect>,
        session: u32,
        now: Instant,
    ) -> Result<Self, RejectError> {
        let wire = connect.connect(now)?;
        Ok(FramedSerial {
            settings,
            connection: Some(Connection::new(wire, now, session as u16)),
            session,
            connect,
            clock: PeerClock::default(),
            encoder: BeltEncoder::default(),
            retry_at: now,
            back_off: FIRST_RETRY,
            reported_up: None,
            events: Deque::new(),
            pending: heapless::Vec::new(),
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

    fn report(&mut self, event: RejectEvent) {
        let _ = self.events.push_back(event);
    }

    fn reconnect(&mut self, now: Instant) {
        if now < self.retry_at {
            return;
        }
        match self.connect.connect(now) {
            Ok(wire) => self.connection = Some(Connection::new(wire, now, self.last_seq)),
            Err(error) => self.down(error, now),
        }
    }

    /// Closes the connection until the back-off is over.
    fn down(&mut self, error: RejectError, now: Instant) {
        if let Some(connection) = self.connection.take() {
            self.last_noise = connection.noise();
            self.last_seq = connection.seq;
        }
        self.retry_at = now + self.back_off;
        self.back_off = (self.back_off * 2).min(LONGEST_RETRY);
        self.send_all_again();
        if self.reported_up.replace(false) != Some(false) {
            self.report(RejectEvent::Down(error));
        }
    }

    fn send_all_again(&mut self) {
        for pending in &mut self.pending {
            pending.sent = None;
            pending.accepted = false;
        }
    }

    /// The actuator was restarted, so its encoder, if there is one, lost its count.
    fn restart_encoder(&mut self) {
        if self.encoder.latest().is_none() {
            return;
        }
        self.encoder.restart();
        self.report(RejectEvent::CountRestarted);
    }

    /// Sends greetings and heartbeats, and closes a silent connection.
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

    /// Repeats unanswered messages that can still arrive in time.
    fn send_pending(&mut self, now: Instant) {
        let Some(connection) = self.connection.as_mut().filter(|c| c.greeted) else {
            return;
        };
        let mut failed = None;
        for pending in &mut self.pending {
            let due = pending.sent.is_none_or(|sent| now >= sent + REJECT_AGAIN);
            if pending.accepted || !due || pending.due.is_some_and(|due| now > due) {
                continue;
            }
            let when = match pending.fire {
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
                part: pending.part,
                when,
                pulse_us: micros(self.settings.pulse),
            };
            pending.sent = Some(now);
            if let Err(error) = connection.send(reject, Purpose::Reject(pending.part), now) {
                failed = Some(error);
                break;
            }
        }
        if let Some(error) = failed {
            self.down(self.lost(&error), now);
        }
    }

    fn give_up(&mut self, now: Instant) {
        // A report may have arrived that was not received yet.
        let connection = self.connection.as_ref();
        let read_until = connection.map_or(now, |c| c.read_until(now));
        let over = |w: &PendingReject| w.due.is_some_and(|due| read_until > due + CONFIRM_WITHIN);
        while let Some(index) = self.pending.iter().position(over) {
            let part = self.pending.swap_remove(index).part;
            self.report(RejectEvent::Unconfirmed { part });
            if self.events.is_full() {
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
        let pending = PendingReject {
            part,
            fire,
            sent: None,
            accepted: false,
            due,
        };
        if self.pending.push(pending).is_err() {
            return Err(RejectError::Overfull {
                device: self.device(),
                part,
                pending: self.pending.len(),
            });
        }
        self.send_pending(now);
        Ok(())
    }

    fn poll(&mut self, now: Instant) -> Option<RejectEvent> {
        while self.events.is_empty()
            && let Some(connection) = &mut self.connection
        {
            match connection.receive(now) {
                Ok(None) => break,
                Ok(Some(ReceivedMessage { at, message })) => self.receive_message(at, message),
                Err(error) => self.down(self.lost(&error), now),
            }
        }
        if self.events.is_empty() {
            if self.connection.is_some() {
                self.keep_alive(now);
            } else {
                self.reconnect(now);
            }
            self.send_pending(now);
            self.give_up(now);
        }
        self.events.pop_front()
    }

    fn wake_at(&self) -> Instant {
        // A missing report can wait until the next heartbeat is due.
        let mut wake_at = match &self.connection {
            Some(connection) => connection.beat_at,
            None => self.retry_at,
        };
        let greeted = self.connection.as_ref().is_some_and(|c| c.greeted);
        for pending in &self.pending {
            let again = pending.sent.map(|sent| sent + REJECT_AGAIN);
            // A message is not repeated once its pulse is overdue.
            if let Some(again) = again.filter(|again| pending.due.is_none_or(|due| *again <= due))
                && greeted
                && !pending.accepted
            {
                wake_at = wake_at.min(again);
            }
        }
        wake_at
    }

    fn pending(&self) -> usize {
        self.pending.len()
    }

    fn stop(&mut self) -> Result<(), RejectError> {
        self.pending.clear();
        let Some(mut connection) = self.connection.take() else {
            return Err(self.silent());
        };
        let until = Instant::now() + STOP_WITHIN;
        while Instant::now() < until {
            let now = Instant::now();
            connection
                .send(ToActuator::Cancel, Purpose::Cancel, now)
                .map_err(|error| self.lost(&error))?;
            while let Some(received_at) = connection
                .receive_within(REJECT_AGAIN)
                .map_err(|error| self.lost(&error))?
            {
                let FromActuator::Ack { seq, answer, .. } = received_at.message else {
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
