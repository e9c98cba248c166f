//! The reject link: the messages between a station and the microcontroller at the reject gate.
//!
//! There is one enum for each direction, framed so that either side synchronises again after noise. The actuator's
//! behaviour is a state machine without a clock or a port. It compiles without `std`, so that the firmware and the
//! simulator run the same code.
#![no_std]

mod actuator;
mod belt;
mod frame;
mod product;

pub use actuator::{Actuator, LATE_US, MAX_DELAY_US, MAX_PULSE_US, MAX_SCHEDULED, OutputEdge};
pub use frame::{FrameDecoder, FrameError, MAX_FRAME, encode};
pub use product::{MAX_PRODUCT, ProductName};

use serde::{Deserialize, Serialize};

/// The protocol's version, increased with each incompatible change of a message.
pub const PROTOCOL: u8 = 2;

/// A message with the sender's sequence number, which wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<M> {
    pub seq: u16,
    pub message: M,
}

/// Messages from the station. Each is acknowledged with [`FromActuator::Ack`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToActuator {
    /// Opens a session: the output goes off and the schedule is cleared. Part numbers belong to a session.
    Hello { session: u32, protocol: u8 },
    /// The heartbeat, once a second.
    Heartbeat,
    /// Energises the output for `pulse_us` at a time that does not depend on the arrival of this message. A repeated
    /// message for the same part changes nothing.
    Reject {
        part: u32,
        when: When,
        pulse_us: u32,
    },
    /// Switches the output off and clears the schedule; the session stays open.
    Cancel,
}

/// The time of a pulse, by the actuator's own clock or encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum When {
    /// When its clock reaches `at_us`.
    At { at_us: u64 },
    /// `lead_us` before the belt's encoder reaches `count`, however the belt stops and starts until then.
    AtCount { count: i64, lead_us: u32 },
}

/// Messages from the actuator. Times are microseconds on its own clock, with any origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromActuator {
    /// The answer to message `seq`, received at `at_us`.
    Ack {
        seq: u16,
        at_us: u64,
        answer: Answer,
    },
    /// The output was energised for this part at `at_us`, with the encoder there if it has one.
    Pulsed {
        part: u32,
        at_us: u64,
        count: Option<i64>,
    },
    /// The position of the belt's encoder, sent fifty times a second by an actuator that has one.
    Count { at_us: u64, count: i64 },
    /// The sensor behind the gate saw a rejected part.
    Confirmed { at_us: u64 },
    /// The line's controller requests this product. The message is not acknowledged, so the controller may repeat it.
    /// If the product is active already, nothing happens.
    Select { product: ProductName },
}

/// The answer to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    Done,
    /// This part is already scheduled or has already been pulsed.
    AlreadyKnown,
    /// No room in the schedule.
    Full,
    /// The requested time has passed: a pulse now would hit another part.
    TooLate,
    /// A pulse at a count was requested, but there is no encoder.
    NoEncoder,
    /// Delay or pulse is longer than the actuator allows.
    OutOfRange,
    /// No `Hello` since power-up.
    NoSession,
    /// The two sides have different protocol versions.
    WrongProtocol,
}
