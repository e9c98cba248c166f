//! What persons at the station decide: who they are, the parts they reviewed, the thresholds they set, and a record of
//! each of their actions. It is a database of its own beside the journal, so that a damaged journal loses none of it.

mod actions;
mod database;
mod reviews;
mod sessions;
mod thresholds;
mod users;

use std::path::PathBuf;

pub use actions::{Action, Origin};
pub use database::OperatorRecords;
pub use reviews::{Mark, Review};
pub use sessions::Session;
pub use thresholds::{Basis, ThresholdChange};
pub use users::User;

#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    #[error("the record of users and actions {} can't be used ({reason}): {advice}", path.display())]
    Database {
        path: PathBuf,
        reason: String,
        advice: &'static str,
    },
    #[error(
        "the name {name} can't be used: give 1 to 40 letters, digits, dots, dashes or underscores"
    )]
    Name { name: String },
    #[error("the password is too short: give at least {least} characters")]
    ShortPassword { least: usize },
    #[error("the password is too long: give at most {most} bytes")]
    LongPassword { most: usize },
    #[error("the password can't be hashed ({0}): free memory on this machine")]
    Hash(String),
    #[error("there is no user {name}: `aecsad users list` shows all")]
    NoUser { name: String },
    #[error(
        "the threshold {value} is no number that a score can be compared with: give a finite number"
    )]
    Threshold { value: f32 },
    #[error("no reason is given: say in a few words why")]
    NoReason,
    #[error("the reason is too long: give at most {most} bytes")]
    LongReason { most: usize },
    #[error("no threshold was set for {bundle} at this station: there is nothing to undo")]
    NothingToUndo { bundle: String },
    #[error("there is no random number ({0}): try again once the system has started")]
    NoRandom(std::io::Error),
}

/// Milliseconds since 1970, by the wall clock.
pub fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap_or_default().as_millis() as i64
}
