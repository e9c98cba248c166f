//! Shows the parts of a running line as a table: with a line of totals on a terminal, plain lines elsewhere,
//! `key=value` lines with their priority under systemd, and in a CSV file if one is named. The line never stops because
//! its output can't be written.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aecsad_program::counted;
use aecsad_program::printable::printable;
use aecsad_program::standard_streams::{note, print_line};
use aecsad_program::whole_file::WholeFile;
use aecsad_program::written_name::written;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::cli::error::{Error, Result};
use crate::journal::Record;
use crate::page::shown::{ShownMessage, ShownPart};
use crate::station::Message;
use crate::station::ledger::{LedgerEntry, PulseState, Row, Totals};

const CSV_HEADER: &str =
    "part,image,cause,score,p_value,branch,latency_ms,pulse_error_ms,threshold";

pub struct Table {
    /// On a terminal only.
    totals_line: Option<ProgressBar>,
    /// Standard output is systemd's journal.
    journald: bool,
    /// Parts and messages are printed as JSON.
    json: bool,
    csv: Option<(PathBuf, WholeFile)>,
    csv_failed: Option<Error>,
    /// The file of each part, the first part's first.
    images: Vec<PathBuf>,
}

impl Table {
    pub fn open(
        csv: Option<&Path>,
        json: bool,
        images: Vec<PathBuf>,
        parts: Option<u64>,
    ) -> Result<Self> {
        let csv = match csv {
            None => None,
            Some(path) => {
                let file = WholeFile::create(path)
                    .and_then(|mut file| {
                        writeln!(file, "{CSV_HEADER}")?;
                        file.commit_and_go_on()
                    })
                    .map_err(|source| unwritable(path, source))?;
                Some((path.into(), file))
            }
        };
        let totals_line = (!json && std::io::stdout().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(parts, ProgressDrawTarget::stdout());
            if let Ok(style) = ProgressStyle::with_template("[{elapsed_precise}] {pos}/{len} {msg}")
            {
                bar.set_style(style);
            }
            bar
        });
        let table = Table {
            totals_line,
            journald: is_journald(),
            json,
            csv,
            csv_failed: None,
            images,
        };
        if !table.journald {
            table.line(&format!(
                "{:>6}  {:<12}  {:>9}  {:>9}  {:>7}  {:<9}  {:>8}  {}",
                "part", "verdict", "score", "threshold", "p", "branch", "latency", "pulse"
            ));
        }
        Ok(table)
    }

    pub fn image(&self, part: u32) -> Option<&Path> {
        self.images.get(part as usize - 1).map(PathBuf::as_path)
    }

    /// Prints the part, where the table is JSON.
    pub fn write_json(&self, record: &Record) {
        if self.json {
            let shown = ShownPart::new(record, record.cause != "good", None);
            print_line(json!({"part": shown}));
        }
    }

    pub fn write(&mut self, entry: LedgerEntry<'_>) {
        if let LedgerEntry::Message(message) = &entry
            && self.json
        {
            print_line(json!({"message": ShownMessage::from(message)}));
        }
        match entry {
            LedgerEntry::Message(Message::Alarm(sentence)) => self.alarm(&sentence),
            LedgerEntry::Message(Message::Notice(sentence)) => {
                self.aside(Urgency::Notice, &sentence);
            }
            LedgerEntry::Row(row) => {
                self.line(&if self.journald {
                    pairs(row)
                } else {
                    columns(row)
                });
                if let Some(bar) = &self.totals_line {
                    bar.set_position(u64::from(row.part));
                }
                if let Err(source) = self.write_csv(row)
                    && let Some((path, _)) = self.csv.take()
                {
                    let error = unwritable(&path, source);
                    self.alarm(&error.to_string());
                    self.csv_failed = Some(error);
                }
            }
        }
    }

    pub fn show_totals(&self, totals: &Totals) {
        if let Some(bar) = &self.totals_line {
            bar.set_message(format!(
                "parts, {} good, {} bad, {}, {} seen",
                totals.good,
                totals.bad,
                counted(totals.alarms, "alarm"),
                counted(totals.pulsed, "pulse")
            ));
        }
    }

    /// Ends the table with a summary. An error if the CSV file is not complete.
    pub fn close(mut self, totals: &Totals) -> Result<()> {
        if let Some(bar) = &self.totals_line {
            bar.finish_and_clear();
        }
        for line in summary(totals) {
            self.line(&line);
        }
        match self.csv_failed.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn line(&self, text: &str) {
        if self.json {
            return;
        }
        let text = printable(text);
        match &self.totals_line {
            Some(bar) => bar.println(&*text),
            None => {
                print_line(text);
            }
        }
    }

    /// With its time, which systemd's journal has by itself.
    fn alarm(&self, sentence: &str) {
        let time = match self.journald {
            true => String::new(),
            false => format!(" ({})", jiff::Timestamp::now().strftime("%F %T UTC")),
        };
        self.aside(Urgency::Warning, &format!("ALARM: {sentence}{time}"));
    }

    /// What is not part of the table goes to standard error.
    fn aside(&self, urgency: Urgency, text: &str) {
        let urgency = match self.journald {
            true => format!("<{}>", urgency as u8),
            false => String::new(),
        };
        let write = || note(format_args!("{urgency}{text}"));
        match &self.totals_line {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn write_csv(&mut self, row: &Row) -> std::io::Result<()> {
        let image = self.image(row.part).map(written);
        let Some((_, csv)) = &mut self.csv else {
            return Ok(());
        };
        let verdict = row.verdict.as_ref();
        let pulse_error_ms = match row.pulse {
            PulseState::Seen { error_us } => format!("{:.3}", error_us as f64 / 1e3),
            _ => String::new(),
        };
        // Each row is written at once, so that a power cut loses no earlier row.
        let row = format!(
            "{},{},{},{},{},{},{},{pulse_error_ms},{}\n",
            row.part,
            quoted(&image.unwrap_or_default()),
            row.cause.name(),
            verdict.map(|v| v.score.to_string()).unwrap_or_default(),
            verdict.map(|v| v.p_value.to_string()).unwrap_or_default(),
            verdict.map(|v| v.branch.to_string()).unwrap_or_default(),
            verdict
                .map(|v| format!("{:.3}", v.latency.as_secs_f64() * 1e3))
                .unwrap_or_default(),
            verdict
                .map(|v| v.limits.threshold.to_string())
                .unwrap_or_default(),
        );
        csv.write_all(row.as_bytes())
    }
}

/// A syslog priority; systemd's journal reads it in front of a line.
#[derive(Clone, Copy)]
enum Urgency {
    Warning = 4,
    Notice = 5,
}

/// Whether standard output is the stream that systemd names in the environment.
fn is_journald() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let stdout = std::io::stdout()
        .as_fd()
        .try_clone_to_owned()
        .map(File::from);
    let ours = stdout.and_then(|file| file.metadata());
    ours.is_ok_and(|found| stream == format!("{}:{}", found.dev(), found.ino()))
}

/// A CSV field, quoted as in RFC 4180.
fn quoted(field: &str) -> String {
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.into()
    }
}

fn unwritable(path: &Path, source: std::io::Error) -> Error {
    let path = path.into();
    Error::Unwritable { path, source }
}

fn columns(row: &Row) -> String {
    let pulse = match row.pulse {
        PulseState::None => "-".to_string(),
        PulseState::Seen { error_us } => format!("seen, {:+.1} ms", error_us as f64 / 1e3),
        PulseState::Pending => "no report yet".to_string(),
        PulseState::Unconfirmed => "NOT SEEN".to_string(),
        PulseState::Impossible => "NOT POSSIBLE".to_string(),
    };
    let cause = row.cause.name();
    match &row.verdict {
        Some(v) => {
            let line = format!(
                "{:>6}  {cause:<12}  {:>9.3}  {:>9.3}  {:>7}  {:<9}  {:>5.1} ms  {pulse}",
                row.part,
                v.score,
                v.limits.threshold,
                v.p_in_words(),
                v.branch,
                v.latency.as_secs_f64() * 1e3,
            );
            match v.counted() {
                Some(words) => format!("{line}; {words}"),
                None => line,
            }
        }
        None => format!(
            "{:>6}  {cause:<12}  {:>9}  {:>9}  {:>7}  {:<9}  {:>8}  {pulse}",
            row.part, "-", "-", "-", "-", "-"
        ),
    }
}

/// The row as `key=value` pairs, for programs that read systemd's journal.
fn pairs(row: &Row) -> String {
    let mut text = format!("part={} cause={}", row.part, row.cause.name());
    if let Some(v) = &row.verdict {
        text += &format!(
            " score={} threshold={} p_value={} branch={} latency_ms={:.3}",
            v.score,
            v.limits.threshold,
            v.p_value,
            v.branch,
            v.latency.as_secs_f64() * 1e3
        );
        if let Some(words) = v.counted() {
            text += &format!(" counts=\"{words}\"");
        }
    }
    text += &format!(" pulse={}", row.pulse.name());
    if let PulseState::Seen { error_us } = row.pulse {
        text += &format!(" pulse_error_ms={:.3}", error_us as f64 / 1e3);
    }
    if let Some(fallen) = row.fallen {
        text += if fallen { " fallen=yes" } else { " fallen=no" };
    }
    text
}

fn summary(totals: &Totals) -> [String; 3] {
    [
        format!(
            "{}: {} good, {} bad, {} without a verdict ({} late, {} queue full, {} engine error, {} no frame)",
            counted(totals.parts, "part"),
            totals.good,
            totals.bad,
            totals.late + totals.queue_full + totals.engine_error + totals.no_frame,
            totals.late,
            totals.queue_full,
            totals.engine_error,
            totals.no_frame,
        ),
        format!(
            "{} seen by the actuator, {} not reported, {} not possible",
            counted(totals.pulsed, "pulse"),
            totals.unconfirmed,
            totals.impossible
        ),
        counted(totals.alarms, "alarm"),
    ]
}
