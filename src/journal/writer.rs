//! The thread that writes records. It keeps records that it can't write and drops the oldest when they are too many.
//! The line never waits for it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::aside::{self, FILE};
use super::database::{Database, DatabaseFault};
use super::reading::JournalReader;
use super::{JournalError, JournalRun, Record};
use crate::station::alarm::Alarm;

/// The most records between the line and the thread, and the most that the thread keeps while the disk can't be
/// written.
const IN_FLIGHT: usize = 2_048;
const KEPT: usize = 8_192;
/// A transaction holds up to `BATCH` records, or those of `BATCH_WAIT`.
const BATCH: usize = 256;
const BATCH_WAIT: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_secs(5);

/// The state of the writing thread.
#[derive(Clone, Debug, Default)]
pub struct WriterReport {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    written: AtomicU64,
    shed: AtomicU64,
    failing: AtomicBool,
    /// The latest reason, one sentence.
    why: Mutex<String>,
}

impl WriterReport {
    pub fn written(&self) -> u64 {
        self.shared.written.load(Ordering::Relaxed)
    }

    /// Records lost because the disk could not be written.
    pub fn shed(&self) -> u64 {
        self.shared.shed.load(Ordering::Relaxed)
    }

    /// Whether the disk can't be written at present.
    pub fn failing(&self) -> bool {
        self.shared.failing.load(Ordering::Relaxed)
    }

    /// Why records were lost; empty if none was.
    pub fn why(&self) -> String {
        let why = self.shared.why.lock();
        why.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub struct Writer {
    records: Option<SyncSender<Record>>,
    thread: Option<JoinHandle<()>>,
    pub report: WriterReport,
}

impl Writer {
    /// Continues the journal in this folder, or creates one. A failure is retried again and again.
    pub fn start(folder: &Path, keep: u64, run: &JournalRun) -> Result<Self, JournalError> {
        let (records, inbox) = sync_channel(IN_FLIGHT);
        let report = WriterReport::default();
        let mut worker = WriterThread::new(folder, keep, run, Arc::clone(&report.shared));
        // The first turn finds the number of this run, which the pictures need.
        worker.turn(false);
        let thread = thread::Builder::new()
            .name("journal".into())
            .spawn(move || worker.run(&inbox))
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

struct WriterThread {
    folder: PathBuf,
    /// None while the journal can't be written.
    database: Option<Database>,
    /// The whole file was read without an error.
    read_through: bool,
    /// This run's number was compared with the numbers in the file.
    numbered: bool,
    keep: u64,
    run: JournalRun,
    waiting: VecDeque<Record>,
    shared: Arc<Shared>,
    retry_at: Option<Instant>,
}

impl WriterThread {
    fn new(folder: &Path, keep: u64, run: &JournalRun, shared: Arc<Shared>) -> Self {
        WriterThread {
            folder: folder.into(),
            database: None,
            read_through: false,
            numbered: false,
            keep,
            run: run.clone(),
            waiting: VecDeque::with_capacity(KEPT),
            shared,
            retry_at: None,
        }
    }

    fn run(mut self, inbox: &Receiver<Record>) {
        self.turn(true);
        let mut write_at = None;
        loop {
            let wait = write_at.map_or(BATCH_WAIT, |at: Instant| {
                at.saturating_duration_since(Instant::now())
            });
            match inbox.recv_timeout(wait) {
                Ok(record) => {
                    self.keep(record);
                    write_at.get_or_insert_with(|| Instant::now() + BATCH_WAIT);
                    if !self.waiting.len().is_multiple_of(BATCH) {
                        continue;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.retry_at = None;
                    self.turn(true);
                    let lost = self.waiting.len() as u64;
                    self.shared.shed.fetch_add(lost, Ordering::Relaxed);
                    return;
                }
            }
            self.turn(true);
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

    /// Writes the pending records, unless the last attempt failed just now. `read_through` reads all of the journal
    /// before its first record.
    fn turn(&mut self, read_through: bool) {
        let now = Instant::now();
        if self.retry_at.is_some_and(|at| now < at) {
            return;
        }
        let Err(error) = self.write_or_start_new(read_through) else {
            self.shared.failing.store(false, Ordering::Relaxed);
            self.retry_at = None;
            return;
        };
        self.retry_at = Some(now + RETRY);
        let why = error.to_string();
        let last = self.shared.why.lock();
        let mut last = last.unwrap_or_else(PoisonError::into_inner);
        // The same alarm is given once, until the journal was written again.
        if !self.shared.failing.swap(true, Ordering::Relaxed) || *last != why {
            last.clone_from(&why);
            let alarm = Alarm::JournalWaits { why, kept: KEPT };
            let _ = self.run.alarms.send(alarm.to_string());
        }
    }

    /// Writes, and puts an unusable file aside for a new one, once in a turn.
    fn write_or_start_new(&mut self, read_through: bool) -> Result<(), JournalError> {
        let why = match self.write(read_through) {
            Ok(()) => return Ok(()),
            Err(DatabaseFault::Place(error)) => return Err(error),
            Err(DatabaseFault::File(why)) => why,
        };
        let path = self.folder.join(FILE);
        let failed = |reason: String| JournalError::Database {
            path: path.clone(),
            reason,
            advice: "correct what it names, or name another folder as `journal.path`",
        };
        let aside = aside::put_aside(&path, ".sqlite")
            .map_err(|error| failed(format!("{why}; it can't be put aside: {error}")))?;
        let Some(aside) = aside else {
            return Err(failed(why));
        };
        let alarm = Alarm::JournalReplaced {
            path: path.clone(),
            why,
            aside,
        };
        let _ = self.run.alarms.send(alarm.to_string());
        self.write(read_through).map_err(|fault| match fault {
            DatabaseFault::Place(error) => error,
            DatabaseFault::File(why) => failed(why),
        })
    }

    fn write(&mut self, read_through: bool) -> Result<(), DatabaseFault> {
        let mut database = match self.database.take() {
            Some(database) if database.in_place() => database,
            Some(removed) => {
                drop(removed);
                let alarm = Alarm::JournalRemoved(self.folder.clone());
                let _ = self.run.alarms.send(alarm.to_string());
                self.open()?
            }
            None => self.open()?,
        };
        if read_through && !self.read_through {
            database = database.read_through()?;
            self.read_through = true;
        }
        if read_through && !self.waiting.is_empty() {
            if let Err(error) = database.add(&self.waiting, self.keep) {
                self.read_through = false;
                return Err(database.give_up(&error));
            }
            let written = self.waiting.len() as u64;
            self.shared.written.fetch_add(written, Ordering::Relaxed);
            self.waiting.clear();
        }
        self.database = Some(database);
        Ok(())
    }

    fn open(&mut self) -> Result<Database, DatabaseFault> {
        self.read_through = false;
        let database = Database::open(&self.folder)?;
        if !self.numbered {
            let latest = match database.latest_run() {
                Ok(latest) => latest,
                Err(error) => return Err(database.give_up(&error)),
            };
            let number = 1 + latest.max(self.latest_aside());
            let number = self
                .run
                .number
                .fetch_max(number, Ordering::Relaxed)
                .max(number);
            self.waiting.iter_mut().for_each(|r| r.run = number);
            self.numbered = true;
        }
        Ok(database)
    }

    /// The latest run in the journals that were put aside.
    fn latest_aside(&self) -> i64 {
        let aside = aside::journals(&self.folder).into_iter().rev();
        let mut runs = aside.filter_map(|path| JournalReader::open(&path).ok()?.latest_run().ok());
        runs.next().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI64;
    use std::sync::mpsc::channel;

    use super::super::database::tests::record;
    use super::super::{Filter, find};
    use super::*;

    fn count(folder: &Path) -> (usize, u32) {
        let (mut count, mut first) = (0, 0);
        let unread = find(folder, &Filter::default(), &mut |r| {
            if count == 0 {
                first = r.part;
            }
            count += 1;
            true
        });
        assert!(unread.unwrap().is_empty());
        (count, first)
    }

    fn run() -> (JournalRun, Receiver<String>) {
        let (alarms_in, alarms) = channel();
        let run = JournalRun {
            number: Arc::new(AtomicI64::new(1)),
            alarms: alarms_in,
        };
        (run, alarms)
    }

    #[test]
    fn everything_is_written_by_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let (run, alarms) = run();
        let writer = Writer::start(folder.path(), 1_000_000, &run).unwrap();
        for part in 1..=1_000 {
            writer.write(record(1, part, "good"));
        }
        let report = writer.report.clone();
        drop(writer);
        assert_eq!((report.written(), report.shed()), (1_000, 0));
        assert_eq!(count(folder.path()), (1_000, 1));
        assert_eq!(alarms.try_iter().count(), 0);
    }

    #[test]
    fn a_disk_that_is_full_costs_the_oldest_records_only() {
        let folder = tempfile::tempdir().unwrap();
        let (run, alarms) = run();
        let mut worker = WriterThread::new(folder.path(), 1_000_000, &run, Arc::default());
        worker.turn(true);
        worker.database.as_ref().unwrap().bound_pages(8);
        for part in 1..=KEPT as u32 + 500 {
            worker.keep(record(1, part, "good"));
        }
        worker.turn(true);
        assert!(worker.shared.failing.load(Ordering::Relaxed));
        assert_eq!(worker.waiting.len(), KEPT);
        let alarm = alarms.try_recv().unwrap();
        assert!(alarm.contains("free space there"), "{alarm}");
        // The bound is the connection's, and a failing one is closed.
        worker.retry_at = None;
        worker.turn(true);
        assert_eq!(worker.shared.shed.load(Ordering::Relaxed), 500);
        assert_eq!(count(folder.path()), (KEPT, 501));
    }

    #[test]
    fn a_journal_that_goes_wrong_while_it_is_written_is_put_aside_or_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal");
        let (run, alarms) = run();
        std::fs::write(&journal, "a file where the folder should be").unwrap();
        let mut worker = WriterThread::new(&journal, 1_000_000, &run, Arc::default());
        let turn = |worker: &mut WriterThread, part| {
            worker.keep(record(1, part, "good"));
            worker.retry_at = None;
            worker.turn(true);
            alarms.try_iter().collect::<Vec<_>>()
        };
        let alarm = turn(&mut worker, 1).concat();
        assert!(alarm.contains("journal.path"), "{alarm}");
        assert_eq!(turn(&mut worker, 2), [""; 0], "it is reported once");
        std::fs::remove_file(&journal).unwrap();
        assert_eq!(turn(&mut worker, 3), [""; 0]);
        assert_eq!(count(&journal), (3, 1));

        std::fs::remove_dir_all(&journal).unwrap();
        let alarm = turn(&mut worker, 4).concat();
        assert!(alarm.contains("moved or removed"), "{alarm}");
        assert_eq!(count(&journal), (1, 4));

        // Another program drops the table under it.
        let other = rusqlite::Connection::open(journal.join(FILE)).unwrap();
        other.execute_batch("DROP TABLE parts").unwrap();
        drop(other);
        let alarm = turn(&mut worker, 5).concat();
        assert!(
            alarm.contains("no such table") && alarm.contains("damaged-1.sqlite"),
            "{alarm}"
        );
        assert!(!worker.shared.failing.load(Ordering::Relaxed));
        let latest = Filter {
            limit: Some(1),
            ..Filter::default()
        };
        let mut parts = Vec::new();
        find(&journal, &latest, &mut |r| {
            parts.push(r.part);
            true
        })
        .unwrap();
        assert_eq!(parts, [5]);
    }

    #[test]
    fn a_run_s_number_is_taken_by_no_earlier_run() {
        let folder = tempfile::tempdir().unwrap();
        let number = || {
            let (run, _alarms) = run();
            let writer = Writer::start(folder.path(), 1_000, &run).unwrap();
            let number = run.number.load(Ordering::Relaxed);
            writer.write(record(number, 1, "bad"));
            number
        };
        assert_eq!((number(), number()), (1, 2));
        aside::put_aside(&folder.path().join(FILE), ".sqlite").unwrap();
        assert_eq!(number(), 3);
        // The caller knows of later runs.
        let (run, _alarms) = run();
        run.number.store(8, Ordering::Relaxed);
        drop(Writer::start(folder.path(), 1_000, &run).unwrap());
        assert_eq!(run.number.load(Ordering::Relaxed), 8);
    }
}
