//! The files that a command reads: how they are opened, and that no output takes their place.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
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

/// Opens a file to read it.
///
/// # Errors
/// Those of the system; and if it is no file but a folder, a pipe or a device. To open a pipe is to wait for its writer, and
/// a device may never end.
pub fn open(path: &Path) -> io::Result<File> {
    let found = path.metadata()?;
    if found.is_dir() {
        let why = "it is a folder, and a file is needed";
        return Err(io::Error::new(ErrorKind::IsADirectory, why));
    }
    if !found.is_file() {
        let why = "it is a pipe or a device, and a file is needed";
        return Err(io::Error::new(ErrorKind::InvalidInput, why));
    }
    File::open(path)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_are_opened_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::os::unix::fs::symlink(at("pipe"), at("link")).unwrap();
        std::fs::write(at("file"), "text").unwrap();
        assert!(open(&at("file")).is_ok());
        for (path, kind) in [
            (at("pipe"), ErrorKind::InvalidInput),
            (at("link"), ErrorKind::InvalidInput),
            ("/dev/zero".into(), ErrorKind::InvalidInput),
            (at(""), ErrorKind::IsADirectory),
            (at("none"), ErrorKind::NotFound),
        ] {
            assert_eq!(open(&path).unwrap_err().kind(), kind, "{}", path.display());
        }
    }
}
