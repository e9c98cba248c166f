//! What became of each part, kept where a power cut or a full disk can't take it or the line down: a database of records
//! written by a thread of its own, and a ring of pictures of parts that were not good.

mod database;
mod pictures;
mod writer;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use database::{Database, Filter};
pub use pictures::Pictures;
pub use writer::{Writer, WriterReport};

use crate::inspector::Verdict;
use crate::station::ledger::{Pulse, Row};

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the journal's folder {} can't be used ({source}): correct `journal.path` in the station file, or its permissions", path.display())]
    Folder {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the journal {} can't be used ({reason}): check the disk it is on", path.display())]
    Database { path: PathBuf, reason: String },
    #[error("there is no journal in {}: name the station file with --config, or the journal's folder with --journal", .0.display())]
    Missing(PathBuf),
    #[error("the station file {} has no section `journal`: add it, or name the journal's folder with --journal", .0.display())]
    NotKept(PathBuf),
    #[error(
        "`{0}` is no time: give one like 2026-11-24, 2026-11-24T15:04, or how long ago, like 90m, 8h or 7d"
    )]
    NoTime(String),
    #[error("the journal's thread can't be started ({0}): free memory on this machine")]
    NoThread(std::io::Error),
}

/// One part, as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Counts the starts of the station.
    pub run: i64,
    pub part: u32,
    /// When it was captured, in milliseconds since 1970, by a wall clock that may have been wrong.
    pub captured_ms: i64,
    pub cause: String,
    pub score: Option<f64>,
    pub p_value: Option<f64>,
    /// The branch that contributed most.
    pub branch: Option<String>,
    /// Each branch's normalised score as `name=score`, separated by spaces.
    pub branches: String,
    /// Parts of a rejected set that were too many or too few, in words; empty where nothing was.
    pub counts: String,
    /// `none`, `seen`, `unconfirmed`, `impossible` or `waiting`.
    pub pulse: String,
    pub pulse_error_ms: Option<f64>,
    /// Whether the sensor behind the gate saw it fall.
    pub fallen: Option<bool>,
    pub latency_ms: Option<f64>,
    pub bundle: String,
}

impl Record {
    pub fn new(row: &Row, run: i64, bundle: &str) -> Self {
        let verdict = row.verdict.as_ref();
        let branches = verdict.map(|verdict| {
            let named = verdict
                .branches
                .iter()
                .map(|(branch, score)| format!("{branch}={score:.4}"));
            named.collect::<Vec<_>>().join(" ")
        });
        Record {
            run,
            part: row.part,
            captured_ms: wall_ms(row.captured),
            cause: row.cause.name().into(),
            score: verdict.map(|v| f64::from(v.score)),
            p_value: verdict.map(|v| f64::from(v.p_value)),
            branch: verdict.map(|v| v.branch.to_string()),
            branches: branches.unwrap_or_default(),
            counts: verdict.and_then(Verdict::counted).unwrap_or_default(),
            pulse: row.pulse.name().into(),
            pulse_error_ms: match row.pulse {
                Pulse::Seen { error_us } => Some(error_us as f64 / 1e3),
                _ => None,
            },
            fallen: row.fallen,
            latency_ms: verdict.map(|v| v.latency.as_secs_f64() * 1e3),
            bundle: bundle.into(),
        }
    }

    /// The picture's file, if it was kept and is kept still.
    pub fn picture(&self, folder: &Path) -> Option<PathBuf> {
        let path = pictures::picture_path(&pictures_folder(folder), self.run, self.part);
        path.is_file().then_some(path)
    }
}

fn pictures_folder(folder: &Path) -> PathBuf {
    folder.join("pictures")
}

fn wall_ms(at: Instant) -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let at = now.saturating_sub(Instant::now().saturating_duration_since(at));
    at.as_millis() as i64
}

/// A moment that a person names: a date, a date with a time of day (UTC), or how long before `now_ms`.
pub fn parse_time(text: &str, now_ms: i64) -> Result<i64, JournalError> {
    let no_time = || JournalError::NoTime(text.into());
    if let Some(unit) = text.chars().last()
        && let Some(ms) = match unit {
            's' => Some(1_000.0),
            'm' => Some(60_000.0),
            'h' => Some(3_600_000.0),
            'd' => Some(86_400_000.0),
            _ => None,
        }
    {
        let number: f64 = text[..text.len() - 1].parse().map_err(|_| no_time())?;
        if !(0.0..1e6).contains(&number) {
            return Err(no_time());
        }
        return Ok(now_ms - (number * ms) as i64);
    }
    let (date, clock) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let numbers = |text: &str, separator| -> Option<Vec<i64>> {
        text.split(separator).map(|n| n.parse().ok()).collect()
    };
    let date = numbers(date, '-').ok_or_else(no_time)?;
    let clock = numbers(clock, ':').ok_or_else(no_time)?;
    let ([year, month, day], [hour, minute, rest @ ..]) = (&date[..], &clock[..]) else {
        return Err(no_time());
    };
    let second = rest.first().copied().unwrap_or(0);
    let sane = (1970..10_000).contains(year)
        && (1..=12).contains(month)
        && (1..=31).contains(day)
        && (0..24).contains(hour)
        && (0..60).contains(minute)
        && (0..61).contains(&second)
        && rest.len() < 2;
    if !sane {
        return Err(no_time());
    }
    let seconds = (days_before(*year, *month, *day) * 24 + hour) * 3_600 + minute * 60 + second;
    Ok(seconds * 1_000)
}

/// Days from 1970-01-01 to this date (Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil).
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// A moment as `2026-11-24T15:04:05.123Z`.
pub fn show_time(ms: i64) -> String {
    let (days, of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // civil_from_days, from the same paper.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted - era * 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let clock = Duration::from_millis(of_day as u64);
    let seconds = clock.as_secs();
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60,
        clock.subsec_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_shown_alike() {
        let ms = parse_time("2026-11-24T15:04:05", 0).unwrap();
        assert_eq!(ms, 1_795_532_645_000);
        assert_eq!(show_time(ms + 7), "2026-11-24T15:04:05.007Z");
        assert_eq!(
            show_time(parse_time("2024-02-29", 0).unwrap()),
            "2024-02-29T00:00:00.000Z"
        );
        assert_eq!(show_time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(
            parse_time("90m", 10_000_000).unwrap(),
            10_000_000 - 5_400_000
        );
        for text in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-11",
            "2026-11-24T25:00",
            "-3h",
            "é",
            "1e9d",
        ] {
            let error = parse_time(text, 0).unwrap_err().to_string();
            assert!(error.contains("is no time"), "{error}");
        }
    }
}
