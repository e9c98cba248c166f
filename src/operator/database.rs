//! The database file. The station and the commands write to it; SQLite keeps them apart.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use super::OperatorError;
use crate::ownership::{create_folder, hand_over};

const FILE: &str = "operators.sqlite";
/// How long to wait for another program that writes.
const BUSY_WAIT: Duration = Duration::from_secs(2);
/// It holds hashes of passwords.
const FILE_MODE: u32 = 0o600;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS users (
        name TEXT PRIMARY KEY,
        password TEXT NOT NULL,
        acts INTEGER NOT NULL,
        added_ms INTEGER NOT NULL
    );
    CREATE TABLE IF NOT EXISTS sessions (
        key TEXT PRIMARY KEY,
        user TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
        token TEXT NOT NULL,
        ends_ms INTEGER NOT NULL
    );
    CREATE TABLE IF NOT EXISTS reviews (
        run INTEGER NOT NULL,
        part INTEGER NOT NULL,
        mark TEXT NOT NULL,
        bundle TEXT NOT NULL,
        score REAL,
        user TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        PRIMARY KEY (run, part)
    );
    CREATE TABLE IF NOT EXISTS thresholds (
        id INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        user TEXT NOT NULL,
        bundle TEXT NOT NULL,
        own REAL NOT NULL,
        value REAL NOT NULL,
        reason TEXT NOT NULL,
        undone INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX IF NOT EXISTS thresholds_by_bundle ON thresholds (bundle, id);
    CREATE TABLE IF NOT EXISTS actions (
        id INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        user TEXT NOT NULL,
        origin TEXT NOT NULL,
        action TEXT NOT NULL,
        before TEXT NOT NULL,
        after TEXT NOT NULL,
        reason TEXT NOT NULL
    );";

/// The open database.
pub struct OperatorRecords {
    pub(super) connection: Connection,
    path: PathBuf,
}

impl OperatorRecords {
    /// Opens the records in the journal's `folder`, or starts them.
    pub fn open(folder: &Path) -> Result<Self, OperatorError> {
        let path = folder.join(FILE);
        let failed = |reason: String, advice| OperatorError::Database {
            path: path.clone(),
            reason,
            advice,
        };
        create_folder(folder).map_err(|error| {
            let advice = "give the station's user write permission on the journal's folder";
            failed(error.to_string(), advice)
        })?;
        if path.metadata().is_ok_and(|found| !found.is_file()) {
            return Err(failed("it is not a file".into(), "move it away"));
        }
        let is_new = !path.exists();
        let opened = Connection::open(&path).and_then(|connection| {
            connection.busy_timeout(BUSY_WAIT)?;
            if is_new {
                let prepared = fs::set_permissions(&path, Permissions::from_mode(FILE_MODE))
                    .and_then(|()| hand_over(&path));
                if let Err(error) = prepared {
                    log::warn!("{} can't be kept from other users: {error}", path.display());
                }
            }
            // Root and the station's user both write here. A rollback journal, unlike a write-ahead log, leaves no file
            // of root's behind.
            connection.pragma_update(None, "journal_mode", "DELETE")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            connection.execute_batch(SCHEMA)?;
            Ok(connection)
        });
        let connection = opened.map_err(|error| self::failed(&path, &error))?;
        Ok(OperatorRecords { connection, path })
    }

    /// Opens the records only if there are any.
    pub fn open_existing(folder: &Path) -> Result<Option<Self>, OperatorError> {
        match folder.join(FILE).symlink_metadata() {
            Ok(_) => Self::open(folder).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// All that `change` writes, or nothing: a change never stands without its action.
    pub fn in_one<T, E: From<OperatorError>>(
        &self,
        change: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = self.connection.unchecked_transaction();
        let transaction = transaction.map_err(|error| self.failed(error))?;
        let done = change()?;
        transaction.commit().map_err(|error| self.failed(error))?;
        Ok(done)
    }

    pub(super) fn failed(&self, error: rusqlite::Error) -> OperatorError {
        failed(&self.path, &error)
    }

    /// Changes whenever another connection writes to the file.
    pub fn version(&self) -> Result<i64, OperatorError> {
        let version = self
            .connection
            .pragma_query_value(None, "data_version", |row| row.get(0));
        version.map_err(|error| self.failed(error))
    }
}

fn failed(path: &Path, error: &rusqlite::Error) -> OperatorError {
    use rusqlite::ErrorCode as Code;
    OperatorError::Database {
        path: path.into(),
        reason: error.to_string(),
        advice: match error.sqlite_error_code() {
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => "close the program that holds it",
            Some(Code::DiskFull) => "free space there",
            Some(Code::ReadOnly | Code::CannotOpen | Code::PermissionDenied) => {
                "run as the station's user or as root, and look at the permissions there"
            }
            _ => "put a copy of it back, or move it away and add the users again",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_from_other_users_and_damage_is_said() {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            OperatorRecords::open_existing(folder.path())
                .unwrap()
                .is_none()
        );
        drop(OperatorRecords::open(folder.path()).unwrap());
        let path = folder.path().join(FILE);
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, FILE_MODE);
        fs::write(&path, "torn".repeat(5_000)).unwrap();
        let error = OperatorRecords::open(folder.path())
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("add the users again"), "{error}");
    }
}
