//! The fate of a part, and the policies for parts without a verdict.

use std::time::Duration;

use serde::Deserialize;

use super::{FirePoint, Part};

/// What a station does with a part it has no verdict for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnTrouble {
    /// Reject the part and go on.
    #[default]
    Reject,
    /// Let the part pass and go on.
    Pass,
    /// Reject the part and stop the station.
    Stop,
}

/// One policy for each kind of trouble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    pub late: OnTrouble,
    pub queue_full: OnTrouble,
    /// The engine failed, or there was no usable frame.
    pub engine_error: OnTrouble,
    /// Stop after so many rejects without a good part between them.
    pub rejects_in_a_row: Option<u32>,
    /// Stop while the camera sees no parts, instead of going on with an alarm.
    pub stop_when_blind: bool,
    /// Stop while the gate can't be reached, instead of going on with an alarm.
    pub stop_without_gate: bool,
}

/// Why a part got its fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Good,
    Bad,
    /// No verdict by the deadline.
    Late,
    /// The queue to the engine had no room for the frame.
    QueueFull,
    EngineError,
    /// The camera gave no usable frame.
    NoFrame,
}

impl Cause {
    pub const ALL: [Cause; 6] = [
        Cause::Good,
        Cause::Bad,
        Cause::Late,
        Cause::QueueFull,
        Cause::EngineError,
        Cause::NoFrame,
    ];

    /// The name in tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Good => "good",
            Cause::Bad => "bad",
            Cause::QueueFull => "queue_full",
            Cause::EngineError => "engine_error",
            Cause::NoFrame => "no_frame",
            Cause::Late => "late",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Pass,
    /// Energise the actuator at this time or position.
    Pulse {
        fire: FirePoint,
    },
    /// The part should have been rejected, but it has passed the gate: a pulse now would hit another part.
    Missed {
        by: Duration,
    },
    /// The part should be rejected, but its position is unknown.
    Astray,
}

/// What happens to one part. Each part gets one, whatever goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    pub part: Part,
    pub cause: Cause,
    pub action: Action,
    /// Why the policy stops the station.
    pub stop: Option<StopReason>,
}

impl Fate {
    /// Whether the operator has to know.
    pub fn alarm(&self) -> bool {
        !matches!(self.cause, Cause::Good | Cause::Bad)
            || matches!(self.action, Action::Missed { .. } | Action::Astray)
    }
}

/// Why a station stops by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// A part without a verdict.
    NoVerdict(Cause),
    RejectsInARow(u32),
    Blind,
    NoGate,
}
