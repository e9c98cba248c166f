//! The reject link: what a station and the microcontroller at the reject gate say to each other.
//!
//! One enum for each direction, framed so that either side finds its way back after noise, and the actuator's whole
//! behaviour as a state machine without a clock or a port of its own. It compiles without `std`, so that the firmware and
//! the simulator run the same code.
#![no_std]

mod actuator;
mod belt;
mod frame;
mod product;

pub use actuator::{Actuator, LATE_US, MAX_DELAY_US, MAX_PULSE_US, MAX_SCHEDULED, OutputEdge};
pub use frame::{Decoder, FrameError, MAX_FRAME, encode};
pub use product::{MAX_PRODUCT, ProductName};

use serde::{Deserialize, Serialize};

/// Raised when a message changes in a way that the other side would misread.
pub const PROTOCOL: u8 = 2;

/// A message under the sender's running number. The number wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<M> {
    pub seq: u16,
    pub message: M,
}

/// What the station says. Each is answered with [`FromActuator::Ack`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToActuator {
    /// Opens a session: output off, schedule emptied. Part numbers belong to a session.
    Hello { session: u32, protocol: u8 },
    /// "I am still here", once a second.
    Heartbeat,
    /// Energise the output for `pulse_us` at a moment that does not depend on when this arrives. Sent again for the same
    /// part it changes nothing.
    Reject {
        part: u32,
        when: When,
        pulse_us: u32,
    },
    /// Output off, schedule emptied; the session stays.
    Cancel,
}

/// The moment of a pulse, by what the actuator has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum When {
    /// When its clock stands there.
    At { at_us: u64 },
    /// So long before the belt's encoder stands there, however the belt stops and starts until then.
    AtCount { count: i64, lead_us: u32 },
}

/// What the actuator says. Times are microseconds on its own clock, from any start.
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
    /// The belt's encoder stood there. Sent fifty times a second by an actuator that has one.
    Count { at_us: u64, count: i64 },
    /// The sensor behind the gate saw a rejected part.
    Confirmed { at_us: u64 },
    /// The line's controller wants this product to be inspected. Nobody answers, so it may be said again as often as the
    /// controller likes: where that product is at work already, nothing happens.
    Select { product: ProductName },
}

/// How a message was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    Done,
    /// This part is already scheduled or has already been pulsed.
    AlreadyKnown,
    /// No room in the schedule.
    Full,
    /// The moment is over: a pulse now would hit another part.
    TooLate,
    /// A pulse at a count was asked for, but there is no encoder.
    NoEncoder,
    /// Delay or pulse is longer than the actuator allows.
    OutOfRange,
    /// No `Hello` since power-up.
    NoSession,
    /// The two sides speak different protocols.
    WrongProtocol,
}
