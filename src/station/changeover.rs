//! Changes the bundle, or the product, between two parts of a running line. A thread of its own watches the slots,
//! loads the current bundle and hands it to the engine's thread, which takes it before its next part: no part waits for
//! a bundle, and none is missed. The same two threads run a trial to its end.

mod selection;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aecsad_inspect::branches::shared::heat::HeatMap;
use aecsad_inspect::frame::Frame;
use aecsad_inspect::inspector::Verdict;
use aecsad_inspect::optics::InputGeometry;

use super::line_calibration::Renewal;
use super::loaded_judge::{Load, LoadedJudge};
use super::{Judge, JudgeError, Message};
use crate::calibration::{CalibrationPart, CalibrationStatus};
use crate::engines::EngineChoice;
use crate::slots::storage::DiskFolder;
use crate::slots::trial::{Trial, TrialOutcome};
use crate::slots::{SlotAlarm, Slots, SlotsError, Started};
use crate::station::config::bundle::BundleConfig;
use selection::ProductSelection;
pub use selection::{SELECT_NAME, SelectionRequest};

/// How soon a change in the slots is seen.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Judges with the current bundle; used by the engine's thread.
pub struct ChangingJudge {
    judge: Box<dyn Judge>,
    trial: Option<Trial>,
    sha256: String,
    /// The latest: a judge that was loaded before may still be on its way.
    renewal: Option<Renewal>,
    /// Set while a part is judged. If it is still set before the next part, the engine panicked.
    judging: bool,
    fresh: Mailbox,
    outcomes: SyncSender<(String, TrialOutcome)>,
    /// Old judges, for the watcher to free: freeing one takes longer than judging a part.
    retired: SyncSender<Box<dyn Judge>>,
}

/// Watches the slots of a running station.
pub struct Watcher<'a> {
    folder: PathBuf,
    config: BundleConfig,
    trial_parts: u32,
    load: Load<'a>,
    /// SHA-256 and product of the bundle that was handed over last.
    current: (String, String),
    /// The bundle that could not be loaded, so that it is not tried again and again.
    broken: Option<String>,
    /// The alarm that the slots can't be read, so that it is given once.
    unseen: Option<String>,
    selection: ProductSelection,
    unsettled: Option<(String, TrialOutcome)>,
    fresh: Mailbox,
    outcomes: Receiver<(String, TrialOutcome)>,
    retired: Receiver<Box<dyn Judge>>,
}

/// The latest bundle that the engine has not taken yet.
type Mailbox = Arc<Mutex<Option<IncomingBundle>>>;

struct IncomingBundle {
    judge: Box<dyn Judge>,
    trial: Option<Trial>,
    sha256: String,
}

/// Starts with the current bundle of the slots. A bundle on trial that can't be loaded is given up at once.
pub fn start<'a>(
    folder: &Path,
    trial_parts: u32,
    config: &BundleConfig,
    load: Load<'a>,
    report: &mut dyn FnMut(Message),
) -> Result<(ChangingJudge, Watcher<'a>), JudgeError> {
    let (started, loaded) = load_current(folder, config, load, report)?;
    let fresh = Mailbox::default();
    let (outcomes_in, outcomes) = sync_channel(1);
    let (retired_in, retired) = sync_channel(2);
    let sha256 = started.bundle.sha256().to_owned();
    let judge = ChangingJudge {
        trial: trial(&started, trial_parts, &loaded),
        judge: loaded.judge,
        sha256: sha256.clone(),
        renewal: None,
        judging: false,
        fresh: Arc::clone(&fresh),
        outcomes: outcomes_in,
        retired: retired_in,
    };
    let watcher = Watcher {
        folder: folder.into(),
        config: config.clone(),
        trial_parts,
        load,
        current: (sha256, started.product),
        broken: None,
        unseen: None,
        selection: ProductSelection::of(folder),
        unsettled: None,
        fresh,
        outcomes,
        retired,
    };
    Ok((judge, watcher))
}

fn load_current(
    folder: &Path,
    config: &BundleConfig,
    load: Load<'_>,
    report: &mut dyn FnMut(Message),
) -> Result<(Started, LoadedJudge), JudgeError> {
    let trust = config.trust()?;
    loop {
        let mut started = lock_or_look(folder)?.start(&trust)?;
        for alarm in started.alarms.drain(..) {
            report(Message::Alarm(alarm));
        }
        // The lock is released before the bundle is loaded, so that a flash need not wait for that.
        match load(&started.bundle) {
            Ok(mut loaded) => {
                if let Some(warning) = loaded.warning.take() {
                    report(Message::Alarm(warning));
                }
                if let Some(engine) = loaded.judge.engine() {
                    report(Message::Notice(format!("engine: {engine}")));
                }
                if let Some(viewed_region) = &loaded.viewed_region {
                    report(Message::Notice(format!("region: {viewed_region}")));
                }
                match loaded.judge.calibration_status() {
                    // The warning says it already.
                    None | Some(CalibrationStatus::Awaited { .. }) => {}
                    Some(status) => report(Message::Notice(format!("calibration: {status}"))),
                }
                return Ok((started, loaded));
            }
            // An unusable calibration does not fail the bundle's trial.
            Err(error) if started.on_trial && !matches!(error, JudgeError::Calibration(_)) => {
                let why = error.to_string();
                let version = started.bundle.manifest.version;
                let back = Slots::lock(folder)?.fail_trial(started.bundle.sha256(), &why);
                let back = back.map_err(|_| error)?;
                report(alarm(SlotAlarm::NotLoaded {
                    version,
                    product: started.product,
                    why,
                    back,
                }));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Opens the slots for reading only where the folder can't be written.
fn lock_or_look(folder: &Path) -> Result<Slots<DiskFolder>, SlotsError> {
    Slots::lock(folder).or_else(|error| match error {
        SlotsError::Open { .. } => Slots::look(folder),
        other => Err(other),
    })
}

fn trial(started: &Started, parts: u32, loaded: &LoadedJudge) -> Option<Trial> {
    let trial = || Trial::new(parts, &loaded.calibration);
    started.on_trial.then(trial)
}

fn alarm(alarm: SlotAlarm) -> Message {
    Message::Alarm(alarm.to_string())
}

impl Judge for ChangingJudge {
    fn judge(&mut self, frame: &Frame) -> Result<Verdict, JudgeError> {
        if std::mem::replace(&mut self.judging, true) {
            self.end_trial(|trial| Some(trial.fault("it broke off in the middle of a part")));
        }
        // If the watcher holds the lock right now, the new judge is taken before the next part.
        let fresh = self
            .fresh
            .try_lock()
            .ok()
            .and_then(|mut fresh| fresh.take());
        if let Some(fresh) = fresh {
            let old = std::mem::replace(&mut self.judge, fresh.judge);
            if let Some(renewal) = &self.renewal {
                self.judge.recalibrate(renewal);
            }
            self.trial = fresh.trial;
            self.sha256 = fresh.sha256;
            // Where the watcher has ended, the judge is freed here.
            let _ = self.retired.try_send(old);
        }
        let judged = self.judge.judge(frame);
        self.end_trial(|trial| match &judged {
            Ok(verdict) => trial.note(verdict.score),
            Err(error) => Some(trial.fault(&error.to_string())),
        });
        self.judging = false;
        judged
    }

    fn bundle(&self) -> Arc<str> {
        self.judge.bundle()
    }

    fn engine(&self) -> Option<&EngineChoice> {
        self.judge.engine()
    }

    fn geometry(&self) -> Option<&InputGeometry> {
        self.judge.geometry()
    }

    fn calibration_status(&self) -> Option<&CalibrationStatus> {
        self.judge.calibration_status()
    }

    fn heat_map(&mut self) -> Option<&HeatMap> {
        self.judge.heat_map()
    }

    fn calibration_part(&self, seen: &mut Frame) -> Option<CalibrationPart> {
        self.judge.calibration_part(seen)
    }

    fn recalibrate(&mut self, renewal: &Renewal) {
        self.judge.recalibrate(renewal);
        self.renewal = Some(renewal.clone());
    }
}

impl ChangingJudge {
    /// Reports the end of the trial to the watcher.
    fn end_trial(&mut self, step: impl FnOnce(&mut Trial) -> Option<TrialOutcome>) {
        let Some(outcome) = self.trial.as_mut().and_then(step) else {
            return;
        };
        match self.outcomes.try_send((self.sha256.clone(), outcome)) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => self.trial = None,
            // The watcher has not taken an earlier outcome yet, so this trial starts again.
            Err(TrySendError::Full(_)) => {}
        }
    }
}

impl Watcher<'_> {
    /// Where the controller's requests on the reject link go.
    pub fn request(&self) -> SelectionRequest {
        self.selection.request.clone()
    }

    /// Watches until `stop` is set.
    pub fn run(mut self, stop: &AtomicBool, report: &mut dyn FnMut(Message)) {
        while !stop.load(Ordering::Relaxed) {
            self.look(report);
            std::thread::park_timeout(LOOK_EVERY);
        }
    }

    /// Checks trial, selection and slots once. A step that fails now is tried again at the next call.
    pub fn look(&mut self, report: &mut dyn FnMut(Message)) {
        while self.retired.try_recv().is_ok() {}
        if let Ok(outcome) = self.outcomes.try_recv() {
            self.unsettled = Some(outcome);
        }
        if let Some((sha256, outcome)) = self.unsettled.take()
            && let Err(SlotsError::Busy { .. }) = self.conclude(&sha256, &outcome, report)
        {
            self.unsettled = Some((sha256, outcome));
        }
        self.selection.apply(report);
        let state = match Slots::look(&self.folder).and_then(|slots| slots.state()) {
            Ok(state) => state,
            Err(error) => {
                let why = error.to_string();
                if self.unseen.as_ref() != Some(&why) {
                    self.unseen = Some(why.clone());
                    report(alarm(SlotAlarm::Unchanged { why }));
                }
                return;
            }
        };
        self.unseen = None;
        let product = state.active_product();
        let installed = product.and_then(|p| Some((p.slot(p.current()?)?, &p.name)));
        if let Some((installed, product)) = installed
            && (&installed.sha256, product) != (&self.current.0, &self.current.1)
            && self.broken.as_ref() != Some(&installed.sha256)
        {
            let sha256 = installed.sha256.clone();
            self.change_over(&sha256, report);
        }
    }

    fn conclude(
        &mut self,
        sha256: &str,
        outcome: &TrialOutcome,
        report: &mut dyn FnMut(Message),
    ) -> Result<(), SlotsError> {
        let slots = Slots::lock(&self.folder)?;
        let product = &self.current.1;
        let message = match outcome {
            TrialOutcome::Passed => slots.confirm(sha256).map(|version| {
                Message::Notice(format!("version {version} of {product} passed its trial"))
            }),
            TrialOutcome::Failed(why) => slots.fail_trial(sha256, why).map(|back| {
                alarm(SlotAlarm::TrialFailed {
                    product: product.clone(),
                    why: why.clone(),
                    back,
                })
            }),
        };
        match message {
            Ok(message) => report(message),
            Err(SlotsError::NothingToGoBackTo { .. }) => {
                let TrialOutcome::Failed(why) = outcome else {
                    return Ok(());
                };
                report(alarm(SlotAlarm::TrialFailedAlone {
                    product: product.clone(),
                    why: why.clone(),
                }));
            }
            // The bundle was rolled back or replaced meanwhile.
            Err(SlotsError::NoTrial { .. }) => {}
            Err(other) => report(Message::Alarm(other.to_string())),
        }
        Ok(())
    }

    fn change_over(&mut self, sha256: &str, report: &mut dyn FnMut(Message)) {
        match load_current(&self.folder, &self.config, self.load, report) {
            Ok((started, loaded)) => {
                let sha256 = started.bundle.sha256().to_owned();
                let fresh = IncomingBundle {
                    trial: trial(&started, self.trial_parts, &loaded),
                    judge: loaded.judge,
                    sha256: sha256.clone(),
                };
                let mut mailbox = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
                let overtaken = mailbox.replace(fresh);
                drop(mailbox);
                drop(overtaken);
                let version = started.bundle.manifest.version;
                report(Message::Notice(format!(
                    "{} version {version} takes over from the next part on",
                    started.product
                )));
                self.current = (sha256, started.product);
                self.broken = None;
            }
            Err(JudgeError::Slots(SlotsError::Busy { .. })) => {}
            Err(error) => {
                let why = error.to_string();
                report(alarm(SlotAlarm::Unchanged { why }));
                self.broken = Some(sha256.to_owned());
            }
        }
    }
}
