//! A ring in its folder, which may become unusable and usable again while the line runs.

use std::io;
use std::path::{Path, PathBuf};

use super::ring::Ring;
use crate::journal::aside::put_aside;
use crate::journal::{JournalRun, unusable};
use crate::ownership::create_folder;
use crate::station::alarm::Alarm;

pub struct PictureFolder {
    /// None while the folder can't be used.
    ring: Option<Ring>,
    path: PathBuf,
    bytes: u64,
    run: JournalRun,
    /// The latest alarm, so that it is given once.
    reported: Option<String>,
}

impl PictureFolder {
    pub fn new(path: PathBuf, bytes: u64, run: &JournalRun) -> Self {
        PictureFolder {
            ring: None,
            path,
            bytes,
            run: run.clone(),
            reported: None,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the ring if needed and runs `put` on it. A failure is an alarm, given once.
    pub fn attempt(&mut self, put: impl FnOnce(&mut Ring) -> io::Result<()>) -> bool {
        let mut ring = self.ring.take().filter(|_| self.path.is_dir());
        let opened = match ring.as_mut() {
            Some(ring) => Ok(ring),
            None => self.open().map(|opened| ring.insert(opened)),
        };
        let Err(error) = opened.and_then(put) else {
            self.ring = ring;
            self.reported = None;
            return true;
        };
        // The ring is opened again for the next picture, as the folder may be another one then.
        if matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ) {
            self.ring = ring;
        }
        let why = unusable(&self.path, &error).to_string();
        if self.reported.as_ref() != Some(&why) {
            self.reported = Some(why.clone());
            let alarm = Alarm::PicturesWait { why };
            let _ = self.run.alarms.send(alarm.to_string());
        }
        false
    }

    /// Opens the ring. A place that is no folder, or another user's, is put aside for a new one.
    fn open(&self) -> io::Result<Ring> {
        let folder = &self.path;
        let usable = || {
            create_folder(folder)?;
            tempfile::tempfile_in(folder)?;
            Ring::open(folder, self.bytes)
        };
        usable().or_else(|error| {
            let of_folder = [
                io::ErrorKind::PermissionDenied,
                io::ErrorKind::NotADirectory,
                io::ErrorKind::AlreadyExists,
            ];
            if !of_folder.contains(&error.kind()) {
                return Err(error);
            }
            let aside = match put_aside(folder, "-pictures") {
                Ok(Some(aside)) => aside,
                _ => return Err(error),
            };
            let alarm = Alarm::PicturesReplaced {
                folder: folder.clone(),
                error,
                aside,
            };
            let _ = self.run.alarms.send(alarm.to_string());
            usable()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::tests::{files, run};
    use super::*;

    #[test]
    fn a_folder_that_can_t_be_used_is_put_aside_or_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("pictures");
        fs::write(&place, "a file").unwrap();
        let (run, alarms) = run(1);
        let mut pictures = PictureFolder::new(place.clone(), 1_000, &run);
        let put = |ring: &mut Ring| ring.put(&place.join("000001-00000001.png"), &[0; 10]);
        assert!(pictures.attempt(put));
        let alarm = alarms.try_recv().unwrap();
        assert!(alarm.contains("damaged-1-pictures"), "{alarm}");
        assert_eq!(files(&place).len(), 1);
        // Removed while it is at work.
        fs::remove_dir_all(&place).unwrap();
        assert!(pictures.attempt(put));
        assert_eq!(files(&place).len(), 1);
        // What is above it is no folder any more.
        pictures.path = folder.path().join("damaged-1-pictures/pictures");
        let stuck = |_: &mut Ring| Ok(());
        assert!(!pictures.attempt(stuck) && !pictures.attempt(stuck));
        assert_eq!(alarms.try_iter().count(), 1, "it is reported once");
    }
}
