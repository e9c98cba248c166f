//! A request and its answer on a line where the adapter may echo what it sends, the answer may come late, and bytes may
//! arrive that belong to neither.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use serialport::{ClearBuffer, SerialPort, TTYPort};

use super::SwitchedSettings;
use super::board::Behaviour;
use crate::reject::{Peer, RejectError};
use crate::serial;

/// The usual limit for an answer. Boards answer within a few milliseconds; a slow wire gets more, see
/// [`SerialLine::allowed`].
const ANSWER_WITHIN: Duration = Duration::from_millis(60);
/// The time that a board may take in addition to the wire's.
const TURNAROUND: Duration = Duration::from_millis(20);
/// An answer later than this counts as missing.
const LATE_WITHIN: Duration = Duration::from_millis(300);
const WRITE_WITHIN: Duration = Duration::from_millis(50);
/// The bytes of a request, its echo and its answer.
const EXCHANGE_BYTES: u32 = 24;
/// The most bytes kept, enough for several answers. On a line with more bytes the oldest are dropped.
const ROOM: usize = 64;

/// One request in a board's protocol.
pub trait BoardRequest {
    fn bytes(&self) -> &[u8];

    /// Whether an answer may have the same bytes as the request, so that it looks like an echo.
    fn may_equal_its_answer(&self) -> bool;

    /// The answer among these bytes, wherever it starts; an error is the board's reason for a refusal.
    fn answer(&self, received: &[u8]) -> Option<Result<bool, String>>;

    /// Describes bytes without an answer, as the end of a sentence.
    fn explain(&self, received: &[u8]) -> String;
}

/// How long to wait for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// As long as an answer may take: the request is repeated right away.
    Prompt,
    /// Longer, to distinguish a late answer from a missing one.
    Late,
}

pub struct SerialLine {
    port: TTYPort,
    pub peer: Peer,
    /// The longest time until an answer.
    allowed: Duration,
    pub behaviour: Behaviour,
    /// Until then an answer to an earlier request may arrive.
    settled_at: Instant,
}

impl SerialLine {
    pub fn open(settings: &SwitchedSettings, peer: Peer) -> Result<Self, RejectError> {
        let port = serial::open(&settings.device, settings.serial)?;
        let wire = settings.serial.wire_time(EXCHANGE_BYTES);
        Ok(SerialLine {
            port,
            peer,
            allowed: ANSWER_WITHIN.max(TURNAROUND + wire),
            behaviour: Behaviour::default(),
            settled_at: Instant::now(),
        })
    }

    pub fn refused(&self, reason: impl Into<String>) -> RejectError {
        RejectError::Refuses {
            peer: self.peer.clone(),
            reason: reason.into(),
        }
    }

    /// Whether each request so far was answered at its first try, so that the next answer belongs to the next request.
    pub fn is_settled(&self) -> bool {
        Instant::now() >= self.settled_at
    }

    /// Waits until echoes and answers to earlier requests have arrived.
    pub fn settle(&self) {
        std::thread::sleep(self.allowed);
    }

    pub fn send(&mut self, bytes: &[u8]) -> Result<(), RejectError> {
        // What arrived before the request can't be its answer.
        self.port
            .clear(ClearBuffer::Input)
            .map_err(|e| self.lost(&e.to_string()))?;
        let until = Instant::now() + WRITE_WITHIN;
        let mut left = bytes;
        while !left.is_empty() {
            let wait = until.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return Err(RejectError::Silent {
                    peer: self.peer.clone(),
                });
            }
            let _ = self.port.set_timeout(wait);
            match self.port.write(left) {
                Ok(sent) => left = &left[sent..],
                Err(e) if is_passing(e.kind()) => {}
                Err(e) => return Err(self.lost(&e.to_string())),
            }
        }
        Ok(())
    }

    /// Sends the request and returns the bit in its answer.
    pub fn exchange(
        &mut self,
        request: &dyn BoardRequest,
        timeout: Timeout,
    ) -> Result<bool, RejectError> {
        self.send(request.bytes())?;
        let sent = Instant::now();
        let until = match timeout {
            Timeout::Prompt => sent + self.allowed,
            Timeout::Late => sent + self.allowed.max(LATE_WITHIN),
        };
        let mut room = [0; ROOM];
        let mut length = 0;
        loop {
            let received = &room[..length];
            let echo = self.echo(request, received);
            let rest = &received[echo.unwrap_or(0)..];
            // Before the echo, apparent answers may be echoes of an earlier command.
            let unsure = self.behaviour.echoes && echo.is_none();
            if let Some(answer) = request.answer(rest).filter(|_| !unsure) {
                return self.answered(answer, sent.elapsed());
            }
            let wait = until.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                self.settled_at = sent + LATE_WITHIN;
                return Err(self.unanswered(request, echo, rest));
            }
            if length == ROOM {
                room.copy_within(ROOM / 2.., 0);
                length = ROOM / 2;
            }
            let _ = self.port.set_timeout(wait);
            match self.port.read(&mut room[length..]) {
                Ok(0) => return Err(self.lost("it was unplugged")),
                Ok(read) => length += read,
                Err(e) if is_passing(e.kind()) => {}
                Err(e) => return Err(self.lost(&e.to_string())),
            }
        }
    }

    /// Where the request's echo ends, if that is what came back.
    fn echo(&mut self, request: &dyn BoardRequest, received: &[u8]) -> Option<usize> {
        let bytes = request.bytes();
        let sure = !request.may_equal_its_answer();
        if !sure && !self.behaviour.echoes {
            return None;
        }
        let start = received
            .windows(bytes.len())
            .position(|window| window == bytes)?;
        self.behaviour.echoes = true;
        Some(start + bytes.len())
    }

    fn answered(
        &mut self,
        answer: Result<bool, String>,
        after: Duration,
    ) -> Result<bool, RejectError> {
        if after > self.allowed {
            return Err(RejectError::AnswersLate {
                peer: self.peer.clone(),
                after_ms: after.as_millis() as u64,
                allowed_ms: self.allowed.as_millis() as u64,
            });
        }
        self.behaviour.answered_after = Some(after);
        answer.map_err(|reason| self.refused(reason))
    }

    fn unanswered(
        &self,
        request: &dyn BoardRequest,
        echo: Option<usize>,
        rest: &[u8],
    ) -> RejectError {
        let peer = self.peer.clone();
        match (rest, echo) {
            ([], None) => RejectError::Silent { peer },
            ([], Some(_)) => RejectError::EchoAlone { peer },
            _ => RejectError::NoAnswer {
                peer,
                what: request.explain(rest),
            },
        }
    }

    fn lost(&self, reason: &str) -> RejectError {
        RejectError::Lost {
            device: self.peer.device.to_string(),
            reason: reason.into(),
        }
    }
}

fn is_passing(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::Interrupted
    )
}

/// Bytes in hexadecimal, separated by spaces.
pub fn hex(bytes: &[u8]) -> String {
    let shown: Vec<String> = bytes.iter().take(12).map(|b| format!("{b:02X}")).collect();
    let more = if bytes.len() > 12 { " …" } else { "" };
    format!("{}{more}", shown.join(" "))
}
