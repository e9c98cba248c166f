//! A file that is there whole or not at all: it is filled beside its place and renamed into it. Until then, and after
//! any failure, the place is as it was.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file in the making, which everybody may read; dropped without a commit, it leaves nothing behind.
pub struct WholeFile {
    unfinished: NamedTempFile,
    path: PathBuf,
}

impl WholeFile {
    /// Makes the temporary file in `path`'s folder, which must be there.
    pub fn create(path: &Path) -> io::Result<Self> {
        if path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let unfinished = tempfile::Builder::new()
            .prefix(".aecsad-")
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(folder(path))?;
        let path = path.into();
        Ok(WholeFile { unfinished, path })
    }

    /// Renames it into place. A power cut soon after may still lose it.
    pub fn commit(self) -> io::Result<()> {
        self.unfinished.persist(&self.path)?;
        Ok(())
    }

    /// Renames it into place so that a power cut can't take it away again.
    pub fn commit_durably(self) -> io::Result<()> {
        self.unfinished.as_file().sync_all()?;
        self.unfinished.persist(&self.path)?;
        // The rename itself is durable only once the folder is.
        File::open(folder(&self.path))?.sync_all()
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unfinished.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unfinished.flush()
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_given_up_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.csv");
        std::fs::write(&path, "before").unwrap();
        let mut file = WholeFile::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(std::fs::read(&path).unwrap(), b"before");
        let mut file = WholeFile::create(&path).unwrap();
        file.write_all(b"whole").unwrap();
        file.commit_durably().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }
}
