//! The sentences of alarms about bundles and slots. A refusal has the sentence of its error. A test compares
//! `docs/flashing.md` with both.

use std::io;
use std::path::PathBuf;

use super::state::SlotName;

/// An alarm about a bundle or a slot of a running station, as the operator reads it.
#[derive(Debug, thiserror::Error)]
pub enum SlotAlarm {
    #[error(
        "slot {slot} of {product} (version {version}) is unusable: {why}; the station works with version {back} now, so \
         flash version {version} again"
    )]
    Unusable {
        slot: SlotName,
        product: String,
        version: u64,
        why: String,
        back: u64,
    },
    #[error(
        "slot {slot} of {product} (version {version}) can't be used: {why}; the station works with version {back} until \
         this user may read the file"
    )]
    Forbidden {
        slot: SlotName,
        product: String,
        version: u64,
        why: String,
        back: u64,
    },
    #[error(
        "the slots can't be written ({why}): check the disk and the folder's permissions; nothing can be flashed until then"
    )]
    Unwritable { why: String },
    #[error(
        "version {version} of {product} is given up, because {why}; the station works with version {back} again"
    )]
    GivenUp {
        version: u64,
        product: String,
        why: String,
        back: u64,
    },
    #[error("{why}, and there is no older bundle of {product}: flash another")]
    NoneToGoBackTo { why: String, product: String },
    #[error(
        "version {version} of {product} failed its trial ({why}); version {back} is back at work"
    )]
    NotLoaded {
        version: u64,
        product: String,
        why: String,
        back: u64,
    },
    #[error("the bundle of {product} on trial failed: {why}; version {back} comes back")]
    TrialFailed {
        product: String,
        why: String,
        back: u64,
    },
    #[error(
        "the bundle of {product} on trial failed: {why}; there is no older one to go back to, so it stays at work until \
         another is flashed"
    )]
    TrialFailedAlone { product: String, why: String },
    #[error("{why}; the station goes on with the bundle that it has")]
    Unchanged { why: String },
    #[error("{} can't be read ({error}): let this user read it, or use `aecsad select`", path.display())]
    SelectUnread { path: PathBuf, error: io::Error },
    #[error("{} can't be read ({error}): write a product's name into it, as `aecsad slots` shows it", path.display())]
    SelectNotText { path: PathBuf, error: String },
    #[error(
        "{} can't be removed ({error}), and no other selection is read before: remove it, and let this user write the folder",
        path.display()
    )]
    SelectStays { path: PathBuf, error: io::Error },
}
