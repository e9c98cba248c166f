//! What is decided at the gate, without threads or clocks: parts and verdicts in, pulses and news out. The gate's thread
//! drives it with the real time, the simulated line with a virtual one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aecsad_inspect::inspector::Verdict;
use heapless::LinearMap;

use super::JudgeError;
use super::{Evidence, LineEvent, PARTS};
use crate::camera::CameraError;
use crate::line::{
    Action, Belt, Confirmations, Conveyor, Fate, Finding, Part, Policies, StopReason, Tracker,
    Travel,
};
use crate::reject::{RejectError, RejectEvent, Rejector};

/// Verdicts that come before the encoder's next reading.
const UNSURE: usize = 16;
/// A belt's encoder that says nothing for so long is an alarm.
const SILENT_AFTER: Duration = Duration::from_secs(1);

/// What the camera's thread tells the gate's about each part, before the engine sees it.
pub struct Announcement {
    pub part: Part,
    pub sight: Sight,
}

pub enum Sight {
    /// Its frame is on the way to the engine.
    Queued,
    QueueFull,
    NoFrame(CameraError),
}

pub struct Gatekeeper<'r> {
    tracker: Tracker<PARTS>,
    rejector: &'r mut dyn Rejector,
    confirmations: Option<Confirmations>,
    /// What was found out about parts whose place is not sure yet.
    evidence: LinearMap<u32, Evidence, UNSURE>,
    /// The part at which a stop was asked for, if one was, and why.
    pub stop: Option<(Option<u32>, StopReason)>,
    /// The gate can be reached.
    pub up: bool,
    encoder_silent: bool,
    started: Option<Instant>,
}

impl<'r> Gatekeeper<'r> {
    pub fn new(
        conveyor: Conveyor,
        policies: Policies,
        confirm_within: Option<Duration>,
        rejector: &'r mut dyn Rejector,
    ) -> Self {
        Gatekeeper {
            tracker: Tracker::new(Belt::new(conveyor), policies),
            rejector,
            confirmations: confirm_within.map(Confirmations::new),
            evidence: LinearMap::new(),
            stop: None,
            up: false,
            encoder_silent: false,
            started: None,
        }
    }

    pub fn announce(
        &mut self,
        announcement: Announcement,
        now: Instant,
        tell: &mut dyn FnMut(LineEvent),
    ) {
        let Announcement { part, sight } = announcement;
        let mut fate = self.tracker.enter(part, now);
        let mut evidence = Evidence::Nothing;
        match sight {
            Sight::Queued => {}
            Sight::QueueFull => {
                fate = fate.or_else(|| self.tracker.found(part.id, Finding::QueueFull, now));
            }
            Sight::NoFrame(error) => {
                fate = fate.or_else(|| self.tracker.found(part.id, Finding::NoFrame, now));
                evidence = Evidence::Failure(error.into());
            }
        }
        if let Some(fate) = fate {
            self.act(fate, evidence, now, tell);
        }
    }

    /// Whether a verdict on this part is still waited for.
    pub fn awaits(&self, id: u32) -> bool {
        self.tracker.is_undecided(id)
    }

    pub fn judged(
        &mut self,
        id: u32,
        outcome: Result<Verdict, JudgeError>,
        bundle: Arc<str>,
        now: Instant,
        tell: &mut dyn FnMut(LineEvent),
    ) {
        let finding = match &outcome {
            Ok(verdict) if verdict.reject => Finding::Bad,
            Ok(_) => Finding::Good,
            Err(_) => Finding::EngineError,
        };
        let evidence = match outcome {
            Ok(verdict) => Evidence::Verdict(verdict, bundle),
            Err(error) => Evidence::Failure(error),
        };
        if let Some(fate) = self.tracker.found(id, finding, now) {
            self.act(fate, evidence, now, tell);
        } else if self.tracker.is_undecided(id) {
            // Its place on the belt is sure a moment later.
            let _ = self.evidence.insert(id, evidence);
        }
    }

    /// Lets the link work, then decides what can't wait any longer.
    pub fn turn(&mut self, now: Instant, tell: &mut dyn FnMut(LineEvent)) {
        while let Some(event) = self.rejector.poll(now) {
            self.hear(event, tell);
        }
        while let Some(fate) = self.tracker.due(now) {
            let evidence = self
                .evidence
                .remove(&fate.part.id)
                .unwrap_or(Evidence::Nothing);
            self.act(fate, evidence, now, tell);
        }
        if let Some(confirmations) = &mut self.confirmations {
            while let Some(part) = confirmations.missing(now) {
                tell(LineEvent::NotFallen { part });
            }
        }
        self.watch_encoder(now, tell);
    }

    /// Nobody sees the parts from here on.
    pub fn blind(&mut self, error: CameraError, tell: &mut dyn FnMut(LineEvent)) {
        if self.tracker.policies().stop_when_blind {
            self.stop.get_or_insert((None, StopReason::Blind));
        }
        tell(LineEvent::Blind(error));
    }

    pub fn wake_at(&self, now: Instant) -> Instant {
        let wake_at = self.rejector.wake_at();
        self.tracker
            .next_deadline(now)
            .map_or(wake_at, |deadline| wake_at.min(deadline))
    }

    /// Nothing is waited for any more.
    pub fn is_idle(&self) -> bool {
        let fallen = self
            .confirmations
            .as_ref()
            .is_none_or(Confirmations::is_empty);
        self.tracker.is_empty() && self.rejector.pending() == 0 && fallen
    }

    pub fn release(&mut self) -> Result<(), RejectError> {
        self.rejector.stop()
    }

    fn hear(&mut self, event: RejectEvent, tell: &mut dyn FnMut(LineEvent)) {
        match &event {
            RejectEvent::Up => self.up = true,
            RejectEvent::Down(_) => {
                self.up = false;
                if self.tracker.policies().stop_without_gate {
                    self.stop.get_or_insert((None, StopReason::NoGate));
                }
            }
            RejectEvent::Count { at, count } => {
                self.tracker.belt.encoder.read(*at, *count);
                // Fifty a second: of no interest beyond the gate.
                return;
            }
            RejectEvent::CountsAnew => self.tracker.belt.encoder.restart(),
            RejectEvent::Pulsed { part, at, .. } => {
                if let Some(confirmations) = &mut self.confirmations
                    && let Err(part) = confirmations.pulsed(*part, *at)
                {
                    tell(LineEvent::NotFallen { part });
                }
            }
            RejectEvent::Fell { at } => {
                if let Some(confirmations) = &mut self.confirmations {
                    tell(match confirmations.fell(*at) {
                        Some(part) => LineEvent::Fallen { part },
                        None => LineEvent::FellUnasked,
                    });
                }
                return;
            }
            RejectEvent::Unconfirmed { .. }
            | RejectEvent::Refused { .. }
            | RejectEvent::Select { .. } => {}
        }
        tell(LineEvent::Gate(event));
    }

    fn watch_encoder(&mut self, now: Instant, tell: &mut dyn FnMut(LineEvent)) {
        let started = *self.started.get_or_insert(now);
        if !matches!(self.tracker.belt.conveyor().travel, Travel::Counts { .. }) {
            return;
        }
        let heard = self
            .tracker
            .belt
            .encoder
            .latest()
            .map_or(started, |(at, _)| at);
        let silent = now.saturating_duration_since(heard) > SILENT_AFTER;
        if silent != self.encoder_silent {
            self.encoder_silent = silent;
            tell(LineEvent::Encoder { silent });
        }
    }

    fn act(
        &mut self,
        fate: Fate,
        evidence: Evidence,
        now: Instant,
        tell: &mut dyn FnMut(LineEvent),
    ) {
        let part = fate.part.id;
        if let Some(reason) = fate.stop {
            self.stop.get_or_insert((Some(part), reason));
        }
        let scheduled = match fate.action {
            Action::Pulse { fire } => self.rejector.schedule(part, fire, now),
            Action::Pass | Action::Missed { .. } | Action::Astray => Ok(()),
        };
        tell(LineEvent::Decided { fate, evidence });
        if let Err(error) = scheduled {
            tell(LineEvent::NotScheduled { part, error });
        }
        while let Some(taken) = self.tracker.taken_along() {
            tell(LineEvent::TakenAlong(taken));
        }
    }
}
