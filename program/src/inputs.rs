//! Protects the files that a command reads from being replaced by its outputs.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Device and inode of each protected file.
static KEPT: Mutex<BTreeSet<(u64, u64)>> = Mutex::new(BTreeSet::new());

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
