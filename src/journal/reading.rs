//! Reads a journal without writing anything beside it. Read permission is enough, the station may run or not, and the
//! medium may be read-only. Of a damaged file every readable record is read.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, Row as SqlRow, ToSql};

use super::aside::with_ending;
use super::database::{ADDED, BUSY_WAIT, latest_run};
use super::salvage::Latest;
use super::{Filter, JournalError, Record};

pub(super) const COLUMNS: &str = "run, part, captured_ms, cause, score, p_value, branch, branches, pulse, \
    pulse_error_ms, fallen, latency_ms, bundle, counts, threshold, calibration_parts, id";
pub(super) const ID: usize = 16;

/// One file of a journal, open for reading.
pub(super) struct JournalReader {
    pub(super) connection: Connection,
    path: PathBuf,
    /// The copy that is read where SQLite would have to write beside the file.
    _copy: Option<tempfile::TempDir>,
}

impl JournalReader {
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        // Opening a pipe would block.
        if path.metadata().is_ok_and(|found| !found.is_file()) {
            return Err(JournalError::Damaged {
                path: path.into(),
                reason: "it is not a file".into(),
            });
        }
        let [wal, shm] = ["-wal", "-shm"].map(|ending| with_ending(path, ending));
        for needed in [path, &wal] {
            match File::open(needed) {
                Err(error) if needed == path || error.kind() != io::ErrorKind::NotFound => {
                    return Err(unreadable(needed, &error));
                }
                _ => {}
            }
        }
        let damaged = |error: rusqlite::Error| damaged(path, &error);
        let logged = wal.metadata().is_ok_and(|wal| wal.len() > 0);
        if !logged && !shm.exists() {
            // No program has the journal open, and it has no write-ahead log.
            return Self::connect(path, path, "immutable=1", None).map_err(damaged);
        }
        if shm.exists()
            && let Ok(reader) = Self::connect(path, path, "readonly_shm=1", None)
            && reader.latest_run().is_ok()
        {
            return Ok(reader);
        }
        let copied = || -> io::Result<(tempfile::TempDir, PathBuf)> {
            let folder = tempfile::tempdir()?;
            let copy = folder.path().join("parts.sqlite");
            std::fs::copy(path, &copy)?;
            if logged {
                std::fs::copy(&wal, with_ending(&copy, "-wal"))?;
            }
            Ok((folder, copy))
        };
        let (folder, copy) = copied().map_err(|error| JournalError::NoCopy {
            path: path.into(),
            folder: std::env::temp_dir(),
            source: error,
        })?;
        Self::connect(path, &copy, "mode=rw", Some(folder)).map_err(damaged)
    }

    fn connect(
        path: &Path,
        opened: &Path,
        how: &str,
        copy: Option<tempfile::TempDir>,
    ) -> rusqlite::Result<Self> {
        let mut flags = OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        flags |= match copy {
            Some(_) => OpenFlags::SQLITE_OPEN_READ_WRITE,
            None => OpenFlags::SQLITE_OPEN_READ_ONLY,
        };
        let connection = Connection::open_with_flags(uri(opened, how), flags)?;
        connection.busy_timeout(BUSY_WAIT)?;
        Ok(JournalReader {
            connection,
            path: path.into(),
            _copy: copy,
        })
    }

    /// Counts the parts since this time by their cause.
    pub fn count(&self, since_ms: i64) -> Result<Vec<(String, i64)>, JournalError> {
        let sql = "SELECT cause, count(*) FROM parts WHERE captured_ms >= ?1 GROUP BY cause";
        let read = || {
            let mut select = self.connection.prepare(sql)?;
            let rows = select.query_map([since_ms], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<(String, i64)>>>()
        };
        read().map_err(|error| damaged(&self.path, &error))
    }

    pub fn latest_run(&self) -> rusqlite::Result<i64> {
        latest_run(&self.connection)
    }

    /// Reads all of the file, and compares its index with its records.
    pub fn check(&self) -> Result<(), JournalError> {
        let sql = "PRAGMA integrity_check(1)";
        let row = |row: &SqlRow<'_>| row.get::<_, String>(0);
        let reason = match self.connection.query_row(sql, [], row) {
            Ok(found) if found == "ok" => return Ok(()),
            Ok(found) => found.replace('\n', " "),
            Err(error) => error.to_string(),
        };
        let path = self.path.clone();
        Err(JournalError::Damaged { path, reason })
    }

    /// Hands each record to `take`, the oldest first, until it returns false. Returns an error if some were left out.
    pub fn find(
        &self,
        filter: &Filter,
        take: &mut dyn FnMut(Record) -> bool,
    ) -> Result<Option<JournalError>, JournalError> {
        let (mut last, mut more) = (0, true);
        let found = self.select(filter, &mut |id, record| {
            last = id;
            more = take(record);
            more
        });
        let error = match found {
            Err(error) if more => error,
            _ => return Ok(None),
        };
        let why = damaged(&self.path, &error);
        let busy = [ErrorCode::DatabaseBusy, ErrorCode::DatabaseLocked];
        if error
            .sqlite_error_code()
            .is_some_and(|code| busy.contains(&code))
        {
            return Err(why);
        }
        let mut latest = Latest::new(filter.limit, take);
        let read = self.salvage(last, &mut |record| {
            !filter.takes(&record) || latest.take(record)
        });
        latest.hand_out();
        match read {
            0 if last == 0 => Err(why),
            _ => Ok(Some(why)),
        }
    }

    fn select(
        &self,
        filter: &Filter,
        take: &mut dyn FnMut(i64, Record) -> bool,
    ) -> rusqlite::Result<()> {
        let mut conditions = vec!["1".to_owned()];
        let mut values: Vec<Box<dyn ToSql>> = Vec::new();
        let mut condition = |text: &str, value: Box<dyn ToSql>| {
            values.push(value);
            conditions.push(format!("{text} ?{}", values.len()));
        };
        if let Some(since) = filter.since_ms {
            condition("captured_ms >=", Box::new(since));
        }
        if let Some(until) = filter.until_ms {
            condition("captured_ms <", Box::new(until));
        }
        if let Some(run) = filter.run {
            condition("run =", Box::new(run));
        }
        if let Some((first, last)) = filter.parts {
            condition("part >=", Box::new(first));
            condition("part <=", Box::new(last));
        }
        if let Some(branch) = &filter.branch {
            condition("branch =", Box::new(branch.clone()));
        }
        if let Some(score) = filter.min_score {
            condition("score >=", Box::new(score));
        }
        if let Some(bundle) = &filter.bundle {
            condition("bundle =", Box::new(bundle.clone()));
        }
        if !filter.causes.is_empty() {
            let from = values.len();
            let causes = filter.causes.iter().cloned();
            values.extend(causes.map(|cause| Box::new(cause) as Box<dyn ToSql>));
            let places: Vec<String> = (from + 1..=values.len()).map(|n| format!("?{n}")).collect();
            conditions.push(format!("cause IN ({})", places.join(", ")));
        }
        let limit = filter.limit.map_or(-1, i64::from);
        let sql = format!(
            "SELECT {COLUMNS} FROM (SELECT *{} FROM parts WHERE {} ORDER BY id DESC LIMIT {limit}) ORDER BY id",
            self.stand_ins()?,
            conditions.join(" AND ")
        );
        let mut select = self.connection.prepare(&sql)?;
        let values = rusqlite::params_from_iter(values.iter().map(AsRef::as_ref));
        let mut rows = select.query(values)?;
        while let Some(row) = rows.next()? {
            if !take(row.get(ID)?, record(row)?) {
                break;
            }
        }
        Ok(())
    }

    /// The expressions for the columns that a journal of an earlier version lacks, as the end of a list of columns.
    pub(super) fn stand_ins(&self) -> rusqlite::Result<String> {
        let mut missing = String::new();
        for (name, _) in ADDED {
            if !has_column(&self.connection, name)? {
                missing += &format!(", NULL AS {name}");
            }
        }
        Ok(missing)
    }
}

impl Filter {
    fn takes(&self, record: &Record) -> bool {
        self.since_ms
            .is_none_or(|since| record.captured_ms >= since)
            && self.until_ms.is_none_or(|until| record.captured_ms < until)
            && self.run.is_none_or(|run| record.run == run)
            && self
                .parts
                .is_none_or(|(first, last)| (first..=last).contains(&record.part))
            && (self.branch.is_none() || self.branch == record.branch)
            && self
                .min_score
                .is_none_or(|least| record.score.is_some_and(|score| score >= least))
            && self
                .bundle
                .as_ref()
                .is_none_or(|bundle| *bundle == record.bundle)
            && (self.causes.is_empty() || self.causes.contains(&record.cause))
    }
}

pub(super) fn record(row: &SqlRow<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        run: row.get(0)?,
        part: row.get(1)?,
        captured_ms: row.get(2)?,
        cause: row.get(3)?,
        score: row.get(4)?,
        p_value: row.get(5)?,
        branch: row.get(6)?,
        branches: row.get(7)?,
        pulse: row.get(8)?,
        pulse_error_ms: row.get(9)?,
        fallen: row.get(10)?,
        latency_ms: row.get(11)?,
        bundle: row.get(12)?,
        counts: row.get::<_, Option<String>>(13)?.unwrap_or_default(),
        threshold: row.get(14)?,
        calibration_parts: row.get(15)?,
    })
}

pub(super) fn has_column(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let columns = "SELECT count(*) FROM pragma_table_info('parts') WHERE name = ?1";
    connection.query_row(columns, [name], |row| row.get(0))
}

/// The path as an SQLite URI with an option.
fn uri(path: &Path, how: &str) -> String {
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                uri.push(byte.into());
            }
            other => uri += &format!("%{other:02X}"),
        }
    }
    format!("{uri}?{how}")
}

fn damaged(path: &Path, error: &rusqlite::Error) -> JournalError {
    JournalError::Damaged {
        path: path.into(),
        reason: error.to_string(),
    }
}

/// The error for a file that can't be read, with the missing permission if that is the cause.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> JournalError {
    let path = path.to_path_buf();
    if error.kind() != io::ErrorKind::PermissionDenied {
        let reason = error.to_string();
        return JournalError::Damaged { path, reason };
    }
    let enter = nix::unistd::AccessFlags::X_OK;
    let shut = |folder: &&Path| {
        !folder.as_os_str().is_empty() && nix::unistd::access(*folder, enter).is_err()
    };
    // The outermost closed folder: inner folders can't be checked before it is opened.
    let folder = path.ancestors().skip(1).filter(shut).last();
    JournalError::NoPermission {
        missing: match folder {
            Some(folder) => format!("execute permission on the folder {}", folder.display()),
            None => format!("read permission on {}", path.display()),
        },
        path,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::aside::{FILE, put_aside};
    use super::super::database::{Database, tests::record};
    use super::super::find;
    use super::*;

    fn found(folder: &Path, filter: &Filter) -> Vec<Record> {
        let mut found = Vec::new();
        let unread = find(folder, filter, &mut |r| {
            found.push(r);
            true
        });
        assert!(unread.unwrap().is_empty());
        found
    }

    fn parts(folder: &Path, filter: Filter) -> Vec<(i64, u32)> {
        let found = found(folder, &filter);
        found.iter().map(|r| (r.run, r.part)).collect()
    }

    #[test]
    fn records_are_kept_found_and_let_go() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            find(folder.path(), &Filter::default(), &mut |_| true),
            Err(JournalError::Missing(_))
        ));
        let mut database = Database::open(folder.path()).unwrap();
        assert_eq!(database.latest_run().unwrap(), 0);
        let bad = record(1, 2, "bad");
        database
            .add(
                &[record(1, 1, "good"), bad.clone(), record(1, 3, "late")],
                100,
            )
            .unwrap();
        database.add(&[record(2, 1, "good")], 100).unwrap();
        assert_eq!(database.latest_run().unwrap(), 2);
        let filter = Filter {
            causes: vec!["bad".into()],
            ..Filter::default()
        };
        assert_eq!(found(folder.path(), &filter), [bad]);
        let causes = vec!["bad".to_owned(), "late".into()];
        let filter = Filter {
            causes,
            since_ms: Some(3_000),
            ..Filter::default()
        };
        assert_eq!(parts(folder.path(), filter), [(1, 3)]);
        let filter = Filter {
            run: Some(1),
            limit: Some(2),
            ..Filter::default()
        };
        assert_eq!(parts(folder.path(), filter), [(1, 2), (1, 3)]);
        let filter = Filter {
            parts: Some((1, 1)),
            until_ms: Some(1_001),
            ..Filter::default()
        };
        assert_eq!(parts(folder.path(), filter), [(1, 1), (2, 1)]);

        for run in 0..30 {
            let records: Vec<Record> = (0..200).map(|part| record(run, part, "good")).collect();
            database.add(&records, 1_500).unwrap();
        }
        let kept = parts(folder.path(), Filter::default()).len();
        assert!((1_500..=1_500 + 1_200).contains(&kept), "{kept}");
    }

    #[test]
    fn a_journal_of_an_earlier_version_is_read_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        drop(Database::open(folder.path()).unwrap());
        let connection = Connection::open(&file).unwrap();
        let before = "ALTER TABLE parts DROP COLUMN counts; \
                      ALTER TABLE parts DROP COLUMN threshold; \
                      ALTER TABLE parts DROP COLUMN calibration_parts; \
                      INSERT INTO parts (run, part, captured_ms, cause, branches, pulse, bundle) \
                      VALUES (1, 7, 5, 'bad', '', 'seen', 'demo 1')";
        connection.execute_batch(before).unwrap();
        assert!(!has_column(&connection, "counts").unwrap());
        drop(connection);
        let found = || -> Vec<(u32, String, Option<f64>)> {
            let found = found(folder.path(), &Filter::default()).into_iter();
            found.map(|r| (r.part, r.counts, r.threshold)).collect()
        };
        assert_eq!(found(), [(7, String::new(), None)]);
        let counted = Record {
            counts: "found 3 of 2 (25×6 %)".into(),
            ..record(2, 8, "bad")
        };
        let mut database = Database::open(folder.path()).unwrap();
        database.add([&counted], 100).unwrap();
        assert_eq!(
            found(),
            [
                (7, String::new(), None),
                (8, counted.counts, counted.threshold)
            ]
        );
    }

    /// Parts 1 to `count`, 20 or so to a page of 4096 bytes.
    pub fn journal_of(folder: &Path, count: u32) {
        let mut database = Database::open(folder).unwrap();
        let records: Vec<Record> = (1..=count).map(|part| record(1, part, "good")).collect();
        database.add(&records, 1_000_000).unwrap();
    }

    #[test]
    fn nothing_is_written_beside_a_journal_that_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let files = || {
            let names = folder.path().read_dir().unwrap();
            let mut names: Vec<_> = names.map(|e| e.unwrap().file_name()).collect();
            names.sort();
            names
        };
        journal_of(folder.path(), 30);
        assert_eq!(files(), [FILE]);
        assert_eq!(found(folder.path(), &Filter::default()).len(), 30);
        assert_eq!(files(), [FILE]);
        // At work, and what a power cut leaves: a log without its index.
        let mut database = Database::open(folder.path()).unwrap();
        database.add(&[record(2, 1, "good")], 100).unwrap();
        let cut = tempfile::tempdir().unwrap();
        for ending in ["", "-wal"] {
            let name = format!("{FILE}{ending}");
            std::fs::copy(folder.path().join(&name), cut.path().join(&name)).unwrap();
        }
        let before = files();
        assert_eq!(found(folder.path(), &Filter::default()).len(), 31);
        assert_eq!(files(), before);
        assert_eq!(found(cut.path(), &Filter::default()).len(), 31);
        assert_eq!(cut.path().read_dir().unwrap().count(), 2);
    }

    #[test]
    fn journals_that_were_put_aside_come_first() {
        let folder = tempfile::tempdir().unwrap();
        journal_of(folder.path(), 3);
        put_aside(&folder.path().join(FILE), ".sqlite").unwrap();
        let mut database = Database::open(folder.path()).unwrap();
        let new = [record(2, 1, "good"), record(2, 2, "good")];
        database.add(&new, 100).unwrap();
        let all = [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)];
        assert_eq!(parts(folder.path(), Filter::default()), all);
        let latest = |limit| Filter {
            limit: Some(limit),
            ..Filter::default()
        };
        assert_eq!(parts(folder.path(), latest(4)), all[1..]);
        assert_eq!(parts(folder.path(), latest(1)), all[4..]);
    }
}
