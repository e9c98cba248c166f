//! Two slots a product on one station: a flash fills the inactive one, proves it, and lets it work on trial; whatever
//! happens, power cut included, the station starts with the old bundle or with the new one, whole.
//!
//! A bundle lies in the folder under its own SHA-256 and is never written to again. What is installed, on trial and
//! active stands in one small state that a rename replaces: before it nothing has changed, after it everything has.

mod error;
mod flash;
mod start;
pub mod state;
pub mod state_file;
pub mod storage;
pub mod trial;

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use aecsad_program::timestamp::timestamp as now;

pub use error::SlotsError;
pub use flash::{FlashRequest, Flashed};
pub use start::{SlotCheck, Started};
use state::{Condition, State};
pub use state_file::COPIES as STATE_FILES;
use storage::{DiskFolder, Storage};

/// How long to wait for another program that is changing the slots.
const PATIENCE: Duration = Duration::from_secs(5);

/// The slots of a station.
pub struct Slots<S> {
    storage: S,
}

impl Slots<DiskFolder> {
    /// To look at: another program may change them meanwhile, always from one whole state to another.
    /// Refuses to be changed.
    pub fn look(folder: &Path) -> Result<Self, SlotsError> {
        let storage = DiskFolder::open(folder).map_err(|source| SlotsError::Open {
            path: folder.into(),
            source,
        })?;
        Ok(Slots { storage })
    }

    /// To change; nobody else can until this value is dropped. Waits a while for whoever is at it: a station at work
    /// looks in for an instant now and then.
    pub fn lock(folder: &Path) -> Result<Self, SlotsError> {
        let asked = Instant::now();
        let storage = loop {
            match DiskFolder::open_locked(folder) {
                Err(error)
                    if error.kind() == io::ErrorKind::WouldBlock && asked.elapsed() < PATIENCE =>
                {
                    std::thread::sleep(PATIENCE / 100);
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

    /// The state as it is, without touching anything.
    pub fn state(&self) -> Result<State, SlotsError> {
        Ok(state_file::read(&self.storage)?.state)
    }

    /// The active product's trial is over and passed. Returns the version that is good from here on.
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

    /// The active product's trial is over and failed. Returns the version that the station goes back to.
    pub fn fail_trial(&self, sha256: &str, why: &str) -> Result<u64, SlotsError> {
        let mut state = self.settled()?;
        let product = on_trial(&state, sha256)?;
        let version = state.give_up(&product, Condition::Failed(why.into()))?;
        state.note(
            now(),
            format!("{product}: back to version {version}, because {why}"),
        );
        self.commit(state)?;
        Ok(version)
    }

    /// Back to the other slot. Returns product and version that are current from here on.
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

    /// The state to change from: durable, and the same in both copies.
    fn settled(&self) -> Result<State, SlotsError> {
        // What is seen may be a rename that a power cut could still take back.
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

    /// Makes `state` last, then removes what it no longer speaks of.
    fn commit(&self, mut state: State) -> Result<(), SlotsError> {
        match state_file::write(&self.storage, &mut state)? {
            Ok(()) => self.tidy(&state),
            // The other copy may still speak of an older bundle, so that one stays.
            Err(error) => {
                log::warn!("the second copy of the slots' state can't be written: {error}")
            }
        }
        Ok(())
    }

    /// Removes bundles in no slot and files that were never finished. Both copies on disk say `state`.
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

/// The product whose trial is of this bundle.
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
