//! `aecsad threshold`: shows the threshold in counts of parts, and sets it at this station.

use std::fmt::Write as _;

use aecsad_inspect::decision::conformal::Conformal;
use aecsad_program::counted;
use aecsad_program::inputs::InputPath;
use clap::Args;

use super::{print_lines, say_station_file, station_file};
use crate::cli::error::{Error, Result};
use crate::journal::JournalError;
use crate::operator::{Basis, OperatorRecords, Origin};
use crate::page::threshold_view::{ThresholdView, ThresholdViewError};
use crate::station::config::StationConfig;

/// Lines of the table above and below the threshold.
const AROUND: usize = 6;

#[derive(Args)]
pub struct ThresholdArgs {
    /// The station file; if not given, station.toml here, else /etc/aecsad/station.toml
    #[arg(long, value_name = "FILE", default_value_os_t = station_file(), hide_default_value = true)]
    pub config: InputPath,
    /// Show how many parts each threshold rejects; the default
    #[arg(long, group = "change")]
    pub show: bool,
    /// The latest parts of the journal that are counted
    #[arg(long, value_name = "PARTS", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub last: u32,
    /// Reject parts that score above this from now on; a running station follows within a second
    #[arg(
        long,
        value_name = "SCORE",
        group = "change",
        requires = "reason",
        allow_negative_numbers = true
    )]
    pub set: Option<f32>,
    /// Reject at most this share of good parts from now on, by the scores of good calibration parts and the latest parts that
    /// no one marked as bad: 0.01 is 1 %
    #[arg(long, value_name = "SHARE", group = "change", requires = "reason")]
    pub rate: Option<f64>,
    /// Take the latest change back
    #[arg(long, group = "change")]
    pub undo: bool,
    /// Why it changes, for the record of actions
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

pub fn run(args: &ThresholdArgs) -> Result<()> {
    say_station_file(&args.config);
    let config = StationConfig::load(&args.config)?;
    let journal = config.journal.as_ref();
    let journal = journal.ok_or_else(|| JournalError::NotKept(args.config.to_path_buf()))?;
    let folder = journal.path.clone();
    let reason = args.reason.as_deref().unwrap_or_default();
    let origin = Origin::command_line();
    let read = |records: Option<&OperatorRecords>| {
        ThresholdView::read(&config, &folder, records, args.last).map_err(threshold_error)
    };
    let changes = args.set.is_some() || args.rate.is_some() || args.undo;
    let records = match changes {
        true => Some(OperatorRecords::open(&folder)?),
        false => OperatorRecords::open_existing(&folder)?,
    };
    let view = read(records.as_ref())?;
    let basis = Basis {
        bundle: view.bundle.clone(),
        own: view.own,
    };
    let Some(records) = records.filter(|_| changes) else {
        return print_lines(&table(&view));
    };
    if args.undo {
        records.undo_threshold(&basis, reason, &origin)?;
    } else {
        let value = match (args.set, args.rate) {
            (Some(value), _) => value,
            (None, rate) => at_rate(&view, rate.unwrap_or_default())?,
        };
        records.set_threshold(&basis, value, reason, &origin)?;
    }
    print_lines(&table(&read(Some(&records))?))
}

fn threshold_error(error: ThresholdViewError) -> Error {
    match error {
        ThresholdViewError::Bundle(error) => error.into(),
        ThresholdViewError::Journal(error) => error.into(),
        ThresholdViewError::Operator(error) => error.into(),
    }
}

/// The conformal threshold for this share of good parts.
fn at_rate(view: &ThresholdView, rate: f64) -> Result<f32> {
    if !(rate > 0.0 && rate < 1.0) {
        return Err(Error::Rate { rate });
    }
    let good = [&view.validation, &view.parts, &view.reviewed_good];
    let good = Conformal::new(good.into_iter().flatten().copied().collect());
    good.threshold(rate).ok_or_else(|| Error::FewForRate {
        rate,
        parts: good.scores().len(),
        needed: Conformal::needed(rate),
    })
}

fn table(view: &ThresholdView) -> String {
    let mut text = format!(
        "{}: threshold {:.3}, {}\n\n",
        view.bundle,
        view.value,
        match view.value == view.own {
            true => "its own".into(),
            false => format!("set at this station instead of {:.3}", view.own),
        }
    );
    let _ = writeln!(
        text,
        "{:>12}  {:>16}  {:>16}  {:>16}  {:>16}",
        "threshold",
        format!("of {}", counted(view.parts.len(), "part")),
        format!("of {} calibrated", view.validation.len()),
        format!("of {} found good", view.reviewed_good.len()),
        format!("of {} found bad", view.reviewed_bad.len()),
    );
    for threshold in candidates(view) {
        let rejected = view.rejected(threshold);
        let here = if threshold == view.value { " ←" } else { "" };
        let _ = writeln!(
            text,
            "{threshold:>12.3}  {:>16}  {:>16}  {:>16}  {:>16}{here}",
            rejected.parts, rejected.validation, rejected.reviewed_good, rejected.reviewed_bad
        );
    }
    for change in &view.changes {
        let _ = writeln!(text, "\n{change}");
    }
    text
}

/// Thresholds around the one in force at which the counts change, and that one.
fn candidates(view: &ThresholdView) -> Vec<f32> {
    let scores = [
        &view.parts,
        &view.validation,
        &view.reviewed_good,
        &view.reviewed_bad,
    ];
    let mut scores: Vec<f32> = scores.into_iter().flatten().copied().collect();
    scores.push(view.value);
    scores.sort_by(f32::total_cmp);
    scores.dedup();
    let here = scores.partition_point(|score| *score < view.value);
    let (first, end) = (
        here.saturating_sub(AROUND),
        scores.len().min(here + AROUND + 1),
    );
    scores[first..end].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> ThresholdView {
        ThresholdView {
            bundle: "bottle 3".into(),
            value: 2.0,
            own: 2.0,
            parts: (0..100).map(|n| n as f32 / 50.0).collect(),
            validation: vec![0.5, 1.0, 1.5],
            reviewed_good: vec![2.5],
            reviewed_bad: vec![1.9, 3.0],
            changes: Vec::new(),
        }
    }

    #[test]
    fn the_table_counts_what_each_threshold_rejects() {
        let text = table(&view());
        assert!(
            text.contains("of 100 parts") && text.contains("of 2 found bad"),
            "{text}"
        );
        let here = text.lines().find(|line| line.ends_with('←')).unwrap();
        let counts: Vec<&str> = here.split_whitespace().collect();
        assert_eq!(counts, ["2.000", "0", "0", "1", "1", "←"]);
    }

    #[test]
    fn a_rate_needs_enough_parts() {
        let at = |rate| at_rate(&view(), rate).map_err(|error| error.to_string());
        assert_eq!(at(0.05).unwrap(), 1.92);
        assert!(at(0.001).unwrap_err().contains("999"));
        assert!(at(0.0).is_err() && at(f64::NAN).is_err());
    }
}
