//! Which part is at the reject gate when, and what becomes of a part whose verdict does not come in time.
//!
//! A part is at the gate a fixed time after its frame was captured, or a fixed number of encoder counts, whatever the belt
//! does meanwhile. Nothing here reads a clock or touches a device; the station passes the time in, so that the same rules
//! run against a virtual clock.

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
    /// When its frame was captured, on the monotonic clock.
    pub captured: Instant,
}

/// The way from the camera to the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Travel {
    /// A belt at constant speed.
    Time(Duration),
    /// A belt with an encoder, which may stop and change its speed up to so many counts a second.
    Counts { counts: i64, top_speed: u32 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conveyor {
    pub travel: Travel,
    /// From energising the actuator to its effect at the gate.
    pub lead: Duration,
    /// What the link needs to carry a reject safely, a repetition included.
    pub margin: Duration,
    /// How long the actuator acts.
    pub pulse: Duration,
    /// For how long before and after its moment a part can still be hit: half its length at the belt's highest speed.
    pub reach: Duration,
}
