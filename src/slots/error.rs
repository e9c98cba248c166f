//! Why a flash, a rollback or a selection was refused, in one sentence for the operator.

use std::io;
use std::path::PathBuf;

use aecsad_inspect::bundle::BundleError;
use aecsad_inspect::golden::GoldenError;

use crate::engines::EngineError;

#[derive(Debug, thiserror::Error)]
pub enum SlotsError {
    #[error(
        "another program is changing the slots in {} right now: wait until it is done, then try again",
        path.display()
    )]
    Busy { path: PathBuf },
    #[error("{}: `bundle.slots` is not set there, so there is nothing to flash: set it, with `bundle.keys`", path.display())]
    NotConfigured { path: PathBuf },
    #[error("the slots in {} can't be opened ({source}): check the folder and its permissions", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error(
        "the slots can't be written ({0}): free space, or check the disk and the folder's permissions; the station keeps the bundle that it has"
    )]
    Storage(io::Error),
    #[error(
        "both copies of the slots' state are damaged ({why}): check the disk, then delete both and flash again"
    )]
    StateDamaged { why: String },
    #[error(
        "the slots' state {name} can't be read ({source}): give this user read permission on it, or check the disk; flash nothing and delete nothing before"
    )]
    StateUnread {
        name: &'static str,
        source: io::Error,
    },
    #[error("the slots can't be changed to that: {why}")]
    Contradiction { why: String },
    #[error(
        "this is version {version} of {product}, and the station has already proven version {floor}: flash a newer one, or \
         say --allow-downgrade if you really want the old one"
    )]
    Older {
        product: String,
        version: u64,
        floor: u64,
    },
    #[error(
        "this bundle is for {product}, and the station has {installed}: flash the right file, or say --add-product to \
         install one more product"
    )]
    OtherProduct { product: String, installed: String },
    #[error("there is no {product} in the slots (there is: {installed}): flash it first")]
    NoProduct { product: String, installed: String },
    #[error("nothing is installed yet: flash a bundle first")]
    Empty,
    #[error("no bundle of {product} is on trial")]
    NoTrial { product: String },
    #[error(
        "there is no older proven bundle of {product} to go back to: flash the one that you want"
    )]
    NothingToGoBackTo { product: String },
    #[error("no slot of {product} holds a usable bundle ({why}): flash the bundle again")]
    NothingUsable { product: String, why: String },
    #[error("{0}")]
    Refused(#[from] BundleError),
    #[error("{0}")]
    NotProven(#[from] GoldenError),
    #[error("{0}")]
    NoEngine(EngineError),
}

impl From<EngineError> for SlotsError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Refused(golden) => SlotsError::NotProven(golden),
            unavailable => SlotsError::NoEngine(unavailable),
        }
    }
}
