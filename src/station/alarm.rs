//! The sentences of alarms. What a camera, a gate or a disk reports has the sentence of its error. The tests compare
//! `docs/alarms.md` with both.

use std::io;
use std::path::PathBuf;

use aecsad_inspect::optics::OtherLight;

use crate::reject::RejectError;

/// An alarm of a running station, as the operator reads it.
#[derive(Debug, thiserror::Error)]
pub enum Alarm {
    #[error("the actuator did not report a pulse for part {part}: it may have passed, look for it")]
    Unconfirmed { part: u32 },
    #[error("the actuator refused to reject part {part} ({reason}): it passed, look for it")]
    Refused { part: u32, reason: &'static str },
    #[error(
        "part {part} is so close to part {with} that the pulse may hit both: space the parts wider or shorten `reject.pulse_ms`"
    )]
    TakenAlong { part: u32, with: u32 },
    #[error(
        "part {part} was pulsed, but the sensor behind the gate saw nothing fall: look for it, then at the gate"
    )]
    NotFallen { part: u32 },
    #[error("the sensor behind the gate saw a part fall that was not rejected: look at the gate")]
    FellUnrequested,
    #[error(
        "the belt's encoder restarted its count: the positions of parts on the way to the gate are lost, look for them"
    )]
    CountRestarted,
    #[error("the belt's encoder is silent: check its cable; without it no part can be rejected")]
    EncoderSilent,
    #[error(
        "{rejected} parts in a row are rejected, part {part} last with a score of {score:.1}, and look like no good part: \
         another product, region, light or exposure, or a camera that was moved? Look at their pictures, then correct \
         what changed or calibrate"
    )]
    AnomalousRun {
        rejected: u32,
        part: u32,
        score: f32,
    },
    #[error(
        "the light has changed: {count} of the latest {parts} parts are {how} than any good part in training, and their \
         frames are evened out: clean or replace the lamp, or correct the exposure; if the light stays so, calibrate"
    )]
    OtherLight {
        count: usize,
        parts: usize,
        how: OtherLight,
    },
    #[error("{what} for {seconds} s: the watchdog is petted no more and restarts the station")]
    NotPetted { what: &'static str, seconds: u64 },
    #[error(
        "no real-time priority {priority} ({error}): set LimitRTPRIO={priority} in the service, or run as root"
    )]
    NoPriority { priority: u8, error: io::Error },
    #[error(
        "memory can't be locked ({errno}): set LimitMEMLOCK=infinity in the service, or run as root"
    )]
    MemoryNotLocked { errno: nix::errno::Errno },
    #[error(
        "the line's controller requests {product}, but this station has one bundle: for several set `bundle.slots` in the station file"
    )]
    OneBundle { product: String },
    #[error("the actuator did not confirm that its output is off: {0}")]
    OutputUncertain(RejectError),
    #[error("{lost} lines of this table are missing, but no reject")]
    LinesLost { lost: u64 },
    #[error("{lost} parts are missing in the journal: {}", if why.is_empty() { "its disk was too slow" } else { why.as_str() })]
    RecordsLost { lost: u64, why: String },
    #[error("{why}; the line goes on, and the latest {kept} records wait")]
    JournalWaits { why: String, kept: usize },
    #[error(
        "the journal {} can't be continued ({why}): it is kept as {}, and a new one is started; `aecsad history` shows what can still be read",
        path.display(), aside.display()
    )]
    JournalReplaced {
        path: PathBuf,
        why: String,
        aside: PathBuf,
    },
    #[error("the journal in {} was moved or removed: a new one is begun", .0.display())]
    JournalRemoved(PathBuf),
    #[error("{why}; no picture is kept until then")]
    PicturesWait { why: String },
    #[error("{why}; until then thresholds that persons set at this station stay as they are")]
    ThresholdsUnread { why: String },
    #[error(
        "the folder of pictures {} can't be used ({error}): it is kept as {}, and a new one is begun",
        folder.display(), aside.display()
    )]
    PicturesReplaced {
        folder: PathBuf,
        error: io::Error,
        aside: PathBuf,
    },
}

#[cfg(test)]
mod tests;
