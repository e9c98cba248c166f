//! One connection: the unacknowledged messages, and the times of greetings and heartbeats.

use std::io;
use std::time::{Duration, Instant};

use aecsad_link::{Envelope, MAX_FRAME, ToActuator, encode};
use heapless::Deque;

use super::wire::{Noise, ReceivedMessage, Wire};

/// Unacknowledged messages kept. Answers come within a few messages, so older ones will not be answered.
const UNANSWERED: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Hello,
    Heartbeat,
    Reject(u32),
    Cancel,
}

#[derive(Clone, Copy)]
pub struct Sent {
    /// None once it was answered.
    seq: Option<u16>,
    pub at: Instant,
    pub purpose: Purpose,
}

pub struct Connection {
    wire: Box<dyn Wire>,
    unanswered: Deque<Sent, UNANSWERED>,
    /// The number of the latest message.
    pub seq: u16,
    /// The actuator has answered our greeting.
    pub greeted: bool,
    /// When the first message since the actuator's latest message was sent.
    waiting_since: Option<Instant>,
    /// When the next greeting or heartbeat is due.
    pub beat_at: Instant,
}

impl Connection {
    /// The first message gets the number after `seq`.
    pub fn new(wire: Box<dyn Wire>, now: Instant, seq: u16) -> Self {
        Connection {
            wire,
            unanswered: Deque::new(),
            seq,
            greeted: false,
            waiting_since: None,
            beat_at: now,
        }
    }

    pub fn send(&mut self, message: ToActuator, purpose: Purpose, now: Instant) -> io::Result<()> {
        self.seq = self.seq.wrapping_add(1);
        let seq = self.seq;
        let mut frame = [0; MAX_FRAME];
        let frame = encode(&Envelope { seq, message }, &mut frame).map_err(io::Error::other)?;
        self.wire.write(frame)?;
        self.waiting_since.get_or_insert(now);
        if self.unanswered.is_full() {
            self.unanswered.pop_front();
        }
        let sent = Sent {
            seq: Some(seq),
            at: now,
            purpose,
        };
        let _ = self.unanswered.push_back(sent);
        Ok(())
    }

    /// The message that `seq` answers, once.
    pub fn answered(&mut self, seq: u16) -> Option<Sent> {
        let sent = self.unanswered.iter_mut().find(|s| s.seq == Some(seq))?;
        let answered = *sent;
        sent.seq = None;
        Some(answered)
    }

    pub fn receive(&mut self, now: Instant) -> io::Result<Option<ReceivedMessage>> {
        let received = self.wire.receive(now)?;
        if received.is_some() {
            self.waiting_since = None;
        }
        Ok(received)
    }

    /// How long the actuator has left a message unanswered, up to the time until which the port was read.
    pub fn unanswered_for(&self, now: Instant) -> Duration {
        let waiting_since = self.waiting_since.unwrap_or(now);
        self.read_until(now)
            .saturating_duration_since(waiting_since)
    }

    pub fn read_until(&self, now: Instant) -> Instant {
        self.wire.read_until(now)
    }

    pub fn noise(&self) -> Noise {
        self.wire.noise()
    }

    pub fn receive_within(&mut self, wait: Duration) -> io::Result<Option<ReceivedMessage>> {
        self.wire.receive_within(wait)
    }
}
