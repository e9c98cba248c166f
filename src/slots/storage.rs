//! The file operations that slots are built from. Everything that must survive a power cut goes through [`Storage`], so
//! that a test can make each operation fail or cut the power at it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use aecsad_program::inputs;

use crate::ownership::{create_folder, share_file};

/// One folder without subfolders; names are plain file names.
pub trait Storage {
    /// Names of all files.
    fn list(&self) -> io::Result<Vec<String>>;
    fn read(&self, name: &str) -> io::Result<Box<dyn Read + '_>>;
    /// Creates an empty file of this name and replaces an existing one.
    fn create(&self, name: &str) -> io::Result<Box<dyn NewFile + '_>>;
    /// Replaces `to` by `from` atomically.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes every earlier create, rename and remove durable.
    fn sync_folder(&self) -> io::Result<()>;
}

/// A file that is being written.
pub trait NewFile: Write {
    /// Makes the written bytes durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// A folder on disk.
#[derive(Debug)]
pub struct DiskFolder {
    path: PathBuf,
    /// Held while the folder may be changed; the system releases it when the process ends.
    lock: Option<File>,
}

/// The lock file. It has no content; a program locks it before it changes the folder.
const LOCK_NAME: &str = "lock";

impl DiskFolder {
    /// Opens the folder for reading.
    pub fn open(path: &Path) -> io::Result<Self> {
        path.read_dir()?;
        Ok(DiskFolder {
            path: path.into(),
            lock: None,
        })
    }

    /// Opens the folder for changes, and makes it if it is missing. `WouldBlock` if another program has locked it.
    pub fn open_locked(path: &Path) -> io::Result<Self> {
        if !path.is_dir() {
            create_folder(path)?;
            if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
                File::open(parent)?.sync_all()?;
            }
        }
        let name = path.join(LOCK_NAME);
        let lock = File::options().read(true).write(true).open(&name);
        let lock = lock.or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => new_file(&name),
            // A lock file of another user that can only be read can be locked as well.
            io::ErrorKind::PermissionDenied => File::open(&name),
            _ => Err(error),
        })?;
        lock.try_lock()?;
        Ok(DiskFolder {
            path: path.into(),
            lock: Some(lock),
        })
    }

    fn to_change(&self) -> io::Result<&Path> {
        match self.lock {
            Some(_) => Ok(&self.path),
            None => Err(io::Error::other("the folder is open to look at only")),
        }
    }
}

impl Storage for DiskFolder {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in self.path.read_dir()? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                // Files of this program have names in UTF-8.
                names.extend(entry.file_name().into_string());
            }
        }
        Ok(names)
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(inputs::open(&self.path.join(name))?))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn NewFile + '_>> {
        Ok(Box::new(new_file(&self.to_change()?.join(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let folder = self.to_change()?;
        fs::rename(folder.join(from), folder.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.to_change()?.join(name))
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(self.to_change()?)?.sync_all()
    }
}

/// Creates an empty file that everyone can read, independent of the user and the umask.
fn new_file(path: &Path) -> io::Result<File> {
    let file = File::create(path)?;
    share_file(path)?;
    Ok(file)
}

impl NewFile for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_can_t_change_the_folder_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("slots");
        let first = DiskFolder::open_locked(&path).unwrap();
        let second = DiskFolder::open_locked(&path).unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::WouldBlock);
        let looking = DiskFolder::open(&path).unwrap();
        assert_eq!(looking.list().unwrap(), [LOCK_NAME]);
        assert!(looking.create("state").is_err() && looking.remove(LOCK_NAME).is_err());
        drop(first);
        DiskFolder::open_locked(&path).unwrap();
    }
}
