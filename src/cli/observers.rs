//! The observers of a running line: the table on the screen, the journal, the metrics, the watchdogs. None of
//! them holds the line up.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use aecsad_program::counted;

use super::table::Table;
use crate::cli::error::Result;
use crate::journal::{JournalRun, Pictures, Record, Writer};
use crate::monitor::{Metrics, Server, Snapshot};
use crate::reject::{ProductName, RejectEvent};
use crate::station::alarm::Alarm;
use crate::station::changeover::SelectionRequest;
use crate::station::config::{JournalConfig, StationConfig};
use crate::station::ledger::{Ledger, LedgerEntry, Row, Totals};
use crate::station::watchdog::Watchdog;
use crate::station::{Ended, Health, LineEvent, Message};

const METRICS_EACH: Duration = Duration::from_secs(1);

pub struct Observers<'k> {
    ledger: Ledger,
    outlets: Outlets<'k>,
    watchdog: Watchdog,
    metrics_at: Instant,
    changeover: Option<Changeover>,
    /// The controller's request that this station can't fulfil, reported once.
    unfulfilled: Option<ProductName>,
    _server: Option<Server>,
}

/// The messages and requests between a running line and the thread that watches its slots.
pub struct Changeover {
    pub messages: Receiver<Message>,
    pub request: SelectionRequest,
}

/// The outputs of a finished row.
struct Outlets<'k> {
    table: Table,
    journal: Option<Journal>,
    metrics: Option<Arc<Metrics>>,
    keep: &'k mut dyn FnMut(&Row),
}

/// The journal of one run.
pub struct Journal {
    writer: Writer,
    run: JournalRun,
    alarms: Receiver<String>,
    /// The bundle of the latest verdict: a part without a verdict is recorded under it as well.
    bundle: Arc<str>,
    pictures_shed: Arc<AtomicU64>,
}

impl Journal {
    /// Continues the journal and its pictures, or starts them. A failure is an alarm and does not stop the line.
    pub fn open(config: &JournalConfig, bundle: Arc<str>) -> Result<(Self, Pictures)> {
        let (alarms_in, alarms) = channel();
        let run = JournalRun {
            number: Arc::new(AtomicI64::new(1)),
            alarms: alarms_in,
        };
        let writer = Writer::start(&config.path, config.records, &run)?;
        let pictures = Pictures::start(&config.path, &run, config.images_bytes)?;
        let journal = Journal {
            writer,
            run,
            alarms,
            bundle,
            pictures_shed: Arc::clone(&pictures.shed),
        };
        Ok((journal, pictures))
    }
}

impl<'k> Observers<'k> {
    pub fn start(
        config: &StationConfig,
        table: Table,
        journal: Option<Journal>,
        changeover: Option<Changeover>,
        keep: &'k mut dyn FnMut(&Row),
    ) -> Result<Self> {
        let now = Instant::now();
        let metrics = Arc::new(Metrics::new());
        let started = config.monitor.map(|monitor| {
            (
                Server::start(monitor.address, Arc::clone(&metrics)),
                monitor,
            )
        });
        let (server, unserved) = match started {
            None => (None, None),
            Some((Ok(server), _)) => (Some(server), None),
            Some((Err(error), monitor)) if monitor.requested => return Err(error.into()),
            Some((Err(error), _)) => (None, Some(error.to_string())),
        };
        let mut observers = Observers {
            ledger: Ledger::new(config.confirm_within.is_some(), &config.policies),
            outlets: Outlets {
                table,
                journal,
                metrics: server.is_some().then_some(metrics),
                keep,
            },
            watchdog: Watchdog::start(&config.watchdog, now)?,
            metrics_at: now,
            changeover,
            unfulfilled: None,
            _server: server,
        };
        if let Some(sentence) = unserved {
            observers.alarm(sentence);
        }
        Ok(observers)
    }

    pub fn observe(&mut self, event: LineEvent) {
        match event {
            LineEvent::Health(health) => self.turn(&health, Instant::now()),
            event => {
                if let LineEvent::Gate(RejectEvent::Select { product }) = &event {
                    self.request(*product);
                }
                self.ledger
                    .note(event, &mut |entry| self.outlets.write(entry));
                self.outlets.table.show_totals(&self.ledger.totals);
            }
        }
    }

    pub fn alarm(&mut self, sentence: String) {
        self.ledger.totals.alarms += 1;
        self.outlets.write(LedgerEntry::alarm(sentence));
    }

    pub fn notice(&mut self, sentence: &str) {
        self.outlets.write(LedgerEntry::notice(sentence));
    }

    fn request(&mut self, product: ProductName) {
        match &self.changeover {
            Some(changeover) => changeover.request.set(product),
            None if self.unfulfilled.replace(product) != Some(product) => {
                let product = product.name().escape_debug().to_string();
                self.alarm(Alarm::OneBundle { product }.to_string());
            }
            None => {}
        }
    }

    fn take_changeover_messages(&mut self) {
        while let Some(Ok(message)) = self.changeover.as_ref().map(|c| c.messages.try_recv()) {
            match message {
                Message::Notice(sentence) => self.notice(&sentence),
                Message::Alarm(sentence) => self.alarm(sentence),
            }
        }
    }

    fn take_journal_alarms(&mut self) {
        let journal = self.outlets.journal.as_ref();
        while let Some(Ok(sentence)) = journal.map(|journal| journal.alarms.try_recv()) {
            self.ledger.totals.alarms += 1;
            self.outlets.table.write(LedgerEntry::alarm(sentence));
        }
    }

    fn turn(&mut self, health: &Health, now: Instant) {
        self.take_changeover_messages();
        self.take_journal_alarms();
        if let Some(sentence) = self.watchdog.turn(health, now) {
            self.alarm(sentence);
        }
        if now < self.metrics_at {
            return;
        }
        self.metrics_at = now + METRICS_EACH;
        let totals = &self.ledger.totals;
        if let Some(metrics) = &self.outlets.metrics {
            metrics.set(&snapshot(totals, health, self.outlets.journal.as_ref()));
        }
        self.watchdog.show_status(&format!(
            "{}, {} bad, {}",
            counted(totals.parts, "part"),
            totals.bad,
            counted(totals.alarms, "alarm")
        ));
    }

    /// Writes the rest. An error if the table's file is not complete.
    pub fn close(mut self, ended: Option<&Ended>) -> Result<Totals> {
        self.take_changeover_messages();
        self.ledger.close(&mut |entry| self.outlets.write(entry));
        if let Some(ended) = ended {
            if let Err(error) = &ended.released {
                self.alarm(Alarm::OutputUncertain(error.clone()).to_string());
            }
            if ended.events_lost > 0 {
                let lost = ended.events_lost;
                self.alarm(Alarm::LinesLost { lost }.to_string());
            }
        }
        // Waits until the last records are written.
        if let Some(Journal { writer, alarms, .. }) = self.outlets.journal.take() {
            let report = writer.report.clone();
            drop(writer);
            for sentence in alarms.try_iter() {
                self.alarm(sentence);
            }
            if report.shed() > 0 {
                let (lost, why) = (report.shed(), report.why());
                self.alarm(Alarm::RecordsLost { lost, why }.to_string());
            }
        }
        self.outlets.table.close(&self.ledger.totals)?;
        Ok(self.ledger.totals)
    }
}

impl Outlets<'_> {
    fn write(&mut self, entry: LedgerEntry<'_>) {
        if let LedgerEntry::Row(row) = entry {
            (self.keep)(row);
            if let Some(metrics) = &self.metrics {
                metrics.note(row);
            }
            if let Some(journal) = &mut self.journal {
                if let Some(bundle) = &row.bundle {
                    journal.bundle = Arc::clone(bundle);
                }
                let run = journal.run.number.load(Ordering::Relaxed);
                let record = Record::new(row, run, &journal.bundle);
                journal.writer.write(record);
            }
        }
        self.table.write(entry);
    }
}

fn snapshot(totals: &Totals, health: &Health, journal: Option<&Journal>) -> Snapshot {
    Snapshot {
        totals: *totals,
        health: *health,
        records_shed: journal.map_or(0, |j| j.writer.report.shed()),
        pictures_shed: journal.map_or(0, |j| j.pictures_shed.load(Ordering::Relaxed)),
        journal_failing: journal.is_some_and(|j| j.writer.report.failing()),
    }
}

/// How many parts there will be, if that is known.
pub fn expected(images: &[PathBuf], limit: Option<u32>) -> Option<u64> {
    let files = (!images.is_empty()).then_some(images.len() as u64);
    match (files, limit.map(u64::from)) {
        (Some(files), Some(limit)) => Some(files.min(limit)),
        (files, limit) => files.or(limit),
    }
}

/// The table of a line whose parts are these files, if they are files.
pub fn table(csv: Option<&Path>, images: Vec<PathBuf>, limit: Option<u32>) -> Result<Table> {
    let parts = expected(&images, limit);
    Table::open(csv, images, parts)
}
