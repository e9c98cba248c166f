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
use crate::journal::{JournalRun, Record, Writer};
use crate::monitor::{Metrics, Snapshot};
use crate::page::live::{Live, LiveStart};
use crate::page::{self, PageServer};
use crate::pictures::{self, LiveView};
use crate::reject::{ProductName, RejectEvent};
use crate::station::alarm::Alarm;
use crate::station::changeover::SelectionRequest;
use crate::station::config::{JournalConfig, MonitorConfig, StationConfig};
use crate::station::ledger::{Ledger, LedgerEntry, Row, Totals};
use crate::station::line_calibration::LineCalibration;
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
    /// What persons did on the page.
    page_messages: Receiver<Message>,
    /// Alarms of the threads that write files.
    alarms: Receiver<String>,
}

/// The messages and requests between a running line and the thread that watches its slots.
pub struct Changeover {
    pub messages: Receiver<Message>,
    pub request: SelectionRequest,
}

/// The outputs of a finished row.
struct Outlets<'k> {
    table: Table,
    writer: Option<Writer>,
    metrics: Arc<Metrics>,
    page: Option<PageServer>,
    /// The number of this run.
    run: Arc<AtomicI64>,
    /// The bundle of the latest verdict: a part without a verdict is recorded under it as well.
    bundle: Arc<str>,
    pictures_shed: Arc<AtomicU64>,
    keep: &'k mut dyn FnMut(&Row),
}

/// A run that is about to be recorded.
pub struct Recording {
    pub run: JournalRun,
    alarms: Receiver<String>,
    writer: Option<Writer>,
}

impl Recording {
    /// Continues the journal, or starts it. A failure is an alarm and does not stop the line.
    pub fn open(journal: Option<&JournalConfig>) -> Result<Self> {
        let (alarms_in, alarms) = channel();
        // A journal that lost its file must not use the numbers of pictures again.
        let latest = journal.map_or(0, |journal| pictures::latest_run(&journal.path));
        let run = JournalRun {
            number: Arc::new(AtomicI64::new(1 + latest)),
            alarms: alarms_in,
        };
        let writer = journal
            .map(|journal| Writer::start(&journal.path, journal.records, &run))
            .transpose()?;
        Ok(Recording {
            run,
            alarms,
            writer,
        })
    }
}

impl<'k> Observers<'k> {
    pub fn start(
        config: &StationConfig,
        station_file: &Path,
        bundle: Arc<str>,
        table: Table,
        recording: Recording,
        changeover: Option<Changeover>,
        keep: &'k mut dyn FnMut(&Row),
    ) -> Result<Self> {
        let now = Instant::now();
        let metrics = Arc::new(Metrics::new());
        let (page_messages_in, page_messages) = channel();
        let serve = |monitor: &MonitorConfig| {
            let (listener, address) = page::listen(monitor.address)?;
            let live = Live::new(LiveStart {
                run: Arc::clone(&recording.run.number),
                bundle: Arc::clone(&bundle),
                has_slots: config.bundle.has_slots(),
                has_journal: config.journal.is_some(),
            });
            let context = page::Context::new(
                address,
                config.clone(),
                station_file.into(),
                live,
                Arc::clone(&metrics),
                page_messages_in,
            );
            PageServer::start(listener, Arc::new(context))
        };
        let (page, unserved) = match config.monitor.map(|monitor| (serve(&monitor), monitor)) {
            None => (None, None),
            Some((Ok(page), _)) => (Some(page), None),
            Some((Err(error), monitor)) if monitor.requested => return Err(error.into()),
            Some((Err(error), _)) => (None, Some(error.to_string())),
        };
        let served = page.as_ref().map(|page| page.address);
        let mut observers = Observers {
            ledger: Ledger::new(config.confirm_within.is_some(), &config.policies),
            outlets: Outlets {
                table,
                writer: recording.writer,
                metrics,
                page,
                run: recording.run.number,
                bundle,
                pictures_shed: Arc::default(),
                keep,
            },
            watchdog: Watchdog::start(&config.watchdog, now)?,
            metrics_at: now,
            changeover,
            unfulfilled: None,
            page_messages,
            alarms: recording.alarms,
        };
        if let Some(sentence) = unserved {
            observers.alarm(sentence);
        }
        if let Some(address) = served {
            observers.notice(&format!("the page beside the line: http://{address}/"));
        }
        Ok(observers)
    }

    /// Where the latest pictures are shown, if anywhere.
    pub fn live_view(&self) -> Option<Arc<LiveView>> {
        let page = self.outlets.page.as_ref()?;
        Some(Arc::clone(&page.context.live.view))
    }

    /// What an operator at the page calibrates with.
    pub fn calibration(&self) -> LineCalibration {
        let page = self.outlets.page.as_ref();
        page.map(|page| page.context.live.calibration.clone())
            .unwrap_or_default()
    }

    /// Counts the pictures that were not kept.
    pub fn count_shed(&mut self, pictures_shed: Arc<AtomicU64>) {
        self.outlets.pictures_shed = pictures_shed;
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

    fn take_page_messages(&mut self) {
        while let Ok(message) = self.page_messages.try_recv() {
            self.outlets.write(LedgerEntry::Message(message));
        }
    }

    fn take_alarms(&mut self) {
        while let Ok(sentence) = self.alarms.try_recv() {
            self.alarm(sentence);
        }
    }

    fn turn(&mut self, health: &Health, now: Instant) {
        self.take_changeover_messages();
        self.take_page_messages();
        self.take_alarms();
        if let Some(sentence) = self.watchdog.turn(health, now) {
            self.alarm(sentence);
        }
        if now < self.metrics_at {
            return;
        }
        self.metrics_at = now + METRICS_EACH;
        let totals = &self.ledger.totals;
        let snapshot = self.outlets.snapshot(totals, health);
        self.outlets.metrics.set(&snapshot);
        if let Some(page) = &self.outlets.page {
            page.context.live.turn(&snapshot);
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
        if let Some(writer) = self.outlets.writer.take() {
            let report = writer.report.clone();
            drop(writer);
            self.take_alarms();
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
        match &entry {
            LedgerEntry::Row(row) => {
                (self.keep)(row);
                self.metrics.note(row);
                if let Some(bundle) = &row.bundle {
                    self.bundle = Arc::clone(bundle);
                }
                let run = self.run.load(Ordering::Relaxed);
                let record = Record::new(row, run, &self.bundle);
                if let Some(page) = &self.page {
                    page.context.live.part(&record);
                }
                self.table.write_json(&record);
                if let Some(writer) = &self.writer {
                    writer.write(record);
                }
            }
            LedgerEntry::Message(message) => {
                if let Some(page) = &self.page {
                    page.context.live.message(message);
                }
            }
        }
        self.table.write(entry);
    }

    fn snapshot(&self, totals: &Totals, health: &Health) -> Snapshot {
        let report = self.writer.as_ref().map(|writer| &writer.report);
        Snapshot {
            totals: *totals,
            health: *health,
            records_shed: report.map_or(0, |report| report.shed()),
            pictures_shed: self.pictures_shed.load(Ordering::Relaxed),
            journal_failing: report.is_some_and(|report| report.failing()),
        }
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
pub fn table(
    csv: Option<&Path>,
    json: bool,
    images: Vec<PathBuf>,
    limit: Option<u32>,
) -> Result<Table> {
    let parts = expected(&images, limit);
    Table::open(csv, json, images, parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_pictures_are_not_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let pictures = folder.path().join("pictures");
        std::fs::create_dir(&pictures).unwrap();
        std::fs::write(pictures.join("000007-00000001.png"), "").unwrap();
        let journal = JournalConfig {
            path: folder.path().into(),
            records: 1_000,
            images_bytes: 0,
            samples_bytes: 0,
            sample_every: 0,
            borderline: 1.0,
        };
        let recording = Recording::open(Some(&journal)).unwrap();
        assert_eq!(recording.run.number.load(Ordering::Relaxed), 8);
    }
}
