//! Which part is at the reject gate when, and what becomes of a part whose verdict does not come in time.
//!
//! Position by time: a part is at the gate a fixed travel after its frame was captured. Nothing here reads a clock or
//! touches a device; the station passes the time in, so that the same rules run against a virtual clock.

mod tracker;

pub use tracker::{Action, Cause, Fate, Finding, OnTrouble, Policies, Tracker};

use std::time::{Duration, Instant};

/// One part on the belt. The number starts at 1 and belongs to one run of the station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub id: u32,
    /// When its frame was captured, on the monotonic clock.
    pub captured: Instant,
}

/// A belt at constant speed between the camera and the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conveyor {
    /// From capture to the gate.
    pub travel: Duration,
    /// From energising the actuator to its effect at the gate.
    pub lead: Duration,
    /// What the link needs to carry a reject safely, a repetition included.
    pub margin: Duration,
}

impl Conveyor {
    /// When the part is in front of the rejector.
    pub fn at_gate(&self, part: Part) -> Instant {
        part.captured + self.travel
    }

    /// When the actuator must be energised to hit this part.
    pub fn fire_at(&self, part: Part) -> Instant {
        part.captured + self.travel.saturating_sub(self.lead)
    }

    /// The last moment at which a decision can still be sent with confidence.
    pub fn deadline(&self, part: Part) -> Instant {
        part.captured + self.travel.saturating_sub(self.lead + self.margin)
    }
}
