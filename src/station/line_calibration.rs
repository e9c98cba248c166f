//! A calibration while the line runs. The engine's thread leaves here what it saw of each part, a thread of its own
//! collects and fits, and the line goes on by the scale that it has until an operator applies the new one.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use aecsad_inspect::branches::scorer::RawScores;
use aecsad_inspect::branches::shared::registration::Pose;
use aecsad_inspect::decision::Decision;
use aecsad_inspect::frame::Frame;
use aecsad_program::counted;

use super::Judge;
use super::system::lower_priority;
use crate::calibration::task::CalibrationTask;
use crate::calibration::{CalibrationError, CalibrationPart, CalibrationStatus, Fit};

/// How soon the collecting thread sees that it was given up.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Shared by the page, the engine's thread and the collecting thread.
#[derive(Clone, Default)]
pub struct LineCalibration(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Whether parts are wanted: all that the engine's thread reads otherwise.
    collecting: AtomicBool,
    seen: Mutex<SeenPart>,
    arrived: Condvar,
    attempt: Mutex<Attempt>,
    renewed: AtomicBool,
    renewal: Mutex<Option<Renewal>>,
    in_force: Mutex<Option<CalibrationStatus>>,
}

/// The latest part, on its way to the collecting thread.
struct SeenPart {
    waiting: bool,
    bundle: Arc<str>,
    part: CalibrationPart,
    frame: Frame,
}

#[derive(Default)]
struct Attempt {
    /// Counts the attempts: a thread of an earlier one ends.
    number: u64,
    calibrated: Option<Calibrated>,
    /// The first part's: another judge's parts don't count.
    bundle: Option<Arc<str>>,
}

/// A calibration that was asked for.
pub struct Calibrated {
    pub task: CalibrationTask,
    /// Of the bundle's file, in hexadecimal: two bundles may have the same product and version.
    pub sha256: String,
    /// None while parts are collected; else the fit, or why there is none.
    pub outcome: Option<Result<Fit, CalibrationError>>,
    /// Who asked for it, and when, in milliseconds since 1970.
    pub user: String,
    pub since_ms: i64,
    /// Where the station reads its calibration.
    pub place: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the calibration that {user} started is not finished: apply it or give it up first")]
    UnderWay { user: String },
    #[error("a thread can't be started ({0}): free memory on this machine")]
    NoThread(std::io::Error),
}

/// A scale and threshold that an operator applied.
#[derive(Clone, Debug)]
pub struct Renewal {
    /// Product and version of the bundle that they are for.
    pub bundle: String,
    pub decision: Decision,
    pub status: CalibrationStatus,
    /// When they were written: a judge that was loaded later has read them.
    pub at: Instant,
}

impl Default for SeenPart {
    fn default() -> Self {
        SeenPart {
            waiting: false,
            bundle: Arc::default(),
            part: CalibrationPart {
                raw: RawScores::default(),
                pose: Pose::default(),
            },
            frame: Frame::empty(),
        }
    }
}

impl LineCalibration {
    /// Collects parts from now on. Calls `ended` with a sentence on the collecting thread when they are enough or refused.
    ///
    /// # Errors
    /// If another calibration is collected or waits to be applied, or there is no thread.
    pub fn start(
        &self,
        calibrated: Calibrated,
        ended: impl FnOnce(String) + Send + 'static,
    ) -> Result<(), StartError> {
        let mut attempt = lock(&self.0.attempt);
        if let Some(other) = &attempt.calibrated {
            return Err(StartError::UnderWay {
                user: other.user.clone(),
            });
        }
        attempt.number += 1;
        attempt.calibrated = Some(calibrated);
        attempt.bundle = None;
        let (number, collector) = (attempt.number, self.clone());
        drop(attempt);
        lock(&self.0.seen).waiting = false;
        self.0.collecting.store(true, Ordering::Relaxed);
        let started = thread::Builder::new()
            .name("calibration".into())
            .spawn(move || {
                lower_priority();
                while collector.collect(number) {}
                if let Some(sentence) = collector.outcome(number) {
                    ended(sentence);
                }
            });
        started.map(drop).map_err(|error| {
            self.discard();
            StartError::NoThread(error)
        })
    }

    /// How an attempt ended, unless it was given up.
    fn outcome(&self, number: u64) -> Option<String> {
        let attempt = lock(&self.0.attempt);
        let calibrated = attempt.calibrated.as_ref();
        let outcome = calibrated.and_then(|calibrated| calibrated.outcome.as_ref());
        let outcome = outcome.filter(|_| attempt.number == number)?;
        Some(match outcome {
            Err(error) => format!("refused: {error}"),
            Ok(fit) => format!(
                "ready: threshold {:.3} from {}, to be applied on the page",
                fit.calibration.threshold,
                counted(fit.calibration.parts, "part")
            ),
        })
    }

    /// Takes the calibration that waits to be applied, so that no one else applies it.
    pub fn take_ready(&self) -> Option<Calibrated> {
        let mut attempt = lock(&self.0.attempt);
        attempt
            .calibrated
            .take_if(|calibrated| matches!(calibrated.outcome, Some(Ok(_))))
    }

    /// Puts back what could not be applied, unless another calibration has begun.
    pub fn put_back(&self, calibrated: Calibrated) {
        lock(&self.0.attempt).calibrated.get_or_insert(calibrated);
    }

    /// Gives up the calibration that is collected or waits to be applied.
    pub fn discard(&self) {
        let mut attempt = lock(&self.0.attempt);
        attempt.number += 1;
        attempt.calibrated = None;
        self.0.collecting.store(false, Ordering::Relaxed);
    }

    /// Reads the calibration that is collected, or waits to be applied.
    pub fn read<T>(&self, read: impl FnOnce(Option<&Calibrated>) -> T) -> T {
        read(lock(&self.0.attempt).calibrated.as_ref())
    }

    /// Hands a new scale and threshold to the engine's thread, which takes them before its next part.
    pub fn renew(&self, renewal: Renewal) {
        self.in_force(Some(&renewal.status));
        *lock(&self.0.renewal) = Some(renewal);
        self.0.renewed.store(true, Ordering::Release);
    }

    /// Notes by which scale and threshold the line judges.
    pub fn in_force(&self, status: Option<&CalibrationStatus>) {
        *lock(&self.0.in_force) = status.cloned();
    }

    /// By which scale and threshold the line judges, in words.
    pub fn described(&self) -> Option<String> {
        lock(&self.0.in_force).as_ref().map(ToString::to_string)
    }

    /// Takes one part, if one comes. Returns whether more are wanted.
    fn collect(&self, number: u64) -> bool {
        let seen = lock(&self.0.seen);
        let waited = self
            .0
            .arrived
            .wait_timeout_while(seen, LOOK_EVERY, |seen| !seen.waiting);
        let (mut seen, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let mut attempt = lock(&self.0.attempt);
        let attempt = &mut *attempt;
        if attempt.number != number {
            return false;
        }
        let Some(calibrated) = attempt.calibrated.as_mut() else {
            return false;
        };
        if !std::mem::take(&mut seen.waiting) {
            return true;
        }
        let of = &calibrated.task.bundled.identity;
        let first = attempt
            .bundle
            .get_or_insert_with(|| Arc::clone(&seen.bundle));
        let added = match *seen.bundle == **of && Arc::ptr_eq(first, &seen.bundle) {
            true => calibrated.task.add(&seen.frame, seen.part),
            false => Err(CalibrationError::ChangedOver {
                from: of.clone(),
                to: seen.bundle.to_string(),
            }),
        };
        drop(seen);
        calibrated.outcome = match added {
            Ok(false) => return true,
            Ok(true) => Some(calibrated.task.check().and_then(|()| calibrated.task.fit())),
            Err(error) => Some(Err(error)),
        };
        self.0.collecting.store(false, Ordering::Relaxed);
        false
    }

    pub(super) fn inlet(&self) -> CalibrationInlet {
        CalibrationInlet {
            shared: self.clone(),
            bundle: None,
        }
    }
}

/// The engine's side, which never waits.
pub(super) struct CalibrationInlet {
    shared: LineCalibration,
    /// That of the latest part.
    bundle: Option<Arc<str>>,
}

impl CalibrationInlet {
    /// Before a part: judges by the scale and threshold that an operator applied.
    pub fn recalibrate(&mut self, judge: &mut dyn Judge) {
        let shared = &self.shared.0;
        if !shared.renewed.load(Ordering::Acquire) {
            return;
        }
        let Ok(mut renewal) = shared.renewal.try_lock() else {
            return;
        };
        shared.renewed.store(false, Ordering::Relaxed);
        if let Some(renewal) = renewal.take() {
            judge.recalibrate(&renewal);
            self.bundle = None;
        }
    }

    /// After a part was judged: leaves it to the collecting thread, if that wants it.
    pub fn take_part(&mut self, judge: &dyn Judge) {
        let shared = &self.shared.0;
        let bundle = judge.bundle();
        if self
            .bundle
            .as_ref()
            .is_none_or(|known| !Arc::ptr_eq(known, &bundle))
            && let Ok(mut in_force) = shared.in_force.try_lock()
        {
            *in_force = judge.calibration_status().cloned();
            self.bundle = Some(Arc::clone(&bundle));
        }
        if !shared.collecting.load(Ordering::Relaxed) {
            return;
        }
        // While the collecting thread is at work on a part, the next one is not taken.
        let Ok(mut seen) = shared.seen.try_lock() else {
            return;
        };
        if !seen.waiting
            && let Some(part) = judge.calibration_part(&mut seen.frame)
        {
            seen.part = part;
            seen.bundle = bundle;
            seen.waiting = true;
            shared.arrived.notify_one();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
