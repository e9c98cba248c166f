//! Sessions of users. The browser keeps the key, the database only its hash: who reads the file can't use a session.

use std::fs::File;
use std::io::Read;

use aecsad_program::sha256::{hex, hex_sha256};
use rusqlite::{OptionalExtension, params};

use super::{OperatorError, OperatorRecords, now_ms};

const LASTS_MS: i64 = 12 * 3_600_000;
/// The latest sessions of all users; earlier ones end.
const MOST: i64 = 256;

#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    pub user: String,
    pub acts: bool,
    /// Goes with each action, so that another site's page can't act through this browser.
    pub token: String,
}

impl OperatorRecords {
    /// Starts a session. Returns its key.
    pub fn start_session(&self, user: &str) -> Result<String, OperatorError> {
        let (key, token) = (random()?, random()?);
        let now = now_ms();
        let write = || {
            let ended = "DELETE FROM sessions WHERE ends_ms <= ?1 OR key IN \
                (SELECT key FROM sessions ORDER BY ends_ms DESC LIMIT -1 OFFSET ?2)";
            self.connection.execute(ended, params![now, MOST - 1])?;
            let start = "INSERT INTO sessions (key, user, token, ends_ms) VALUES (?1, ?2, ?3, ?4)";
            let hash = hex_sha256(key.as_bytes());
            self.connection
                .execute(start, params![hash, user, token, now + LASTS_MS])
        };
        write().map_err(|error| self.failed(error))?;
        Ok(key)
    }

    /// The session of this key, if it has not ended.
    pub fn session(&self, key: &str) -> Result<Option<Session>, OperatorError> {
        let select = "SELECT user, acts, token FROM sessions JOIN users ON users.name = user \
            WHERE key = ?1 AND ends_ms > ?2";
        let found = self
            .connection
            .prepare_cached(select)
            .and_then(|mut select| {
                let values = params![hex_sha256(key.as_bytes()), now_ms()];
                select
                    .query_row(values, |row| {
                        Ok(Session {
                            user: row.get(0)?,
                            acts: row.get(1)?,
                            token: row.get(2)?,
                        })
                    })
                    .optional()
            });
        found.map_err(|error| self.failed(error))
    }

    pub fn end_session(&self, key: &str) -> Result<(), OperatorError> {
        let end = "DELETE FROM sessions WHERE key = ?1";
        let ended = self.connection.execute(end, [hex_sha256(key.as_bytes())]);
        ended.map_err(|error| self.failed(error))?;
        Ok(())
    }
}

/// 256 random bits.
fn random() -> Result<String, OperatorError> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(OperatorError::NoRandom)?;
    Ok(hex(&bytes))
}

#[cfg(test)]
mod tests {
    use super::super::Origin;
    use super::*;

    #[test]
    fn a_session_ends_with_its_user_and_by_number() {
        let folder = tempfile::tempdir().unwrap();
        let records = OperatorRecords::open(folder.path()).unwrap();
        let origin = Origin::command_line();
        let put = |name| records.put_user(name, "long enough", true, &origin);
        put("anna").unwrap();
        let key = records.start_session("anna").unwrap();
        assert_eq!(records.session(&key).unwrap().unwrap().user, "anna");
        assert_eq!(records.session("forged").unwrap(), None);
        let file = std::fs::read(folder.path().join("operators.sqlite")).unwrap();
        assert!(!file.windows(key.len()).any(|bytes| bytes == key.as_bytes()));
        for _ in 0..MOST {
            records.start_session("anna").unwrap();
        }
        assert_eq!(records.session(&key).unwrap(), None);
        let key = records.start_session("anna").unwrap();
        records.end_session(&key).unwrap();
        assert_eq!(records.session(&key).unwrap(), None);
        let key = records.start_session("anna").unwrap();
        // Another password ends the sessions that the old one opened.
        put("anna").unwrap();
        assert_eq!(records.session(&key).unwrap(), None);
        let key = records.start_session("anna").unwrap();
        records.remove_user("anna", &origin).unwrap();
        assert_eq!(records.session(&key).unwrap(), None);
    }
}
