//! How a reject reaches the hardware at the gate: given a part and the moment to fire, see to it that exactly one pulse
//! comes, and report what was really pulsed.
//!
//! A rejector is polled by the one thread that owns it and never blocks it for long; a link that is down is its own to
//! mend.

pub mod clock;
pub mod counted;
pub mod framed;
pub mod simulator;
pub mod switched;

use std::path::Path;
use std::time::{Duration, Instant};

pub use aecsad_link::{Answer, ProductName};

use crate::line::FirePoint;
use crate::serial::SerialError;
use counted::{Counted, CounterFile};
use framed::{FramedSerial, FramedSettings};
use switched::{Switched, SwitchedSettings};

/// What goes wrong between the station and the gate.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RejectError {
    #[error(transparent)]
    Serial(#[from] SerialError),
    #[error("the serial device {device} was lost ({reason}): check its cable")]
    Lost { device: String, reason: String },
    #[error("{0} is silent: check its power and its cable, and {2} in the station file (now {1})", peer.name, peer.terms, peer.keys)]
    Silent { peer: Peer },
    #[error("the adapter of {0} echoes what it sends, and nothing but the echo comes back ({1}): check the power and the cable behind the adapter, and {2} in the station file", peer.name, peer.terms, peer.keys)]
    EchoAlone { peer: Peer },
    #[error("{} answers after {after_ms} ms, {allowed_ms} are allowed: shorten its response delay, or use a faster link", peer.name)]
    AnswersLate {
        peer: Peer,
        after_ms: u64,
        allowed_ms: u64,
    },
    #[error("{0} gives no valid answer ({1}): {what}; check its wiring and {2} in the station file", peer.name, peer.terms, peer.keys)]
    NoAnswer { peer: Peer, what: String },
    #[error(
        "the actuator on {device} speaks another protocol than {expected}: bring its firmware to this release"
    )]
    WrongProtocol { device: String, expected: u8 },
    #[error("{} refuses a request: {reason}; check {} in the station file", peer.name, peer.keys)]
    Refuses { peer: Peer, reason: String },
    #[error(
        "the belt's counter {path} can't be read ({reason}): check its driver, or correct `conveyor.encoder` in the station file"
    )]
    NoCounter { path: String, reason: String },
    #[error("{waiting} rejects are already waiting for {device}: part {part} can't be rejected")]
    Overfull {
        device: String,
        part: u32,
        waiting: usize,
    },
}

/// Who is at the other end of a link, for sentences about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// "Modbus unit 7 on /dev/ttyS0".
    pub name: Box<str>,
    /// "/dev/ttyS0".
    pub device: Box<str>,
    /// "9600 baud, even parity, 1 stop bit".
    pub terms: Box<str>,
    /// The keys of the station file that may be wrong where it does not answer.
    pub keys: &'static str,
}

/// What a rejector reports.
#[derive(Clone, Debug)]
pub enum RejectEvent {
    /// The actuator answers; what was waiting has been sent.
    Up,
    /// The actuator can't be reached. Reported once, until it is up again.
    Down(RejectError),
    /// The actuator was energised for this part, so many microseconds after (before, if negative) the moment asked for.
    Pulsed {
        part: u32,
        at: Instant,
        error_us: i64,
    },
    /// The sensor behind the gate saw something fall.
    Fell { at: Instant },
    /// The belt's encoder stood there.
    Count { at: Instant, count: i64 },
    /// The encoder counts anew: no earlier count means anything any more.
    CountsAnew,
    /// No report of a pulse for this part: it may have passed.
    Unconfirmed { part: u32 },
    /// The actuator won't pulse for this part.
    Refused { part: u32, answer: Answer },
    /// The line's controller wants this product to be inspected.
    Select { product: ProductName },
}

/// What is at the gate.
#[derive(Clone, Debug)]
pub enum RejectSettings {
    Framed(FramedSettings),
    Switched(SwitchedSettings),
}

impl RejectSettings {
    pub fn device(&self) -> &Path {
        match self {
            RejectSettings::Framed(settings) => &settings.device,
            RejectSettings::Switched(settings) => &settings.device,
        }
    }
}

/// Opens what is at the gate, with its output off. `counter` counts the belt if the actuator does not.
pub fn open(
    settings: &RejectSettings,
    counter: Option<&Path>,
) -> Result<Box<dyn Rejector>, RejectError> {
    let gate: Box<dyn Rejector> = match settings {
        RejectSettings::Framed(settings) => Box::new(FramedSerial::open(settings.clone())?),
        RejectSettings::Switched(settings) => Box::new(Switched::open(settings.clone())?),
    };
    let Some(path) = counter else {
        return Ok(gate);
    };
    let counter = CounterFile::open(path).map_err(|error| RejectError::NoCounter {
        path: path.display().to_string(),
        reason: error.to_string(),
    })?;
    Ok(Box::new(Counted::new(
        gate,
        Box::new(counter),
        path,
        Instant::now(),
    )))
}

fn answers_after(delay: Duration) -> String {
    format!("answers after {:.1} ms", delay.as_secs_f64() * 1e3)
}

pub trait Rejector: Send {
    /// Asks for one pulse for `part`.
    fn schedule(&mut self, part: u32, fire: FirePoint, now: Instant) -> Result<(), RejectError>;

    /// Lets the link work and returns the next report. Call until `None`.
    fn poll(&mut self, now: Instant) -> Option<RejectEvent>;

    /// When [`Rejector::poll`] must be called next, if nothing wakes the owner before.
    fn wake_at(&self) -> Instant;

    /// Rejects neither pulsed nor given up yet.
    fn pending(&self) -> usize;

    /// How the other end behaved when it was reached, which took so long, as the end of a sentence that names it.
    fn behaviour(&self, reached_after: Duration) -> String {
        answers_after(reached_after)
    }

    /// Output off, nothing scheduled, connection closed. An error if the actuator did not confirm it.
    fn stop(&mut self) -> Result<(), RejectError>;
}
