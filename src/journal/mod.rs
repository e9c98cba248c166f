//! The journal: a database with one record for each part. A thread of its own writes it. Neither a power cut nor a full
//! disk damages the journal or stops the line.

pub(crate) mod aside;
mod database;
mod locks;
mod reading;
mod salvage;
mod writer;

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::mpsc::Sender;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use aecsad_inspect::decision::conformal;
use aecsad_inspect::inspector::Verdict;
use serde::{Serialize, Serializer};

use crate::station::ledger::{PulseState, Row};
pub(crate) use database::unusable;
use reading::JournalReader;
pub use writer::{Writer, WriterReport};

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the journal's folder {} can't be used ({reason}): {advice}", path.display())]
    Folder {
        path: PathBuf,
        reason: String,
        advice: &'static str,
    },
    #[error("the journal {} can't be written ({reason}): {advice}", path.display())]
    Database {
        path: PathBuf,
        reason: String,
        advice: &'static str,
    },
    #[error("the journal {} is damaged ({reason}): check the disk it is on", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("the journal {} can't be used: {missing} is missing for this user", path.display())]
    NoPermission { path: PathBuf, missing: String },
    #[error("the journal {} can't be copied to {} to be read ({source}): make room there, or set TMPDIR to another folder", path.display(), folder.display())]
    NoCopy {
        path: PathBuf,
        folder: PathBuf,
        source: std::io::Error,
    },
    #[error("there is no journal in {}: name the station file with --config, or the journal's folder with --journal", .0.display())]
    Missing(PathBuf),
    #[error("the station file {} has no section `journal`: add it, or name the journal's folder with --journal", .0.display())]
    NotKept(PathBuf),
    #[error("the journal's thread can't be started ({0}): free memory on this machine")]
    NoThread(std::io::Error),
}

/// Selects records.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub since_ms: Option<i64>,
    pub until_ms: Option<i64>,
    /// Names of causes; empty for all.
    pub causes: Vec<String>,
    pub run: Option<i64>,
    /// The first and the last part.
    pub parts: Option<(u32, u32)>,
    /// The branch that contributed most.
    pub branch: Option<String>,
    pub min_score: Option<f64>,
    /// Product and version.
    pub bundle: Option<String>,
    /// The most records; the latest are taken.
    pub limit: Option<u32>,
}

/// One run of the station, shared by the journal's threads.
#[derive(Clone)]
pub struct JournalRun {
    /// Counts the starts of the station. It is corrected if a journal that becomes readable later contains this number.
    pub number: Arc<AtomicI64>,
    /// Sentences for the operator.
    pub alarms: Sender<String>,
}

/// One part as the journal stores it. As JSON, a number that is not finite is null.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// Counts the starts of the station.
    pub run: i64,
    pub part: u32,
    /// The time of capture in milliseconds since 1970, by the wall clock, which may have been wrong.
    pub captured_ms: i64,
    pub cause: String,
    pub score: Option<f64>,
    pub p_value: Option<f64>,
    /// The branch that contributed most.
    pub branch: Option<String>,
    /// Each branch's normalised score as `name=score`, separated by spaces; as JSON, an object.
    #[serde(serialize_with = "branches_as_object")]
    pub branches: String,
    /// Surplus and missing parts of a rejected set, in words; empty if there are none.
    pub counts: String,
    /// `none`, `seen`, `unconfirmed`, `impossible` or `waiting`.
    pub pulse: String,
    pub pulse_error_ms: Option<f64>,
    /// Whether the sensor behind the gate saw it fall.
    pub fallen: Option<bool>,
    pub latency_ms: Option<f64>,
    pub bundle: String,
    /// The score above which a part was rejected.
    pub threshold: Option<f64>,
    /// Good parts that the p-value ranks against.
    pub calibration_parts: Option<u32>,
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
                PulseState::Seen { error_us } => Some(error_us as f64 / 1e3),
                _ => None,
            },
            fallen: row.fallen,
            latency_ms: verdict.map(|v| v.latency.as_secs_f64() * 1e3),
            bundle: bundle.into(),
            threshold: verdict.map(|v| f64::from(v.limits.threshold)),
            calibration_parts: verdict.map(|v| v.limits.calibration_parts as u32),
        }
    }

    /// The p-value for a person, `-` where there is none.
    pub fn p_in_words(&self) -> String {
        let parts = self.calibration_parts.unwrap_or(0) as usize;
        let p_value = self.p_value.map(|p| p as f32);
        p_value.map_or("-".into(), |p| conformal::in_words(p, parts))
    }
}

/// Counts the parts since this time, in milliseconds since 1970, by their cause. Journals that were put aside do not
/// count.
pub fn count(folder: &Path, since_ms: i64) -> Result<Vec<(String, i64)>, JournalError> {
    let path = folder.join(aside::FILE);
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        _ => JournalReader::open(&path)?.count(since_ms),
    }
}

/// Hands each selected record to `take`, the oldest first, until it returns false. Journals that were put aside are
/// included. Returns an error for each part of them that can't be read.
pub fn find(
    folder: &Path,
    filter: &Filter,
    take: &mut dyn FnMut(Record) -> bool,
) -> Result<Vec<JournalError>, JournalError> {
    let path = folder.join(aside::FILE);
    let mut files = aside::journals(folder);
    match path.symlink_metadata() {
        Ok(_) => files.push(path.clone()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(reading::unreadable(&path, &error));
        }
        Err(_) if files.is_empty() => return Err(JournalError::Missing(folder.into())),
        Err(_) => {}
    }
    let (mut unread, mut failed) = (Vec::new(), None);
    let mut find = |file: &PathBuf, filter: &Filter, take: &mut dyn FnMut(Record) -> bool| {
        match JournalReader::open(file).and_then(|reader| reader.find(filter, take)) {
            Ok(left_out) => unread.extend(left_out),
            Err(error) if *file == path => failed = Some(error),
            Err(error) => unread.push(error),
        }
    };
    let mut more = true;
    if let Some(limit) = filter.limit {
        let mut latest: VecDeque<Record> = VecDeque::new();
        for file in files.iter().rev() {
            let wanted = (limit as usize).saturating_sub(latest.len()) as u32;
            if wanted == 0 {
                break;
            }
            let mut found = Vec::new();
            let filter = Filter {
                limit: Some(wanted),
                ..filter.clone()
            };
            find(file, &filter, &mut |record| {
                found.push(record);
                true
            });
            found.into_iter().rev().for_each(|r| latest.push_front(r));
        }
        for record in latest {
            more = more && take(record);
        }
    } else {
        for file in &files {
            if more {
                find(file, filter, &mut |record| {
                    more = take(record);
                    more
                });
            }
        }
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(unread),
    }
}

/// Checks whether a station can continue the journal in this folder. The whole journal is read and nothing is changed.
/// Returns the number of journals that were put aside there.
pub fn check(folder: &Path) -> Result<usize, JournalError> {
    match folder.metadata() {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if folder.symlink_metadata().is_ok() {
                let error = io::Error::other("it is a link to a place that is not there");
                return Err(unusable(folder, &error));
            }
        }
        Err(error) => return Err(unusable(folder, &error)),
    }
    let there = folder.ancestors().find(|folder| folder.exists());
    let there = there.filter(|folder| !folder.as_os_str().is_empty());
    let there = there.unwrap_or(Path::new("."));
    // A nameless temporary file shows whether the folder is writable.
    tempfile::tempfile_in(there).map_err(|error| unusable(there, &error))?;
    let path = folder.join(aside::FILE);
    if path.symlink_metadata().is_ok() {
        if path.is_file()
            && let Err(error) = File::options().append(true).open(&path)
        {
            let path = path.clone();
            return Err(match error.kind() {
                io::ErrorKind::PermissionDenied => JournalError::NoPermission {
                    missing: format!("write permission on {}", path.display()),
                    path,
                },
                _ => JournalError::Damaged {
                    path,
                    reason: error.to_string(),
                },
            });
        }
        if let Some(process) = locks::holder(&path) {
            return Err(JournalError::Database {
                path,
                reason: match process {
                    1.. => format!("process {process} has locked it"),
                    _ => "another process has locked it".into(),
                },
                advice: "close the program that holds it",
            });
        }
        JournalReader::open(&path)?.check()?;
    }
    Ok(aside::journals(folder).len())
}

fn branches_as_object<S: Serializer>(branches: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let pairs = branches.split(' ').filter_map(|pair| {
        let (branch, score) = pair.split_once('=')?;
        Some((branch, score.parse::<f64>().ok()?))
    });
    serializer.collect_map(pairs)
}

fn wall_ms(at: Instant) -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let at = now.saturating_sub(Instant::now().saturating_duration_since(at));
    at.as_millis() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_can_t_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(check(&folder.path().join("not/yet")).unwrap(), 0);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("gone", &link).unwrap();
        let error = check(&link).unwrap_err().to_string();
        assert!(
            error.contains("a link to a place that is not there"),
            "{error}"
        );
        let long = folder.path().join("x".repeat(300));
        assert!(check(&long).is_err());
    }
}
