//! Parts that a person looked at: really bad, or good.

use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::{OperatorError, OperatorRecords, now_ms};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    Good,
    Bad,
}

impl Mark {
    pub fn name(self) -> &'static str {
        match self {
            Mark::Good => "good",
            Mark::Bad => "bad",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "good" => Mark::Good,
            _ => Mark::Bad,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Review {
    pub run: i64,
    pub part: u32,
    pub mark: Mark,
    /// Product and version of the bundle that judged it.
    pub bundle: String,
    pub score: Option<f64>,
}

impl OperatorRecords {
    pub fn mark(&self, review: &Review, user: &str) -> Result<(), OperatorError> {
        let put = "INSERT OR REPLACE INTO reviews (run, part, mark, bundle, score, user, at_ms) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let values = params![
            review.run,
            review.part,
            review.mark.name(),
            review.bundle,
            review.score,
            user,
            now_ms()
        ];
        let put = self.connection.execute(put, values);
        put.map_err(|error| self.failed(error))?;
        Ok(())
    }

    pub fn unmark(&self, run: i64, part: u32) -> Result<(), OperatorError> {
        let delete = "DELETE FROM reviews WHERE run = ?1 AND part = ?2";
        let deleted = self.connection.execute(delete, params![run, part]);
        deleted.map_err(|error| self.failed(error))?;
        Ok(())
    }

    pub fn mark_of(&self, run: i64, part: u32) -> Result<Option<Mark>, OperatorError> {
        let select = "SELECT mark FROM reviews WHERE run = ?1 AND part = ?2";
        let found = self
            .connection
            .prepare_cached(select)
            .and_then(|mut select| {
                select
                    .query_row(params![run, part], |row| row.get::<_, String>(0))
                    .optional()
            });
        let found = found.map_err(|error| self.failed(error))?;
        Ok(found.map(|mark| Mark::parse(&mark)))
    }

    /// All reviews, in the order of the parts.
    pub fn reviews(&self) -> Result<Vec<Review>, OperatorError> {
        let read = || {
            let select = "SELECT run, part, mark, bundle, score FROM reviews ORDER BY run, part";
            let mut select = self.connection.prepare(select)?;
            let reviews = select.query_map([], |row| {
                Ok(Review {
                    run: row.get(0)?,
                    part: row.get(1)?,
                    mark: Mark::parse(&row.get::<_, String>(2)?),
                    bundle: row.get(3)?,
                    score: row.get(4)?,
                })
            })?;
            reviews.collect::<rusqlite::Result<_>>()
        };
        read().map_err(|error| self.failed(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_mark_counts() {
        let folder = tempfile::tempdir().unwrap();
        let records = OperatorRecords::open(folder.path()).unwrap();
        let review = |mark| Review {
            run: 3,
            part: 14,
            mark,
            bundle: "bottle 3".into(),
            score: Some(2.5),
        };
        records.mark(&review(Mark::Bad), "anna").unwrap();
        records.mark(&review(Mark::Good), "anna").unwrap();
        assert_eq!(records.reviews().unwrap(), [review(Mark::Good)]);
        assert_eq!(records.mark_of(3, 14).unwrap(), Some(Mark::Good));
        records.unmark(3, 14).unwrap();
        assert_eq!(records.mark_of(3, 14).unwrap(), None);
    }
}
