//! Tracks each part to the reject gate and gives it a fate, also where its verdict does not come in time.
//!
//! A part reaches the gate a fixed time, or a fixed number of encoder counts, after its frame was captured. Nothing here
//! reads a clock or touches a device: the station passes the time in, so that the same rules run against a virtual clock.

mod belt;
mod confirm;
mod encoder;
mod fate;
mod tracker;

pub use belt::{Belt, FirePoint, Left};
pub use confirm::{Confirmations, MOST_AWAITED};
pub use encoder::{BeltEncoder, BeltPosition};
pub use fate::{Action, Cause, Fate, OnTrouble, Policies, StopReason};
pub use tracker::{TakenAlong, Tracker};

use std::time::{Duration, Instant};

/// One part on the belt. The number starts at 1 and belongs to one run of the station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub id: u32,
    /// The time of its frame's capture, on the monotonic clock.
    pub captured: Instant,
}

/// The way from the camera to the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Travel {
    /// A belt at constant speed.
    Time(Duration),
    /// A belt with an encoder, which may stop and change its speed up to `top_speed` counts per second.
    Counts { counts: i64, top_speed: u32 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conveyor {
    pub travel: Travel,
    /// The time from energising the actuator to its effect at the gate.
    pub lead: Duration,
    /// The time that the link needs to carry a reject, one repetition included.
    pub margin: Duration,
    /// How long the actuator acts.
    pub pulse: Duration,
    /// A part can be hit from this long before until this long after it is at the gate: the time in which half its length
    /// passes at the belt's highest speed.
    pub reach: Duration,
}
