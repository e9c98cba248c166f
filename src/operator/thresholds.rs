//! Thresholds that persons set. Each belongs to a bundle and to the threshold that it replaces: where a new version or a
//! new calibration brings another one, the scores mean something else, and the person decides again.

use std::fmt;

use aecsad_program::times::show_time;
use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;

use super::{OperatorError, OperatorRecords, Origin, now_ms};

/// The most bundles whose thresholds a station holds at once.
const MOST_IN_FORCE: u32 = 64;

/// What a threshold belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Basis {
    /// Product and version.
    pub bundle: String,
    /// The threshold of the bundle, or of the station's calibration for it.
    pub own: f32,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ThresholdChange {
    pub at_ms: i64,
    pub user: String,
    pub bundle: String,
    pub own: f32,
    pub value: f32,
    pub reason: String,
}

impl fmt::Display for ThresholdChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ThresholdChange {
            user,
            own,
            value,
            reason,
            ..
        } = self;
        let at = show_time(self.at_ms);
        write!(
            f,
            "{value:.3} instead of {own:.3}, set by {user} on {at}: {reason}"
        )
    }
}

const COLUMNS: &str = "at_ms, user, bundle, own, value, reason";

fn change(row: &Row<'_>) -> rusqlite::Result<ThresholdChange> {
    Ok(ThresholdChange {
        at_ms: row.get(0)?,
        user: row.get(1)?,
        bundle: row.get(2)?,
        own: row.get(3)?,
        value: row.get(4)?,
        reason: row.get(5)?,
    })
}

impl OperatorRecords {
    /// The threshold in force, if a person set one for this basis.
    pub fn threshold(&self, basis: &Basis) -> Result<Option<ThresholdChange>, OperatorError> {
        let select = format!(
            "SELECT {COLUMNS} FROM thresholds WHERE bundle = ?1 AND own = ?2 AND undone = 0 \
            ORDER BY id DESC LIMIT 1"
        );
        let found = self
            .connection
            .query_row(&select, params![basis.bundle, basis.own], change)
            .optional();
        found.map_err(|error| self.failed(error))
    }

    /// All thresholds in force, the latest first.
    pub fn thresholds_in_force(&self) -> Result<Vec<ThresholdChange>, OperatorError> {
        let select = format!(
            "SELECT {COLUMNS} FROM thresholds WHERE id IN \
            (SELECT max(id) FROM thresholds WHERE undone = 0 GROUP BY bundle, own) \
            ORDER BY id DESC LIMIT {MOST_IN_FORCE}"
        );
        self.select_changes(&select, [])
    }

    /// All changes for a bundle, the latest first.
    pub fn threshold_changes(&self, bundle: &str) -> Result<Vec<ThresholdChange>, OperatorError> {
        let select = format!(
            "SELECT {COLUMNS} FROM thresholds WHERE bundle = ?1 AND undone = 0 \
            ORDER BY id DESC LIMIT 100"
        );
        self.select_changes(&select, [bundle])
    }

    fn select_changes(
        &self,
        select: &str,
        values: impl rusqlite::Params,
    ) -> Result<Vec<ThresholdChange>, OperatorError> {
        let read = || {
            let mut select = self.connection.prepare(select)?;
            select
                .query_map(values, change)?
                .collect::<rusqlite::Result<_>>()
        };
        read().map_err(|error| self.failed(error))
    }

    /// Sets the threshold for this basis from now on.
    pub fn set_threshold(
        &self,
        basis: &Basis,
        value: f32,
        reason: &str,
        origin: &Origin,
    ) -> Result<(), OperatorError> {
        if !value.is_finite() {
            return Err(OperatorError::Threshold { value });
        }
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(OperatorError::NoReason);
        }
        let before = self.in_force(basis)?;
        let insert = "INSERT INTO thresholds (at_ms, user, bundle, own, value, reason) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let Basis { bundle, own } = basis;
        let values = params![now_ms(), origin.user, bundle, own, value, reason];
        self.in_one(|| {
            let inserted = self.connection.execute(insert, values);
            inserted.map_err(|error| self.failed(error))?;
            self.note_change(basis, before, value, reason, origin)
        })
    }

    /// Takes the latest change for this basis back. Returns the threshold that is in force from now on.
    pub fn undo_threshold(
        &self,
        basis: &Basis,
        reason: &str,
        origin: &Origin,
    ) -> Result<f32, OperatorError> {
        let before = self.in_force(basis)?;
        let undo = "UPDATE thresholds SET undone = 1 WHERE id = \
            (SELECT max(id) FROM thresholds WHERE bundle = ?1 AND own = ?2 AND undone = 0)";
        self.in_one(|| {
            let undone = self
                .connection
                .execute(undo, params![basis.bundle, basis.own])
                .map_err(|error| self.failed(error))?;
            if undone == 0 {
                let bundle = basis.bundle.clone();
                return Err(OperatorError::NothingToUndo { bundle });
            }
            let after = self.in_force(basis)?;
            self.note_change(basis, before, after, reason.trim(), origin)?;
            Ok(after)
        })
    }

    fn in_force(&self, basis: &Basis) -> Result<f32, OperatorError> {
        let set = self.threshold(basis)?;
        Ok(set.map_or(basis.own, |set| set.value))
    }

    fn note_change(
        &self,
        basis: &Basis,
        before: f32,
        after: f32,
        reason: &str,
        origin: &Origin,
    ) -> Result<(), OperatorError> {
        let after = format!("{after} for {}", basis.bundle);
        self.note(origin, "threshold", (&before.to_string(), &after), reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_belongs_to_its_basis_and_can_be_undone() {
        let folder = tempfile::tempdir().unwrap();
        let records = OperatorRecords::open(folder.path()).unwrap();
        let origin = Origin::command_line();
        let basis = |own| Basis {
            bundle: "bottle 3".into(),
            own,
        };
        let value = |own| {
            let set = records.threshold(&basis(own)).unwrap();
            set.map(|set| set.value)
        };
        let set = |value| records.set_threshold(&basis(10.1), value, "scratches", &origin);
        set(9.0).unwrap();
        set(8.5).unwrap();
        assert_eq!((value(10.1), value(10.2)), (Some(8.5), None));
        assert_eq!(records.thresholds_in_force().unwrap().len(), 1);
        let undo = || records.undo_threshold(&basis(10.1), "no", &origin);
        assert_eq!(undo().unwrap(), 9.0);
        assert_eq!(undo().unwrap(), 10.1);
        assert!(undo().unwrap_err().to_string().contains("nothing to undo"));
        assert!(set(f32::NAN).is_err());
        assert!(
            records
                .set_threshold(&basis(10.1), 9.0, " ", &origin)
                .is_err()
        );
        let actions = records.actions(10).unwrap();
        assert_eq!(actions.len(), 4);
        assert_eq!(actions[0].before, "9");
        assert_eq!(actions[0].after, "10.1 for bottle 3");
    }
}
