//! The records in SQLite: write-ahead logging, so that a power cut costs the last moment and never the file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, Row as SqlRow, ToSql, params};

use super::{JournalError, Record};

const FILE: &str = "parts.sqlite";
/// A reader may hold the file for a moment.
const BUSY_WAIT: Duration = Duration::from_millis(500);
/// Deleting is done now and then, not for each part.
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
        counts TEXT NOT NULL DEFAULT ''
    );
    CREATE INDEX IF NOT EXISTS parts_by_time ON parts (captured_ms);";

const ADD_COUNTS: &str = "ALTER TABLE parts ADD COLUMN counts TEXT NOT NULL DEFAULT ''";

const COLUMNS: &str = "run, part, captured_ms, cause, score, p_value, branch, branches, pulse, \
    pulse_error_ms, fallen, latency_ms, bundle, counts";

pub struct Database {
    connection: Connection,
    path: PathBuf,
}

/// Which records are wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub since_ms: Option<i64>,
    pub until_ms: Option<i64>,
    /// Causes by name; all if none.
    pub causes: Vec<String>,
    pub run: Option<i64>,
    pub part: Option<u32>,
    /// The latest so many.
    pub limit: Option<u32>,
}

impl Database {
    /// Opens the journal for writing. One that is damaged beyond use is put aside, and a new one begun.
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        let path = folder.join(FILE);
        match Self::connect(&path) {
            Ok(database) => Ok(database),
            Err(error) if is_damaged(&error) => {
                let aside = (1..).map(|n| folder.join(format!("damaged-{n}.sqlite")));
                let aside = aside
                    .take(1_000)
                    .find(|p| !p.exists())
                    .unwrap_or_else(|| folder.join("damaged.sqlite"));
                log::warn!(
                    "the journal {} is damaged ({error}); it is kept as {}, and a new one is begun",
                    path.display(),
                    aside.display()
                );
                for ending in ["-wal", "-shm"] {
                    let _ = std::fs::remove_file(folder.join(format!("{FILE}{ending}")));
                }
                std::fs::rename(&path, &aside).map_err(|source| JournalError::Folder {
                    path: folder.into(),
                    source,
                })?;
                Self::connect(&path).map_err(|e| failed(&path, &e))
            }
            Err(error) => Err(failed(&path, &error)),
        }
    }

    /// Opens a journal that is there, to read it.
    pub fn read(folder: &Path) -> Result<Self, JournalError> {
        let path = folder.join(FILE);
        if !path.is_file() {
            return Err(JournalError::Missing(folder.into()));
        }
        let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .map_err(|e| failed(&path, &e))?;
        connection
            .busy_timeout(BUSY_WAIT)
            .map_err(|e| failed(&path, &e))?;
        Ok(Database { connection, path })
    }

    fn connect(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_WAIT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A commit is on the disk when it returns. There is one a second, and nobody but its own thread waits for it.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(SCHEMA)?;
        // A journal that was begun before counts were kept.
        if !has_counts(&connection)? {
            connection.execute_batch(ADD_COUNTS)?;
        }
        Ok(Database {
            connection,
            path: path.into(),
        })
    }

    /// The number of the latest run, 0 if there was none.
    pub fn latest_run(&self) -> Result<i64, JournalError> {
        let run = self
            .connection
            .query_row("SELECT max(run) FROM parts", [], |row| {
                row.get::<_, Option<i64>>(0)
            });
        Ok(run.map_err(|e| failed(&self.path, &e))?.unwrap_or(0))
    }

    /// Adds these records, all or none, and lets the oldest go beyond `keep`.
    pub fn add<'r>(
        &mut self,
        records: impl IntoIterator<Item = &'r Record>,
        keep: u64,
    ) -> Result<(), JournalError> {
        let path = self.path.clone();
        self.add_all(records, keep).map_err(|e| failed(&path, &e))
    }

    fn add_all<'r>(
        &mut self,
        records: impl IntoIterator<Item = &'r Record>,
        keep: u64,
    ) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        let mut last = 0;
        {
            let mut insert = transaction.prepare_cached(&format!(
                "INSERT INTO parts ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
            ))?;
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
                    r.counts
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

    /// Hands each record to `take`, the oldest first, until it returns false.
    pub fn find(
        &self,
        filter: &Filter,
        mut take: impl FnMut(Record) -> bool,
    ) -> Result<(), JournalError> {
        let failed = |e: rusqlite::Error| failed(&self.path, &e);
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
        if let Some(part) = filter.part {
            condition("part =", Box::new(part));
        }
        if !filter.causes.is_empty() {
            let from = values.len();
            values.extend(
                filter
                    .causes
                    .iter()
                    .map(|c| Box::new(c.clone()) as Box<dyn ToSql>),
            );
            let places: Vec<String> = (from + 1..=values.len()).map(|n| format!("?{n}")).collect();
            conditions.push(format!("cause IN ({})", places.join(", ")));
        }
        let limit = filter.limit.map_or(-1, i64::from);
        let counts = match has_counts(&self.connection).map_err(failed)? {
            true => "",
            false => ", '' AS counts",
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM (SELECT *{counts} FROM parts WHERE {} ORDER BY id DESC LIMIT {limit}) ORDER BY id",
            conditions.join(" AND ")
        );
        let mut select = self.connection.prepare(&sql).map_err(failed)?;
        let values = rusqlite::params_from_iter(values.iter().map(AsRef::as_ref));
        let mut rows = select.query(values).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            if !take(record(row).map_err(failed)?) {
                break;
            }
        }
        Ok(())
    }
}

fn record(row: &SqlRow<'_>) -> rusqlite::Result<Record> {
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
        counts: row.get(13)?,
    })
}

fn has_counts(connection: &Connection) -> rusqlite::Result<bool> {
    let columns = "SELECT count(*) FROM pragma_table_info('parts') WHERE name = 'counts'";
    connection.query_row(columns, [], |row| row.get(0))
}

fn failed(path: &Path, error: &rusqlite::Error) -> JournalError {
    JournalError::Database {
        path: path.into(),
        reason: error.to_string(),
    }
}

fn is_damaged(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
    )
}

#[cfg(test)]
pub mod tests {
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
        }
    }

    fn parts(database: &Database, filter: Filter) -> Vec<(i64, u32)> {
        let mut found = Vec::new();
        database
            .find(&filter, |r| {
                found.push((r.run, r.part));
                true
            })
            .unwrap();
        found
    }

    #[test]
    fn records_are_kept_found_and_let_go() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            Database::read(folder.path()),
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
        let mut found = Vec::new();
        let filter = Filter {
            causes: vec!["bad".into()],
            ..Filter::default()
        };
        Database::read(folder.path())
            .unwrap()
            .find(&filter, |r| {
                found.push(r);
                true
            })
            .unwrap();
        assert_eq!(found, [bad]);
        let causes = vec!["bad".to_owned(), "late".into()];
        let filter = Filter {
            causes,
            since_ms: Some(3_000),
            ..Filter::default()
        };
        assert_eq!(parts(&database, filter), [(1, 3)]);
        let filter = Filter {
            run: Some(1),
            limit: Some(2),
            ..Filter::default()
        };
        assert_eq!(parts(&database, filter), [(1, 2), (1, 3)]);
        let filter = Filter {
            part: Some(1),
            until_ms: Some(1_001),
            ..Filter::default()
        };
        assert_eq!(parts(&database, filter), [(1, 1), (2, 1)]);

        for run in 0..30 {
            let records: Vec<Record> = (0..200).map(|part| record(run, part, "good")).collect();
            database.add(&records, 1_500).unwrap();
        }
        let kept = parts(&database, Filter::default()).len();
        assert!((1_500..=1_500 + 1_200).contains(&kept), "{kept}");
    }

    #[test]
    fn a_journal_of_before_counts_is_read_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let with = "        bundle TEXT NOT NULL,\n        counts TEXT NOT NULL DEFAULT ''";
        let before = SCHEMA.replace(with, "        bundle TEXT NOT NULL");
        let connection = Connection::open(folder.path().join(FILE)).unwrap();
        connection.execute_batch(&before).unwrap();
        assert!(!has_counts(&connection).unwrap());
        let row = "INSERT INTO parts (run, part, captured_ms, cause, branches, pulse, bundle) \
                   VALUES (1, 7, 5, 'bad', '', 'seen', 'demo 1')";
        connection.execute_batch(row).unwrap();
        drop(connection);
        let found = || {
            let mut found = Vec::new();
            let database = Database::read(folder.path()).unwrap();
            let all = Filter::default();
            database
                .find(&all, |r| {
                    found.push((r.part, r.counts));
                    true
                })
                .unwrap();
            found
        };
        assert_eq!(found(), [(7, String::new())]);
        let counted = Record {
            counts: "found 3 of 2 (25×6 %)".into(),
            ..record(2, 8, "bad")
        };
        let mut database = Database::open(folder.path()).unwrap();
        database.add([&counted], 100).unwrap();
        assert_eq!(found(), [(7, String::new()), (8, counted.counts)]);
    }

    #[test]
    fn a_damaged_journal_is_put_aside_and_a_new_one_begun() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "torn".repeat(5_000)).unwrap();
        let mut database = Database::open(folder.path()).unwrap();
        database.add(&[record(1, 1, "good")], 10).unwrap();
        assert_eq!(
            std::fs::read(folder.path().join("damaged-1.sqlite")).unwrap(),
            "torn".repeat(5_000).as_bytes()
        );
    }

    impl Database {
        /// Lets the file grow to so many pages and no further: SQLite's own full disk.
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
        let error = database.add(&many, 10_000).unwrap_err().to_string();
        assert!(error.contains("full"), "{error}");
        assert_eq!(parts(&database, Filter::default()), [(1, 1)]);
        database.bound_pages(1_000_000);
        database.add(&many, 10_000).unwrap();
    }
}
