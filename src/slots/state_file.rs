//! The state on disk: two copies, each replaced by a rename and sealed with its own hash. The first copy's rename makes a
//! change effective; the second copy protects against a flipped bit in the first.

use std::io::{self, Read, Write};

use aecsad_program::sealed_text::{seal, unseal};
use aecsad_program::text_file;

use super::SlotsError;
use super::state::{FORMAT, State};
use super::storage::Storage;

/// The copies, in the order in which they are written.
pub const COPIES: [&str; 2] = ["state.toml", "state.copy.toml"];
/// The ending of an unfinished file's name.
pub const UNFINISHED: &str = ".new";
const MAX_STATE_BYTES: u64 = 1 << 20;

/// The state as it was found.
pub struct ReadState {
    pub state: State,
    /// Copies that differ or can't be read.
    stale: Vec<&'static str>,
    /// What is wrong with a copy, if one is damaged.
    pub complaint: Option<String>,
}

/// The newer of the two copies; the empty state if neither was ever written.
pub fn read(storage: &dyn Storage) -> Result<ReadState, SlotsError> {
    let mut states = Vec::new();
    let mut wrong = Vec::new();
    let mut refused = None;
    for name in COPIES {
        match read_copy(storage, name) {
            Ok(state) => states.push((name, state)),
            Err(Unusable::Damaged(why)) => wrong.push((name, why)),
            Err(Unusable::Unread(error)) => {
                wrong.push((name, error.to_string()));
                refused = Some(SlotsError::StateUnread {
                    name,
                    source: error,
                });
            }
        }
    }
    let newest = states.iter().filter_map(|(_, state)| state.as_ref());
    let Some(state) = newest.max_by_key(|state| state.serial).cloned() else {
        // A copy that can't be read may be whole.
        if let Some(refused) = refused {
            return Err(refused);
        }
        if wrong.is_empty() {
            return Ok(ReadState {
                state: State::empty(),
                stale: Vec::new(),
                complaint: None,
            });
        }
        let said = wrong.iter().map(|(name, why)| format!("{name}: {why}"));
        let why = said.collect::<Vec<_>>().join("; ");
        return Err(SlotsError::StateDamaged { why });
    };
    let old = states
        .iter()
        .filter(|(_, found)| found.as_ref() != Some(&state));
    Ok(ReadState {
        stale: old
            .map(|(name, _)| *name)
            .chain(wrong.iter().map(|(name, _)| *name))
            .collect(),
        complaint: wrong.pop().map(|(name, why)| format!("{name}: {why}")),
        state,
    })
}

/// Rewrites the stale copies, so that all of them name the same bundles.
pub fn repair(storage: &dyn Storage, found: &ReadState) -> Result<(), SlotsError> {
    if found.stale.is_empty() {
        return Ok(());
    }
    let text = text(&found.state)?;
    for name in &found.stale {
        write_copy(storage, name, &text).map_err(SlotsError::Storage)?;
    }
    Ok(())
}

/// Stores `state` with the next serial. After `Ok` no power cut brings an earlier state back; after an error either may
/// be valid. The inner result is the second copy's, whose failure changes nothing.
pub fn write(storage: &dyn Storage, state: &mut State) -> Result<io::Result<()>, SlotsError> {
    let mut next = state.clone();
    next.serial += 1;
    next.check()
        .map_err(|why| SlotsError::Contradiction { why })?;
    let text = text(&next)?;
    write_copy(storage, COPIES[0], &text).map_err(SlotsError::Storage)?;
    *state = next;
    Ok(write_copy(storage, COPIES[1], &text))
}

/// The text of a copy.
pub fn text(state: &State) -> Result<String, SlotsError> {
    let text = toml::to_string(state).map_err(|e| SlotsError::Contradiction { why: e.to_string() });
    text.map(seal)
}

fn write_copy(storage: &dyn Storage, name: &str, text: &str) -> io::Result<()> {
    let unfinished = format!("{name}{UNFINISHED}");
    let mut file = storage.create(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync()?;
    drop(file);
    storage.rename(&unfinished, name)?;
    storage.sync_folder()
}

/// Why a copy is invalid.
enum Unusable {
    Damaged(String),
    Unread(io::Error),
}

fn read_copy(storage: &dyn Storage, name: &str) -> Result<Option<State>, Unusable> {
    let mut bytes = Vec::new();
    let read = storage
        .read(name)
        .and_then(|file| file.take(MAX_STATE_BYTES).read_to_end(&mut bytes));
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Unusable::Unread(error)),
        Ok(_) => {}
    }
    parse(&bytes).map(Some).map_err(Unusable::Damaged)
}

/// Parses the bytes of one copy; the error says why it is invalid.
pub fn parse(bytes: &[u8]) -> Result<State, String> {
    let text = unseal(bytes).ok_or("it differs from its own SHA-256 line")?;
    let text = text_file::decode(text).map_err(|e| e.to_string())?;
    let state: State = text_file::toml(text).map_err(|e| e.to_string())?;
    if state.format != FORMAT {
        return Err(format!("format {} is not known here", state.format));
    }
    state.check()?;
    Ok(state)
}
