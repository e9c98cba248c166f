//! Puts an unusable journal aside. It is never deleted: it stays beside the new one, and `history` reads both.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The name of the file that is written to.
pub(super) const FILE: &str = "parts.sqlite";
const ASIDE: &str = "damaged-";
/// The endings of the database, its write-ahead log and the log's index.
pub(super) const ENDINGS: [&str; 3] = ["", "-wal", "-shm"];

/// `parts.sqlite` with one of [`ENDINGS`].
pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Renames `path` and its log files to the next free `damaged-N`. `None` if `path` does not exist.
pub(crate) fn put_aside(path: &Path, kind: &str) -> io::Result<Option<PathBuf>> {
    let folder = crate::ownership::folder_of(path);
    let next = numbered(folder, kind).last().map_or(1, |(n, _)| n + 1);
    let aside = folder.join(format!("{ASIDE}{next}{kind}"));
    let mut moved = false;
    for ending in ENDINGS {
        match std::fs::rename(with_ending(path, ending), with_ending(&aside, ending)) {
            Ok(()) => moved = true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(moved.then_some(aside))
}

/// The journals that were put aside, the oldest first.
pub(super) fn journals(folder: &Path) -> Vec<PathBuf> {
    let identity = |path: &Path| path.metadata().ok().map(|found| (found.dev(), found.ino()));
    let mut seen = vec![identity(&folder.join(FILE))];
    let mut found = Vec::new();
    for (_, path) in numbered(folder, ".sqlite") {
        let identity = identity(&path);
        if identity.is_none() || !seen.contains(&identity) {
            seen.push(identity);
            found.push(path);
        }
    }
    found
}

fn numbered(folder: &Path, kind: &str) -> Vec<(u32, PathBuf)> {
    let mut found = Vec::new();
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| {
            let number = name.strip_prefix(ASIDE)?.strip_suffix(kind)?;
            number.parse().ok()
        });
        found.extend(number.map(|number: u32| (number, entry.path())));
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_put_aside_is_ever_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        assert_eq!(put_aside(&path, ".sqlite").unwrap(), None);
        for n in [1, 2] {
            std::fs::write(&path, n.to_string()).unwrap();
            std::fs::write(with_ending(&path, "-wal"), "log").unwrap();
            put_aside(&path, ".sqlite").unwrap();
        }
        // The third comes after the second, although the first was removed.
        std::fs::remove_file(folder.path().join("damaged-1.sqlite")).unwrap();
        std::fs::create_dir(&path).unwrap();
        let third = put_aside(&path, ".sqlite").unwrap().unwrap();
        assert!(third.ends_with("damaged-3.sqlite"), "{}", third.display());
        let names = ["damaged-2.sqlite", "damaged-3.sqlite"];
        assert_eq!(
            journals(folder.path()),
            names.map(|n| folder.path().join(n))
        );
        assert!(folder.path().join("damaged-2.sqlite-wal").is_file());
    }

    #[test]
    fn a_link_that_leads_to_the_journal_of_today_is_no_other_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        std::os::unix::fs::symlink(FILE, &path).unwrap();
        let aside = put_aside(&path, ".sqlite").unwrap().unwrap();
        assert_eq!(journals(folder.path()), [aside], "it leads nowhere");
        std::fs::write(&path, "a new journal").unwrap();
        assert_eq!(journals(folder.path()), [""; 0].map(PathBuf::from));
    }
}
