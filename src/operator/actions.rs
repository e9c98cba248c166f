//! The record of actions: who did what, when, from where, and what it changed.

use rusqlite::params;
use serde::Serialize;

use super::{OperatorError, OperatorRecords, now_ms};

/// Actions that are kept, the latest.
const KEPT: i64 = 100_000;
const MOST_REASON: usize = 1_000;

/// Who acts, and from where.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    pub user: String,
    /// An address, or `command line`.
    pub from: String,
}

impl Origin {
    /// The person at this machine's command line.
    pub fn command_line() -> Self {
        let user = ["SUDO_USER", "USER"]
            .iter()
            .find_map(|name| std::env::var(name).ok());
        Origin {
            user: user.unwrap_or_else(|| "unknown".into()),
            from: "command line".into(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Action {
    pub at_ms: i64,
    pub user: String,
    pub from: String,
    pub action: String,
    pub before: String,
    pub after: String,
    pub reason: String,
}

impl OperatorRecords {
    pub fn note(
        &self,
        origin: &Origin,
        action: &str,
        (before, after): (&str, &str),
        reason: &str,
    ) -> Result<(), OperatorError> {
        if reason.len() > MOST_REASON {
            return Err(OperatorError::LongReason { most: MOST_REASON });
        }
        let Origin { user, from } = origin;
        let insert = "INSERT INTO actions (at_ms, user, origin, action, before, after, reason) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let values = params![now_ms(), user, from, action, before, after, reason];
        self.connection
            .prepare_cached(insert)
            .and_then(|mut insert| insert.execute(values))
            .and_then(|_| {
                let oldest = self.connection.last_insert_rowid() - KEPT;
                let prune = "DELETE FROM actions WHERE id <= ?1";
                self.connection.execute(prune, [oldest])
            })
            .map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// The latest actions, the latest first.
    pub fn actions(&self, limit: u32) -> Result<Vec<Action>, OperatorError> {
        let select = "SELECT at_ms, user, origin, action, before, after, reason FROM actions \
            ORDER BY id DESC LIMIT ?1";
        let read = || {
            let mut select = self.connection.prepare_cached(select)?;
            let actions = select.query_map([limit], |row| {
                Ok(Action {
                    at_ms: row.get(0)?,
                    user: row.get(1)?,
                    from: row.get(2)?,
                    action: row.get(3)?,
                    before: row.get(4)?,
                    after: row.get(5)?,
                    reason: row.get(6)?,
                })
            })?;
            actions.collect::<rusqlite::Result<_>>()
        };
        read().map_err(|error| self.failed(error))
    }
}
