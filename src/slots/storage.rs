//! The few operations on a folder that slots are built from. Everything that must survive a power cut goes through
//! [`Storage`], so that a test can fail or cut each one of them.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::ownership::{create_folder, share_file};

/// One flat folder; names are plain file names.
pub trait Storage {
    /// Names of all files.
    fn list(&self) -> io::Result<Vec<String>>;
    fn read(&self, name: &str) -> io::Result<Box<dyn Read + '_>>;
    /// An empty file of this name, in place of one that was there.
    fn create(&self, name: &str) -> io::Result<Box<dyn NewFile + '_>>;
    /// Puts `from` in the place of `to` in one step.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// From here on a power cut can't take back any earlier create, rename or remove.
    fn sync_folder(&self) -> io::Result<()>;
}

/// A file in the making.
pub trait NewFile: Write {
    /// From here on a power cut can't take back what was written.
    fn sync(&mut self) -> io::Result<()>;
}

/// A folder on disk.
#[derive(Debug)]
pub struct DiskFolder {
    path: PathBuf,
    /// Held while the folder may be changed; the system lets go of it when the process ends.
    lock: Option<File>,
}

/// Nobody reads it; two programs that want to change the folder meet at it.
const LOCK_NAME: &str = "lock";

impl DiskFolder {
    /// To look at, not to change.
    pub fn open(path: &Path) -> io::Result<Self> {
        path.read_dir()?;
        Ok(DiskFolder {
            path: path.into(),
            lock: None,
        })
    }

    /// To change; makes the folder if need be. `WouldBlock` if another program is at it.
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
            // Another user's, to be read only: it can be locked all the same.
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
                // A name that isn't text is none of ours.
                names.extend(entry.file_name().into_string());
            }
        }
        Ok(names)
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(File::open(self.path.join(name))?))
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

/// An empty file that the station's user and everyone else can read, whoever flashes and whatever the umask.
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
