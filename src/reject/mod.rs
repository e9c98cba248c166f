//! Drives the hardware at the gate: exactly one pulse for each rejected part, at the requested time, and a report of
//! each pulse.
//!
//! A rejector is polled by the one thread that owns it and never blocks it for long. It restores a lost link by itself.

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
use counted::{CountedGate, CounterFile};
use framed::{FramedSerial, FramedSettings};
use switched::{Switched, SwitchedSettings};

/// A failure between the station and the gate.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RejectError {
    #[error(transparent)]
    Serial(#[from] SerialError),
    #[error("the serial device {device} was lost ({reason}): check its cable")]
    Lost { device: String, reason: String },
    #[error("{0} is silent: check its power and its cable, and {2} in the station file (now {1})", peer.name, peer.serial, peer.keys)]
    Silent { peer: Peer },
    #[error("the adapter of {0} echoes what it sends, and nothing but the echo comes back ({1}): check the power and the cable behind the adapter, and {2} in the station file", peer.name, peer.serial, peer.keys)]
    EchoAlone { peer: Peer },
    #[error("{} answers after {after_ms} ms, {allowed_ms} are allowed: shorten its response delay, or use a faster link", peer.name)]
    AnswersLate {
        peer: Peer,
        after_ms: u64,
        allowed_ms: u64,
    },
    #[error("{0} gives no valid answer ({1}): {what}; check its wiring and {2} in the station file", peer.name, peer.serial, peer.keys)]
    NoAnswer { peer: Peer, what: String },
    #[error(
        "the actuator on {device} uses another protocol than {expected}: bring its firmware to this release"
    )]
    WrongProtocol { device: String, expected: u8 },
    #[error("{} refuses a request: {reason}; check {} in the station file", peer.name, peer.keys)]
    Refuses { peer: Peer, reason: String },
    #[error(
        "the belt's counter {path} can't be read ({reason}): check its driver, or correct `conveyor.encoder` in the station file"
    )]
    NoCounter { path: String, reason: String },
    #[error("{pending} rejects are already waiting for {device}: part {part} can't be rejected")]
    Overfull {
        device: String,
        part: u32,
        pending: usize,
    },
}

/// The device at the other end of a link, as messages name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// "Modbus unit 7 on /dev/ttyS0".
    pub name: Box<str>,
    /// "/dev/ttyS0".
    pub device: Box<str>,
    /// "9600 baud, even parity, 1 stop bit".
    pub serial: Box<str>,
    /// The keys of the station file that may be wrong if it does not answer.
    pub keys: &'static str,
}

/// An event that a rejector reports.
#[derive(Clone, Debug)]
pub enum RejectEvent {
    /// The actuator answers, and pending rejects were sent.
    Up,
    /// The actuator can't be reached. Reported once, until it is up again.
    Down(RejectError),
    /// The actuator was energised for this part, `error_us` after the requested time, or before it if negative.
    Pulsed {
        part: u32,
        at: Instant,
        error_us: i64,
    },
    /// The sensor behind the gate saw something fall.
    Fell { at: Instant },
    /// The belt's encoder stood at `count` at the time `at`.
    Count { at: Instant, count: i64 },
    /// The encoder restarted its count, so earlier counts are invalid.
    CountRestarted,
    /// No pulse was reported for this part: it may have passed.
    Unconfirmed { part: u32 },
    /// The actuator refused to pulse for this part.
    Refused { part: u32, answer: Answer },
    /// The line's controller requests this product.
    Select { product: ProductName },
}

/// The settings of the gate's hardware.
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

/// Opens the gate's hardware, with its output off. `counter` counts the belt if the actuator does not.
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
    Ok(Box::new(CountedGate::new(
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
    /// Requests one pulse for `part`.
    fn schedule(&mut self, part: u32, fire: FirePoint, now: Instant) -> Result<(), RejectError>;

    /// Serves the link and returns the next event. Call until `None`.
    fn poll(&mut self, now: Instant) -> Option<RejectEvent>;

    /// When [`Rejector::poll`] must be called next, if nothing wakes the owner before.
    fn wake_at(&self) -> Instant;

    /// The number of rejects neither pulsed nor given up yet.
    fn pending(&self) -> usize;

    /// How the other end answered, as the end of a sentence that names it. It was reached after `reached_after`.
    fn behaviour(&self, reached_after: Duration) -> String {
        answers_after(reached_after)
    }

    /// Switches the output off, clears the schedule and closes the connection. An error if the actuator did not confirm
    /// it.
    fn stop(&mut self) -> Result<(), RejectError>;
}
