//! Users and their passwords, which are stored as argon2id hashes only.

use std::sync::OnceLock;

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use rusqlite::{OptionalExtension, params};

use super::{OperatorError, OperatorRecords, Origin, now_ms};

const LEAST_PASSWORD: usize = 10;
const MOST_PASSWORD: usize = 512;
const MOST_NAME: usize = 40;

#[derive(Clone, Debug, PartialEq)]
pub struct User {
    pub name: String,
    /// Whether this user may change anything; otherwise the user only looks.
    pub acts: bool,
    pub added_ms: i64,
}

impl OperatorRecords {
    pub fn has_users(&self) -> Result<bool, OperatorError> {
        let count = "SELECT EXISTS (SELECT 1 FROM users)";
        let found = self.connection.query_row(count, [], |row| row.get(0));
        found.map_err(|error| self.failed(error))
    }

    pub fn users(&self) -> Result<Vec<User>, OperatorError> {
        let read = || {
            let select = "SELECT name, acts, added_ms FROM users ORDER BY name";
            let mut select = self.connection.prepare(select)?;
            let users = select.query_map([], |row| {
                Ok(User {
                    name: row.get(0)?,
                    acts: row.get(1)?,
                    added_ms: row.get(2)?,
                })
            })?;
            users.collect::<rusqlite::Result<_>>()
        };
        read().map_err(|error| self.failed(error))
    }

    /// Adds a user, or gives an existing one another password and right. All sessions of that user end.
    pub fn put_user(
        &self,
        name: &str,
        password: &str,
        acts: bool,
        origin: &Origin,
    ) -> Result<(), OperatorError> {
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
        let count = name.chars().count();
        if !(1..=MOST_NAME).contains(&count) || !name.chars().all(fits) {
            let name = name.escape_debug().to_string();
            return Err(OperatorError::Name { name });
        }
        if password.chars().count() < LEAST_PASSWORD {
            let least = LEAST_PASSWORD;
            return Err(OperatorError::ShortPassword { least });
        }
        if password.len() > MOST_PASSWORD {
            let most = MOST_PASSWORD;
            return Err(OperatorError::LongPassword { most });
        }
        let hash = hashed(password.as_bytes())?;
        let put = "INSERT INTO users (name, password, acts, added_ms) VALUES (?1, ?2, ?3, ?4) \
            ON CONFLICT (name) DO UPDATE SET password = ?2, acts = ?3";
        let right = if acts { "looks and acts" } else { "looks" };
        self.in_one(|| {
            self.connection
                .execute(put, params![name, hash, acts, now_ms()])
                .and_then(|_| {
                    let end = "DELETE FROM sessions WHERE user = ?1";
                    self.connection.execute(end, [name])
                })
                .map_err(|error| self.failed(error))?;
            self.note(origin, "user", ("", &format!("{name}: {right}")), "")
        })
    }

    pub fn remove_user(&self, name: &str, origin: &Origin) -> Result<(), OperatorError> {
        self.in_one(|| {
            let removed = self
                .connection
                .execute("DELETE FROM users WHERE name = ?1", [name])
                .map_err(|error| self.failed(error))?;
            if removed == 0 {
                let name = name.escape_debug().to_string();
                return Err(OperatorError::NoUser { name });
            }
            self.note(origin, "user", (name, "removed"), "")
        })
    }

    /// Whether this is the user's password. It takes as long for a user that does not exist.
    pub fn password_is_right(&self, name: &str, password: &str) -> Result<bool, OperatorError> {
        let select = "SELECT password FROM users WHERE name = ?1";
        let stored: Option<String> = self
            .connection
            .query_row(select, [name], |row| row.get(0))
            .optional()
            .map_err(|error| self.failed(error))?;
        let known = stored.is_some();
        let stored = match stored {
            Some(stored) => stored,
            None => no_user_s_hash()?.to_owned(),
        };
        if password.len() > MOST_PASSWORD {
            return Ok(false);
        }
        let hash = PasswordHash::new(&stored);
        let hash = hash.map_err(|error| OperatorError::Hash(error.to_string()))?;
        let right = Argon2::default().verify_password(password.as_bytes(), &hash);
        Ok(known && right.is_ok())
    }
}

/// A hash to check a password against that belongs to no user.
fn no_user_s_hash() -> Result<&'static str, OperatorError> {
    static HASH: OnceLock<String> = OnceLock::new();
    if let Some(hash) = HASH.get() {
        return Ok(hash);
    }
    let hash = hashed(b"")?;
    Ok(HASH.get_or_init(|| hash))
}

fn hashed(password: &[u8]) -> Result<String, OperatorError> {
    let salt = SaltString::generate(&mut OsRng);
    let hash = Argon2::default().hash_password(password, &salt);
    let hash = hash.map_err(|error| OperatorError::Hash(error.to_string()))?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_checked_and_never_stored() {
        let folder = tempfile::tempdir().unwrap();
        let records = OperatorRecords::open(folder.path()).unwrap();
        let origin = Origin::command_line();
        assert!(!records.has_users().unwrap());
        records
            .put_user("anna", "correct horse", true, &origin)
            .unwrap();
        assert!(records.password_is_right("anna", "correct horse").unwrap());
        assert!(!records.password_is_right("anna", "correct hors").unwrap());
        assert!(!records.password_is_right("bert", "").unwrap());
        let file = std::fs::read(folder.path().join("operators.sqlite")).unwrap();
        let contains = |text: &[u8]| file.windows(text.len()).any(|bytes| bytes == text);
        assert!(contains(b"argon2id") && !contains(b"correct horse"));
        records.remove_user("anna", &origin).unwrap();
        assert!(!records.password_is_right("anna", "correct horse").unwrap());
        assert!(records.remove_user("anna", &origin).is_err());
        assert_eq!(records.actions(10).unwrap().len(), 2);
    }

    #[test]
    fn names_and_passwords_that_can_t_be_used_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let records = OperatorRecords::open(folder.path()).unwrap();
        let put = |name: &str, password: &str| {
            let put = records.put_user(name, password, false, &Origin::command_line());
            put.err().map(|error| error.to_string()).unwrap_or_default()
        };
        let long = "x".repeat(513);
        for name in ["", "a b", "<script>", "\n", &long] {
            assert!(put(name, "long enough").contains("can't be used"), "{name}");
        }
        assert!(put("anna", "short").contains("at least 10"));
        assert!(put("anna", &long).contains("at most 512"));
        assert!(put("jürgen.o-k", "long enough").is_empty());
    }
}
