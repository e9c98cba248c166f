//! Two slots for each product on a station. A flash fills the inactive slot, proves the bundle and puts it on trial.
//! After any failure, a power cut included, the station starts with the whole old bundle or with the whole new one.
//!
//! A bundle's file is named by its SHA-256 and never written to again. One small state file says what is installed, on
//! trial and active. A rename replaces it: before the rename nothing has changed, after it everything has.

mod alarm;
mod error;
mod flash;
mod proof;
mod start;
pub mod state;
pub mod state_file;
pub mod storage;
pub mod trial;

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use aecsad_program::timestamp::timestamp as now;

pub use alarm::SlotAlarm;
pub use error::SlotsError;
pub use flash::{FlashRequest, Flashed};
pub use proof::{ProofStep, prove};
pub use start::{SlotCheck, Started};
use state::{SlotCondition, State};
pub use state_file::COPIES as STATE_FILES;
use storage::{DiskFolder, Storage};

/// How long to wait for another program that changes the slots.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// The slots of a station.
pub struct Slots<S> {
    storage: S,
}

impl Slots<DiskFolder> {
    /// Opens the slots for reading. Another program may change them meanwhile, always from one whole state to another.
    pub fn look(folder: &Path) -> Result<Self, SlotsError> {
        let storage = DiskFolder::open(folder).map_err(|source| SlotsError::Open {
            path: folder.into(),
            source,
        })?;
        Ok(Slots { storage })
    }

    /// Opens the slots for changes and locks them until this value is dropped. Waits a while for another program: a
    /// running station locks them briefly now and then.
    pub fn lock(folder: &Path) -> Result<Self, SlotsError> {
        let started = Instant::now();
        let storage = loop {
            match DiskFolder::open_locked(folder) {
                Err(error)
                    if error.kind() == io::ErrorKind::WouldBlock
                        && started.elapsed() < LOCK_WAIT =>
                {
                    std::thread::sleep(LOCK_WAIT / 100);
                }
                opened => break opened,
            }
        };
        let storage = storage.map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => SlotsError::Busy {
                path: folder.into(),
            },
            _ => SlotsError::Open {
                path: folder.into(),
                source,
            },
        })?;
        Ok(Slots { storage })
    }
}

impl<S: Storage> Slots<S> {
    pub fn new(storage: S) -> Self {
        Slots { storage }
    }

    /// Reads the state without changing anything.
    pub fn state(&self) -> Result<State, SlotsError> {
        Ok(state_file::read(&self.storage)?.state)
    }

    /// Records that the active product's trial passed. Returns the version that is good from here on.
    pub fn confirm(&self, sha256: &str) -> Result<u64, SlotsError> {
        let mut state = self.settled()?;
        let product = on_trial(&state, sha256)?;
        let version = state.confirm(&product)?;
        state.note(
            now(),
            format!("{product}: version {version} passed its trial"),
        );
        self.commit(state)?;
        Ok(version)
    }

    /// Records that the active product's trial failed. Returns the version that the station goes back to.
    pub fn fail_trial(&self, sha256: &str, why: &str) -> Result<u64, SlotsError> {
        let mut state = self.settled()?;
        let product = on_trial(&state, sha256)?;
        let version = state.give_up(&product, SlotCondition::Failed(why.into()))?;
        state.note(
            now(),
            format!("{product}: back to version {version}, because {why}"),
        );
        self.commit(state)?;
        Ok(version)
    }

    /// Goes back to the other slot. Returns product and version that are current from here on.
    pub fn roll_back(&self) -> Result<(String, u64), SlotsError> {
        let mut state = self.settled()?;
        let product = state.active.clone().ok_or(SlotsError::Empty)?;
        let version = state.roll_back(&product)?;
        state.note(
            now(),
            format!("{product}: rolled back to version {version} by hand"),
        );
        self.commit(state)?;
        Ok((product, version))
    }

    /// Makes another installed product the active one.
    pub fn select(&self, product: &str) -> Result<(), SlotsError> {
        let mut state = self.settled()?;
        if state.products.is_empty() {
            return Err(SlotsError::Empty);
        }
        let before = state.active.clone();
        state.select(product)?;
        if before == state.active {
            return Ok(());
        }
        state.note(now(), format!("{product} selected"));
        self.commit(state)
    }

    /// The state to start a change from: durable, and the same in both copies.
    fn settled(&self) -> Result<State, SlotsError> {
        // A power cut could still undo the rename that made this state visible.
        self.storage.sync_folder().map_err(SlotsError::Storage)?;
        let found = state_file::read(&self.storage)?;
        if let Some(complaint) = &found.complaint {
            log::warn!(
                "one copy of the slots' state was damaged and is replaced by the other ({complaint})"
            );
        }
        state_file::repair(&self.storage, &found)?;
        Ok(found.state)
    }

    /// Stores `state` durably, then removes files that it no longer names.
    fn commit(&self, mut state: State) -> Result<(), SlotsError> {
        match state_file::write(&self.storage, &mut state)? {
            Ok(()) => self.tidy(&state),
            // The other copy may still name an older bundle, so its file stays.
            Err(error) => {
                log::warn!("the second copy of the slots' state can't be written: {error}")
            }
        }
        Ok(())
    }

    /// Removes bundles that are in no slot, and unfinished files. Both copies on disk hold `state`.
    fn tidy(&self, state: &State) {
        let names = self.storage.list().unwrap_or_default();
        let spoken_of = |name: &str| state.bundles().any(|b| file_name(&b.sha256) == name);
        for name in names {
            let bundle = name.ends_with(BUNDLE_ENDING) && !spoken_of(&name);
            if (bundle || name.ends_with(state_file::UNFINISHED))
                && let Err(error) = self.storage.remove(&name)
            {
                log::warn!("{name} is left over in the slots and can't be removed: {error}");
            }
        }
    }
}

const BUNDLE_ENDING: &str = ".aecsad";

/// A bundle's name in the folder.
fn file_name(sha256: &str) -> String {
    format!("{sha256}{BUNDLE_ENDING}")
}

/// The product that has this bundle on trial.
fn on_trial(state: &State, sha256: &str) -> Result<String, SlotsError> {
    let product = state.products.iter().find(|product| {
        let trial = product.trial.as_ref();
        let bundle = trial.and_then(|trial| product.slot(trial.slot));
        bundle.is_some_and(|bundle| bundle.sha256 == sha256)
    });
    let name = product.map(|product| product.name.clone());
    name.ok_or_else(|| SlotsError::NoTrial {
        product: format!("SHA-256 {sha256}"),
    })
}
