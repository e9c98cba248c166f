//! Protects the files that a command reads from being replaced by its outputs.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::Metadata;
use std::ops::Deref;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Device and inode of each protected file.
static KEPT: Mutex<BTreeSet<(u64, u64)>> = Mutex::new(BTreeSet::new());

/// A path on the command line whose file is read. From its being named on, no output is written over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputPath(PathBuf);

impl InputPath {
    /// A default, which is not read where another path is named.
    pub fn unless_named(path: PathBuf) -> Self {
        InputPath(path)
    }
}

impl From<OsString> for InputPath {
    fn from(path: OsString) -> Self {
        let path = PathBuf::from(path);
        keep(&path);
        InputPath(path)
    }
}

impl From<InputPath> for OsString {
    fn from(input: InputPath) -> Self {
        input.0.into()
    }
}

impl From<InputPath> for PathBuf {
    fn from(input: InputPath) -> Self {
        input.0
    }
}

impl Deref for InputPath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for InputPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

/// Refuses from here on to write an output to the file at `path`, by whatever name.
pub fn keep(path: &Path) {
    if let Ok(found) = path.metadata() {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert((found.dev(), found.ino()));
    }
}

pub(crate) fn is_kept(found: &Metadata) -> bool {
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.contains(&(found.dev(), found.ino()))
}
