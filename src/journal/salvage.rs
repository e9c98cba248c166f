//! Reads the records before and after the damage of a damaged journal.

use std::collections::VecDeque;

use super::Record;
use super::reading::{COLUMNS, ID, JournalReader, record};

/// The highest record number that is searched.
const FARTHEST: i64 = 1 << 40;

impl JournalReader {
    /// Hands on every readable record after the record `after`, across the damage. Returns their number.
    pub fn salvage(&self, after: i64, take: &mut dyn FnMut(Record) -> bool) -> usize {
        let (mut last, mut read, mut more) = (after, 0, true);
        while more {
            let ascending = self.scan("id > ?1 ORDER BY id", [last, 0], &mut |id, record| {
                last = id;
                if let Ok(record) = record {
                    read += 1;
                    more = take(record);
                }
                more
            });
            if ascending.is_ok() || !more {
                break;
            }
            let Some(beyond) = self.beyond(last) else {
                break;
            };
            // Read backwards from the end up to the damage.
            let mut behind = Vec::new();
            let back = "id > ?1 AND id < ?2 ORDER BY id DESC";
            let _ = self.scan(back, [last, beyond], &mut |_, record| {
                behind.extend(record);
                true
            });
            for record in behind.into_iter().rev() {
                read += 1;
                more = more && take(record);
            }
            last = beyond - 1;
        }
        read
    }

    /// The first record found after the damage that follows record `last`.
    fn beyond(&self, last: i64) -> Option<i64> {
        let mut step = 2;
        while step < FARTHEST {
            let sql = "SELECT id FROM parts NOT INDEXED WHERE id >= ?1 ORDER BY id LIMIT 1";
            let probe = [last.saturating_add(step)];
            match self.connection.query_row(sql, probe, |row| row.get(0)) {
                Ok(id) => return Some(id),
                Err(rusqlite::Error::QueryReturnedNoRows) => return None,
                Err(_) => step *= 2,
            }
        }
        None
    }

    fn scan(
        &self,
        which: &str,
        [from, to]: [i64; 2],
        take: &mut dyn FnMut(i64, rusqlite::Result<Record>) -> bool,
    ) -> rusqlite::Result<()> {
        let table = format!("(SELECT *{} FROM parts NOT INDEXED)", self.stand_ins()?);
        let sql = format!("SELECT {COLUMNS} FROM {table} WHERE {which}");
        let mut select = self.connection.prepare(&sql)?;
        let mut rows = match which.contains("?2") {
            true => select.query([from, to])?,
            false => select.query([from])?,
        };
        while let Some(row) = rows.next()? {
            if !take(row.get(ID)?, record(row)) {
                break;
            }
        }
        Ok(())
    }
}

/// Hands records on at once, or only the latest ones at the end if there is a limit.
pub(super) struct Latest<'t> {
    limit: Option<usize>,
    kept: VecDeque<Record>,
    take: &'t mut dyn FnMut(Record) -> bool,
}

impl<'t> Latest<'t> {
    pub fn new(limit: Option<u32>, take: &'t mut dyn FnMut(Record) -> bool) -> Self {
        Latest {
            limit: limit.map(|limit| limit as usize),
            kept: Default::default(),
            take,
        }
    }

    pub fn take(&mut self, record: Record) -> bool {
        let Some(limit) = self.limit else {
            return (self.take)(record);
        };
        self.kept.push_back(record);
        if self.kept.len() > limit {
            self.kept.pop_front();
        }
        true
    }

    pub fn hand_out(self) {
        for record in self.kept {
            if !(self.take)(record) {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::aside::FILE;
    use super::super::reading::tests::journal_of;
    use super::super::{Filter, find};
    use super::*;

    fn zero(path: &Path, (start, end): (usize, usize)) {
        let mut bytes = std::fs::read(path).unwrap();
        bytes[start * 4096..end * 4096].fill(0);
        std::fs::write(path, bytes).unwrap();
    }

    /// What is found of a journal with these pages (from, to) zeroed, and whether it was said that some are missing.
    fn salvaged(pages: &[(usize, usize)], filter: &Filter) -> (Vec<u32>, bool) {
        let folder = tempfile::tempdir().unwrap();
        journal_of(folder.path(), 3_000);
        let path = folder.path().join(FILE);
        pages.iter().for_each(|pages| zero(&path, *pages));
        assert!(JournalReader::open(&path).unwrap().check().is_err());
        let mut found = Vec::new();
        let unread = find(folder.path(), filter, &mut |r| {
            found.push(r.part);
            true
        });
        assert!(found.is_sorted());
        (found, !unread.unwrap().is_empty())
    }

    #[test]
    fn of_a_damaged_journal_everything_is_read_that_can_be() {
        let all = Filter::default();
        let (one, said) = salvaged(&[(20, 28)], &all);
        assert!(said && one.len() > 2_500 && one.contains(&1) && one.contains(&3_000));
        let (two, _) = salvaged(&[(20, 28), (60, 62)], &all);
        assert!(two.len() > 2_200 && two.len() < one.len(), "{}", two.len());
        let latest = Filter {
            limit: Some(2_600),
            ..Filter::default()
        };
        let (latest, _) = salvaged(&[(20, 28)], &latest);
        assert_eq!(latest, one[one.len() - 2_600..]);
        let until = Filter {
            until_ms: Some(100_000),
            ..Filter::default()
        };
        assert_eq!(salvaged(&[(60, 62)], &until).0.len(), 99);
    }
}
