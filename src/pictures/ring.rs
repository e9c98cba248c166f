//! Files in a limited number of bytes: when the room is used up, the oldest are deleted.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::ownership::hand_over;

/// Files in the order of their creation, in a limited number of bytes.
pub struct Ring {
    files: VecDeque<(PathBuf, u64)>,
    used: u64,
    bytes: u64,
}

impl Ring {
    pub fn open(folder: &Path, bytes: u64) -> io::Result<Self> {
        let mut files = Vec::new();
        for entry in folder.read_dir()? {
            let entry = entry?;
            let path = entry.path();
            // The file was removed since it was listed.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if path.extension().is_some_and(|e| e == "part") {
                // A power cut left the file unfinished.
                let _ = fs::remove_file(path);
            } else if metadata.is_file() && path.extension().is_some_and(|e| e == "png") {
                files.push((path, metadata.len()));
            }
        }
        files.sort();
        let used = files.iter().map(|f| f.1).sum();
        let mut ring = Ring {
            files: files.into(),
            used,
            bytes,
        };
        ring.make_room(0);
        Ok(ring)
    }

    pub fn put(&mut self, path: &Path, content: &[u8]) -> io::Result<()> {
        let length = content.len() as u64;
        if length > self.bytes {
            return Ok(());
        }
        self.make_room(length);
        let part = path.with_extension("part");
        let written = fs::write(&part, content)
            .and_then(|()| hand_over(&part))
            .and_then(|()| fs::rename(&part, path));
        if let Err(error) = written {
            let _ = fs::remove_file(&part);
            // Other programs filled the disk, so the oldest picture is deleted for the next one.
            self.remove_oldest();
            return Err(error);
        }
        self.files.push_back((path.into(), length));
        self.used += length;
        Ok(())
    }

    fn make_room(&mut self, length: u64) {
        while self.used + length > self.bytes && !self.files.is_empty() {
            self.remove_oldest();
        }
    }

    fn remove_oldest(&mut self) {
        if let Some((path, length)) = self.files.pop_front() {
            self.used -= length;
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::picture_path;
    use super::super::tests::files;
    use super::*;

    #[test]
    fn the_oldest_files_go_when_the_room_is_used_up() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("pictures")).unwrap();
        let place = folder.path().join("pictures");
        let left = place.join("000001-00000009.part");
        fs::write(&left, "torn").unwrap();
        let mut ring = Ring::open(&place, 1_000).unwrap();
        assert!(!left.exists());
        for part in 1..=5 {
            ring.put(&picture_path(&place, 1, part), &[0; 300]).unwrap();
        }
        assert_eq!(
            files(&place),
            [
                "000001-00000003.png",
                "000001-00000004.png",
                "000001-00000005.png"
            ]
        );
        // A picture that never fits is none; a smaller room holds from the start.
        ring.put(&picture_path(&place, 1, 6), &[0; 2_000]).unwrap();
        assert_eq!(files(&place).len(), 3);
        drop(Ring::open(&place, 300).unwrap());
        assert_eq!(files(&place), ["000001-00000005.png"]);
    }
}
