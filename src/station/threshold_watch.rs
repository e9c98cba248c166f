//! Follows the thresholds that persons set, by the page or by a command, while the line runs. It has a thread of its own,
//! because a slow disk must hold up neither the line nor its observers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::operator_threshold::OperatorThresholds;
use super::system::lower_priority;
use super::{StationError, alarm::Alarm};
use crate::operator::{Basis, OperatorError, OperatorRecords};

/// How soon a change is seen.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// At work until it is dropped.
pub struct ThresholdWatch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Follower {
    folder: PathBuf,
    records: Option<OperatorRecords>,
    /// The version of the records that was read last.
    version: Option<i64>,
    thresholds: OperatorThresholds,
    alarms: Sender<String>,
    /// The latest alarm, so that it is given once.
    reported: Option<String>,
}

impl ThresholdWatch {
    /// Reads the records in the journal's folder now, and again whenever they change.
    pub fn start(
        folder: &Path,
        thresholds: OperatorThresholds,
        alarms: Sender<String>,
    ) -> Result<Self, StationError> {
        let mut follower = Follower {
            folder: folder.into(),
            records: None,
            version: None,
            thresholds,
            alarms,
            reported: None,
        };
        follower.look();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("thresholds".into())
            .spawn(move || {
                lower_priority();
                while !stopped.load(Ordering::Relaxed) {
                    thread::park_timeout(LOOK_EVERY);
                    follower.look();
                }
            })
            .map_err(StationError::NoThread)?;
        Ok(ThresholdWatch {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for ThresholdWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

impl Follower {
    fn look(&mut self) {
        match self.read() {
            Ok(()) => self.reported = None,
            Err(error) => {
                let why = error.to_string();
                self.records = None;
                if self.reported.as_ref() != Some(&why) {
                    self.reported = Some(why.clone());
                    let alarm = Alarm::ThresholdsUnread { why };
                    let _ = self.alarms.send(alarm.to_string());
                }
            }
        }
    }

    fn read(&mut self) -> Result<(), OperatorError> {
        if self.records.is_none() {
            self.version = None;
            self.records = OperatorRecords::open_existing(&self.folder)?;
        }
        let Some(records) = &self.records else {
            return Ok(());
        };
        let version = records.version()?;
        if self.version == Some(version) {
            return Ok(());
        }
        let set = records.thresholds_in_force()?;
        let basis = |bundle, own| Basis { bundle, own };
        let set = set
            .into_iter()
            .map(|set| (basis(set.bundle, set.own), set.value));
        self.thresholds.replace(set);
        self.version = Some(version);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::operator::Origin;

    #[test]
    fn a_threshold_that_another_program_sets_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (alarms_in, alarms) = std::sync::mpsc::channel();
        let thresholds = OperatorThresholds::default();
        let watch = ThresholdWatch::start(folder.path(), thresholds.clone(), alarms_in).unwrap();
        let records = OperatorRecords::open(folder.path()).unwrap();
        let basis = Basis {
            bundle: "bottle 3".into(),
            own: 10.0,
        };
        let origin = Origin::command_line();
        records
            .set_threshold(&basis, 7.5, "scratches", &origin)
            .unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while thresholds.count() == 0 {
            assert!(Instant::now() < until, "it is never seen");
            thread::sleep(Duration::from_millis(20));
        }
        records.undo_threshold(&basis, "", &origin).unwrap();
        while thresholds.count() == 1 {
            assert!(Instant::now() < until, "it is never seen");
            thread::sleep(Duration::from_millis(20));
        }
        drop(watch);
        assert_eq!(alarms.try_iter().count(), 0);
    }
}
