//! `aecsad history`: shows the fate of each part from the journal.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use aecsad_program::inputs::{self, InputPath};
use aecsad_program::printable::printable;
use aecsad_program::standard_streams::{note, print_line};
use aecsad_program::times::{NoTime, parse_time, show_time};
use aecsad_program::whole_file::WholeFile;
use aecsad_program::written_name::written;
use clap::Args;

use super::findings::{io_error, unwritable};
use super::{journal_folder, station_file};
use crate::cli::error::Result;
use crate::journal::{self, Filter, JournalError, Record};
use crate::line::Cause;
use crate::operator::OperatorRecords;
use crate::pictures;

const HEADER: [&str; 16] = [
    "run",
    "part",
    "captured",
    "cause",
    "score",
    "p_value",
    "branch",
    "branches",
    "pulse",
    "pulse_error_ms",
    "fallen",
    "latency_ms",
    "bundle",
    "picture",
    "counts",
    "threshold",
];

#[derive(Args)]
pub struct HistoryArgs {
    /// The station file, which names the journal; if not given, station.toml here, else /etc/aecsad/station.toml
    #[arg(long, value_name = "FILE", default_value_os_t = station_file(), hide_default_value = true)]
    pub config: InputPath,
    /// The journal's folder, instead of the station file's
    #[arg(long, value_name = "DIR")]
    pub journal: Option<PathBuf>,
    /// Parts captured from then on: 2026-11-24, 2026-11-24T15:04 (UTC), or how long ago: 90m, 8h, 7d
    #[arg(long, value_name = "TIME", value_parser = time_ms)]
    pub since: Option<i64>,
    /// Parts captured before then
    #[arg(long, value_name = "TIME", value_parser = time_ms)]
    pub until: Option<i64>,
    /// Only parts decided so; several with commas
    #[arg(long, value_delimiter = ',', value_parser = Cause::ALL.map(Cause::name))]
    pub cause: Vec<String>,
    /// Only this run of the station
    #[arg(long)]
    pub run: Option<i64>,
    /// Only this part
    #[arg(long)]
    pub part: Option<u32>,
    /// The latest so many; 50 on the screen and all in a file if not given
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,
    /// Write all columns as CSV to this file, - for standard output
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Show instead what persons did at this station: on its page and by commands
    #[arg(long, conflicts_with_all = ["since", "until", "cause", "run", "part", "csv"])]
    pub actions: bool,
}

fn show_actions(folder: &Path, limit: u32) -> Result<()> {
    let records = OperatorRecords::open_existing(folder)?;
    let actions = records.map(|records| records.actions(limit)).transpose()?;
    for action in actions.unwrap_or_default().iter().rev() {
        let change = match (action.before.as_str(), action.after.as_str()) {
            ("", "") => String::new(),
            (before, "") => before.to_owned(),
            ("", after) => after.to_owned(),
            (before, after) => format!("{before} → {after}"),
        };
        let reason = match action.reason.as_str() {
            "" => String::new(),
            reason => format!(": {reason}"),
        };
        let line = format!(
            "{}  {:<16}  {:<15}  {}  {change}{reason}",
            show_time(action.at_ms),
            action.user,
            action.from,
            action.action,
        );
        print_line(printable(line.trim_end()));
    }
    Ok(())
}

/// In milliseconds since 1970.
fn time_ms(text: &str) -> Result<i64, NoTime> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    parse_time(text, now.unwrap_or_default().as_millis() as i64)
}

pub fn run(args: &HistoryArgs) -> Result<()> {
    let folder = journal_folder(&args.config, args.journal.as_deref())?;
    if args.actions {
        return show_actions(&folder, args.limit.unwrap_or(50));
    }
    let filter = Filter {
        since_ms: args.since,
        until_ms: args.until,
        causes: args.cause.clone(),
        run: args.run,
        parts: args.part.map(|part| (part, part)),
        limit: args.limit.or(args.csv.is_none().then_some(50)),
        ..Filter::default()
    };
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        inputs::keep(&entry.path());
    }
    let unread = match &args.csv {
        None => show(&folder, &filter)?,
        Some(path) => {
            let mut file = WholeFile::create(path).map_err(|e| unwritable(path, e))?;
            let unread = export(&filter, &folder, &mut file).map_err(|e| e.at(path))?;
            file.commit().map_err(|e| unwritable(path, e))?;
            unread
        }
    };
    for why in unread {
        note(format_args!("some records are missing here: {why}"));
    }
    Ok(())
}

fn show(folder: &Path, filter: &Filter) -> Result<Vec<JournalError>> {
    let mut shown = 0;
    let unread = journal::find(folder, filter, &mut |r| {
        if shown == 0 {
            print_line(format_args!(
                "{:<24}  {:>4}  {:>7}  {:<12}  {:>9}  {:>9}  {:>7}  {:<10}  {:<11}  fallen",
                "captured", "run", "part", "cause", "score", "threshold", "p", "branch", "pulse"
            ));
        }
        shown += 1;
        let number = |value: Option<f64>, digits: usize| {
            value.map_or("-".into(), |v| format!("{v:.digits$}"))
        };
        print_line(format_args!(
            "{:<24}  {:>4}  {:>7}  {:<12}  {:>9}  {:>9}  {:>7}  {:<10}  {:<11}  {}{}",
            show_time(r.captured_ms),
            r.run,
            r.part,
            r.cause,
            number(r.score, 3),
            number(r.threshold, 3),
            r.p_in_words(),
            r.branch.as_deref().unwrap_or("-"),
            r.pulse,
            fallen(&r, "-"),
            match r.counts.as_str() {
                "" => String::new(),
                counts => format!("; {counts}"),
            }
        ))
    })?;
    if shown == 0 {
        note("no part in the journal is like that");
    }
    Ok(unread)
}

enum Export {
    Journal(JournalError),
    Write(io::Error),
}

impl Export {
    fn at(self, path: &Path) -> crate::Error {
        match self {
            Export::Journal(error) => error.into(),
            Export::Write(error) => unwritable(path, error),
        }
    }
}

/// Returns an error for each part of the journal that can't be read.
fn export(
    filter: &Filter,
    folder: &Path,
    out: &mut WholeFile,
) -> Result<Vec<JournalError>, Export> {
    let mut csv = csv::Writer::from_writer(out);
    let mut written = csv.write_record(HEADER);
    let unread = journal::find(folder, filter, &mut |r| {
        if written.is_ok() {
            written = csv.write_record(fields(&r, folder));
        }
        written.is_ok() && !csv.get_ref().reader_exited()
    });
    written
        .map_err(io_error)
        .and_then(|()| csv.flush())
        .map_err(Export::Write)?;
    unread.map_err(Export::Journal)
}

fn fields(r: &Record, folder: &Path) -> [String; HEADER.len()] {
    let number = |value: Option<f64>| value.map_or(String::new(), |v| v.to_string());
    [
        r.run.to_string(),
        r.part.to_string(),
        show_time(r.captured_ms),
        r.cause.clone(),
        number(r.score),
        number(r.p_value),
        r.branch.clone().unwrap_or_default(),
        r.branches.clone(),
        r.pulse.clone(),
        number(r.pulse_error_ms),
        fallen(r, "").into(),
        number(r.latency_ms),
        r.bundle.clone(),
        pictures::find(folder, r.run, r.part).map_or(String::new(), |path| written(&path)),
        r.counts.clone(),
        number(r.threshold),
    ]
}

fn fallen(r: &Record, unknown: &'static str) -> &'static str {
    match r.fallen {
        Some(true) => "yes",
        Some(false) => "no",
        None => unknown,
    }
}
