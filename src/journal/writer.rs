//! The thread that writes records. What it can't write it keeps for a while, then lets the oldest go; the line never waits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Database, JournalError, Record};

/// Between the line and the thread; and what the thread keeps while the disk takes nothing.
const IN_FLIGHT: usize = 2_048;
const KEPT: usize = 8_192;
/// So many records, or after so long, are one transaction.
const BATCH: usize = 256;
const BATCH_WAIT: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_secs(5);

/// How the writing goes.
#[derive(Clone, Debug, Default)]
pub struct WriterReport {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    written: AtomicU64,
    shed: AtomicU64,
    failing: AtomicBool,
}

impl WriterReport {
    pub fn written(&self) -> u64 {
        self.shared.written.load(Ordering::Relaxed)
    }

    /// Records lost because the disk took none.
    pub fn shed(&self) -> u64 {
        self.shared.shed.load(Ordering::Relaxed)
    }

    /// The disk takes none at the moment.
    pub fn failing(&self) -> bool {
        self.shared.failing.load(Ordering::Relaxed)
    }
}

pub struct Writer {
    records: Option<SyncSender<Record>>,
    thread: Option<JoinHandle<()>>,
    pub report: WriterReport,
}

impl Writer {
    pub fn start(database: Database, keep: u64) -> Result<Self, JournalError> {
        let (records, inbox) = sync_channel(IN_FLIGHT);
        let report = WriterReport::default();
        let desk = Desk {
            database,
            keep,
            waiting: VecDeque::with_capacity(KEPT),
            shared: Arc::clone(&report.shared),
            retry_at: None,
        };
        let thread = thread::Builder::new()
            .name("journal".into())
            .spawn(move || desk.run(&inbox))
            .map_err(JournalError::NoThread)?;
        Ok(Writer {
            records: Some(records),
            thread: Some(thread),
            report,
        })
    }

    /// Never waits.
    pub fn write(&self, record: Record) {
        let sent = self
            .records
            .as_ref()
            .is_some_and(|records| records.try_send(record).is_ok());
        if !sent {
            self.report.shared.shed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The thread writes what is left and ends.
        self.records = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Desk {
    database: Database,
    keep: u64,
    waiting: VecDeque<Record>,
    shared: Arc<Shared>,
    retry_at: Option<Instant>,
}

impl Desk {
    fn run(mut self, inbox: &Receiver<Record>) {
        let mut write_at = None;
        loop {
            let wait = write_at.map_or(BATCH_WAIT, |at: Instant| {
                at.saturating_duration_since(Instant::now())
            });
            match inbox.recv_timeout(wait) {
                Ok(record) => {
                    self.keep(record);
                    write_at.get_or_insert_with(|| Instant::now() + BATCH_WAIT);
                    if self.waiting.len() % BATCH != 0 {
                        continue;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.retry_at = None;
                    self.write();
                    return;
                }
            }
            self.write();
            write_at = None;
        }
    }

    fn keep(&mut self, record: Record) {
        if self.waiting.len() == KEPT {
            self.waiting.pop_front();
            self.shared.shed.fetch_add(1, Ordering::Relaxed);
        }
        self.waiting.push_back(record);
    }

    fn write(&mut self) {
        let now = Instant::now();
        if self.waiting.is_empty() || self.retry_at.is_some_and(|at| now < at) {
            return;
        }
        match self.database.add(&self.waiting, self.keep) {
            Ok(()) => {
                self.shared
                    .written
                    .fetch_add(self.waiting.len() as u64, Ordering::Relaxed);
                self.shared.failing.store(false, Ordering::Relaxed);
                self.retry_at = None;
                self.waiting.clear();
            }
            Err(error) => {
                if !self.shared.failing.swap(true, Ordering::Relaxed) {
                    log::warn!("{error}; the line goes on, and records are kept for a while");
                }
                self.retry_at = Some(now + RETRY);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Filter;
    use super::super::database::tests::record;
    use super::*;

    fn count(folder: &std::path::Path) -> (usize, u32) {
        let (mut count, mut first) = (0, 0);
        let database = Database::read(folder).unwrap();
        database
            .find(&Filter::default(), |r| {
                if count == 0 {
                    first = r.part;
                }
                count += 1;
                true
            })
            .unwrap();
        (count, first)
    }

    #[test]
    fn everything_is_written_by_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let writer = Writer::start(Database::open(folder.path()).unwrap(), 1_000_000).unwrap();
        for part in 1..=1_000 {
            writer.write(record(1, part, "good"));
        }
        let report = writer.report.clone();
        drop(writer);
        assert_eq!((report.written(), report.shed()), (1_000, 0));
        assert_eq!(count(folder.path()), (1_000, 1));
    }

    #[test]
    fn a_disk_that_is_full_costs_the_oldest_records_only() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(folder.path()).unwrap();
        database.bound_pages(8);
        let mut desk = Desk {
            database,
            keep: 1_000_000,
            waiting: VecDeque::new(),
            shared: Arc::default(),
            retry_at: None,
        };
        for part in 1..=KEPT as u32 + 500 {
            desk.keep(record(1, part, "good"));
        }
        desk.write();
        assert!(desk.shared.failing.load(Ordering::Relaxed));
        assert_eq!(desk.waiting.len(), KEPT);
        desk.database.bound_pages(1_000_000);
        desk.retry_at = None;
        desk.write();
        assert_eq!(desk.shared.shed.load(Ordering::Relaxed), 500);
        assert_eq!(count(folder.path()), (KEPT, 501));
    }
}
