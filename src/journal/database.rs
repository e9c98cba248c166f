//! Writes records to SQLite. With write-ahead logging a power cut costs at most the last second and never the file.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi, params};

use super::aside::{ENDINGS, FILE, with_ending};
use super::reading::has_column;
use super::{JournalError, Record};
use crate::ownership::{create_folder, hand_over};

/// How long to wait for a reader that locks the file.
pub(super) const BUSY_WAIT: Duration = Duration::from_millis(500);
/// Old records are deleted once in so many records.
const PRUNE_EACH: i64 = 1_000;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS parts (
        id INTEGER PRIMARY KEY,
        run INTEGER NOT NULL,
        part INTEGER NOT NULL,
        captured_ms INTEGER NOT NULL,
        cause TEXT NOT NULL,
        score REAL,
        p_value REAL,
        branch TEXT,
        branches TEXT NOT NULL,
        pulse TEXT NOT NULL,
        pulse_error_ms REAL,
        fallen INTEGER,
        latency_ms REAL,
        bundle TEXT NOT NULL,
        counts TEXT NOT NULL DEFAULT '',
        threshold REAL,
        calibration_parts INTEGER
    );
    CREATE INDEX IF NOT EXISTS parts_by_time ON parts (captured_ms);";

/// Columns that a journal of an earlier version may lack, with their types.
pub(super) const ADDED: [(&str, &str); 3] = [
    ("counts", "TEXT NOT NULL DEFAULT ''"),
    ("threshold", "REAL"),
    ("calibration_parts", "INTEGER"),
];

const INSERT: &str = "INSERT INTO parts (run, part, captured_ms, cause, score, p_value, branch, branches, pulse, \
    pulse_error_ms, fallen, latency_ms, bundle, counts, threshold, calibration_parts) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";

pub struct Database {
    connection: Connection,
    path: PathBuf,
    /// Device and inode of the file, to detect that it was moved or replaced.
    identity: (u64, u64),
}

/// Why nothing can be written.
#[derive(Debug)]
pub enum DatabaseFault {
    /// The place can't be written now: a full disk, a read-only medium, a folder of another user.
    Place(JournalError),
    /// Only the file is unusable, so that a new one helps: it is damaged, or of another program or user.
    File(String),
}

impl Database {
    /// Opens the journal in this folder, or creates one.
    pub fn open(folder: &Path) -> Result<Self, DatabaseFault> {
        let path = folder.join(FILE);
        create_folder(folder).map_err(|error| DatabaseFault::Place(unusable(folder, &error)))?;
        if path.metadata().is_ok_and(|found| !found.is_file()) {
            return Err(DatabaseFault::File("it is not a file".into()));
        }
        let connection = Self::connect(&path).map_err(|error| fault(&path, &error))?;
        let identity = path.metadata().map(|found| identity(&found));
        let identity = identity.map_err(|error| DatabaseFault::Place(unusable(folder, &error)))?;
        Ok(Database {
            connection,
            path,
            identity,
        })
    }

    fn connect(path: &Path) -> rusqlite::Result<Connection> {
        let is_new = !path.exists();
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        if is_new && let Err(error) = hand_over(path) {
            log::warn!(
                "{} can't be given to its folder's owner: {error}",
                path.display()
            );
        }
        connection.busy_timeout(BUSY_WAIT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A commit is on the disk when it returns. There is one per second, and only this thread waits for it.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(SCHEMA)?;
        // The journal is of a version without these columns.
        for (name, kind) in ADDED {
            if !has_column(&connection, name)? {
                let add = format!("ALTER TABLE parts ADD COLUMN {name} {kind}");
                connection.execute_batch(&add)?;
            }
        }
        // Another program's table of that name may lack a column.
        drop(connection.prepare(INSERT)?);
        Ok(connection)
    }

    /// Whether the open file is still in its place.
    pub fn in_place(&self) -> bool {
        let found = self.path.metadata();
        found.is_ok_and(|found| identity(&found) == self.identity)
    }

    /// Reads the whole file, because damage in the middle would otherwise be found only when a record is written there.
    pub fn read_through(self) -> Result<Self, DatabaseFault> {
        let found = self
            .connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
        match found {
            Ok(found) if found == "ok" => Ok(self),
            Ok(found) => Err(DatabaseFault::File(found.replace('\n', " "))),
            Err(error) => Err(self.give_up(&error)),
        }
    }

    /// The number of the latest run, 0 if there was none.
    pub fn latest_run(&self) -> rusqlite::Result<i64> {
        latest_run(&self.connection)
    }

    /// Adds all of these records or none, and deletes the oldest beyond `keep`.
    pub fn add<'r>(
        &mut self,
        records: impl IntoIterator<Item = &'r Record>,
        keep: u64,
    ) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        let mut last = 0;
        {
            let mut insert = transaction.prepare_cached(INSERT)?;
            for r in records {
                insert.execute(params![
                    r.run,
                    r.part,
                    r.captured_ms,
                    r.cause,
                    r.score,
                    r.p_value,
                    r.branch,
                    r.branches,
                    r.pulse,
                    r.pulse_error_ms,
                    r.fallen,
                    r.latency_ms,
                    r.bundle,
                    r.counts,
                    r.threshold,
                    r.calibration_parts
                ])?;
                last = transaction.last_insert_rowid();
            }
        }
        let oldest = last - i64::try_from(keep).unwrap_or(i64::MAX);
        if oldest > 0 {
            transaction.execute(
                "DELETE FROM parts WHERE id <= ?1 AND (SELECT min(id) FROM parts) <= ?2",
                params![oldest, oldest - PRUNE_EACH],
            )?;
        }
        transaction.commit()
    }

    /// Classifies an error. The database is closed first, because opening its file would release SQLite's locks.
    pub fn give_up(self, error: &rusqlite::Error) -> DatabaseFault {
        let path = self.path.clone();
        drop(self);
        fault(&path, error)
    }
}

/// The number of the latest run, 0 if there was none. Runs follow each other in the file.
pub(super) fn latest_run(connection: &Connection) -> rusqlite::Result<i64> {
    let runs = "SELECT max(run) FROM (SELECT run FROM parts ORDER BY id DESC LIMIT 1)";
    let run: Option<i64> = connection.query_row(runs, [], |row| row.get(0))?;
    Ok(run.unwrap_or(0))
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// SQLite reports many causes as "readonly" or "unable to open"; the system's error gives the real one.
fn fault(path: &Path, error: &rusqlite::Error) -> DatabaseFault {
    let folder = crate::ownership::folder_of(path);
    let unusable_file = |reason: String, advice| JournalError::Database {
        path: path.into(),
        reason,
        advice,
    };
    let passing = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Some("free space there"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Some("close the program that holds it")
        }
        Some(ErrorCode::OutOfMemory) => Some("free memory on this machine"),
        Some(ErrorCode::SystemIoFailure) if !reads_badly(error) => Some("check the disk it is on"),
        Some(ErrorCode::FileLockingProtocolFailed) => Some("check the disk it is on"),
        _ => None,
    };
    if let Err(error) = tempfile::tempfile_in(folder) {
        return DatabaseFault::Place(unusable(folder, &error));
    }
    let refused = ENDINGS.iter().find_map(|ending| {
        let path = with_ending(path, ending);
        let opened = File::options().read(true).write(true).open(&path);
        let error = opened.err()?;
        (error.kind() != io::ErrorKind::NotFound).then(|| format!("{}: {error}", path.display()))
    });
    if let Some(advice) = passing.filter(|_| refused.is_none()) {
        return DatabaseFault::Place(unusable_file(error.to_string(), advice));
    }
    DatabaseFault::File(refused.unwrap_or_else(|| error.to_string()))
}

/// Whether only parts of the file can't be read.
fn reads_badly(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    let of_reading = [
        ffi::SQLITE_IOERR_READ,
        ffi::SQLITE_IOERR_SHORT_READ,
        ffi::SQLITE_IOERR_CORRUPTFS,
        ffi::SQLITE_IOERR_DATA,
    ];
    code.is_some_and(|code| of_reading.contains(&code))
}

/// The error for a folder of the journal that can't be written, with its remedy.
pub(crate) fn unusable(folder: &Path, error: &io::Error) -> JournalError {
    JournalError::Folder {
        path: folder.into(),
        reason: error.to_string(),
        advice: match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free space there",
            io::ErrorKind::ReadOnlyFilesystem => "mount its medium for writing",
            io::ErrorKind::PermissionDenied => {
                "give the station's user write permission on this folder"
            }
            _ => "correct `journal.path` in the station file, or what lies there",
        },
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn record(run: i64, part: u32, cause: &str) -> Record {
        Record {
            run,
            part,
            captured_ms: i64::from(part) * 1_000,
            cause: cause.into(),
            score: Some(1.5),
            p_value: Some(0.25),
            branch: Some("layout".into()),
            branches: "layout=1.5".into(),
            counts: String::new(),
            pulse: "seen".into(),
            pulse_error_ms: Some(-0.3),
            fallen: Some(true),
            latency_ms: Some(30.0),
            bundle: "bottle 3".into(),
            threshold: Some(2.0),
            calibration_parts: Some(39),
        }
    }

    #[test]
    fn each_fault_is_the_place_s_or_the_file_s() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let fault = || match Database::open(folder.path()).and_then(Database::read_through) {
            Ok(_) => "none".into(),
            Err(DatabaseFault::File(why)) => format!("file: {why}"),
            Err(DatabaseFault::Place(error)) => format!("place: {error}"),
        };
        assert_eq!(fault(), "none");
        std::fs::write(&path, "torn".repeat(5_000)).unwrap();
        assert_eq!(fault(), "file: file is not a database");
        std::fs::remove_file(&path).unwrap();
        let foreign = Connection::open(&path).unwrap();
        let other = "CREATE TABLE parts (id INTEGER PRIMARY KEY, captured_ms INTEGER, name TEXT)";
        foreign.execute_batch(other).unwrap();
        drop(foreign);
        assert!(fault().starts_with("file: "), "{}", fault());
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_eq!(fault(), "file: it is not a file");
        std::fs::remove_dir(&path).unwrap();
        std::fs::create_dir(with_ending(&path, "-wal")).unwrap();
        assert!(fault().contains("Is a directory"), "{}", fault());
        let path = folder.path().join("plain");
        std::fs::write(&path, "a file").unwrap();
        match Database::open(&path) {
            Err(DatabaseFault::Place(error)) => assert!(error.to_string().contains("journal.path")),
            _ => panic!("a file can't be the folder"),
        }
    }

    impl Database {
        /// Limits the file to this many pages, to simulate a full disk.
        pub fn bound_pages(&self, pages: u32) {
            let page_count = format!("PRAGMA max_page_count = {pages}");
            self.connection
                .query_row(&page_count, [], |_| Ok(()))
                .unwrap();
        }
    }

    #[test]
    fn a_full_disk_adds_nothing_and_damages_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = Database::open(folder.path()).unwrap();
        database.add(&[record(1, 1, "good")], 10_000).unwrap();
        database.bound_pages(8);
        let many: Vec<Record> = (2..2_000).map(|part| record(1, part, "good")).collect();
        let error = database.add(&many, 10_000).unwrap_err();
        let count = "SELECT count(*) FROM parts";
        let count = database.connection.query_row(count, [], |row| row.get(0));
        assert_eq!(count, Ok(1));
        match database.give_up(&error) {
            DatabaseFault::Place(error) => {
                assert!(error.to_string().contains("free space there"), "{error}");
            }
            DatabaseFault::File(why) => panic!("{why}"),
        }
        Database::open(folder.path())
            .unwrap()
            .add(&many, 10_000)
            .unwrap();
    }
}
