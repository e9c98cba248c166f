//! The decisions at the gate, without threads or clocks: parts and inspections in, pulses and events out. The gate's
//! thread passes the real time in, the simulated line a virtual one.

use std::time::{Duration, Instant};

use heapless::LinearMap;

use super::{Inspection, LineEvent, PARTS};
use crate::camera::CameraError;
use crate::line::{
    Action, Belt, Confirmations, Conveyor, Fate, Part, Policies, StopReason, Tracker, Travel,
};
use crate::reject::{RejectError, RejectEvent, Rejector};

/// The most inspections that may come before the encoder's next reading.
const UNSURE: usize = 16;
/// A belt's encoder without a reading for so long is an alarm.
const SILENT_AFTER: Duration = Duration::from_secs(1);

pub struct Gatekeeper<'r> {
    tracker: Tracker<PARTS>,
    rejector: &'r mut dyn Rejector,
    confirmations: Option<Confirmations>,
    /// Inspections of parts whose position on the belt is not certain yet.
    inspections: LinearMap<u32, Inspection, UNSURE>,
    /// The part at which a stop was requested, if one was, and why.
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
            inspections: LinearMap::new(),
            stop: None,
            up: false,
            encoder_silent: false,
            started: None,
        }
    }

    /// A part is on its way to the gate. `inspection` is there already if no verdict will come.
    pub fn announce(
        &mut self,
        part: Part,
        inspection: Option<Inspection>,
        now: Instant,
        report: &mut dyn FnMut(LineEvent),
    ) {
        if let Some(fate) = self.tracker.enter(part, now) {
            self.act(fate, inspection, now, report);
        } else if let Some(inspection) = inspection {
            self.inspected(part.id, inspection, now, report);
        }
    }

    /// Whether this part has no fate yet.
    pub fn awaits(&self, id: u32) -> bool {
        self.tracker.is_undecided(id)
    }

    pub fn inspected(
        &mut self,
        id: u32,
        inspection: Inspection,
        now: Instant,
        report: &mut dyn FnMut(LineEvent),
    ) {
        if let Some(fate) = self.tracker.found(id, inspection.cause(), now) {
            self.act(fate, Some(inspection), now, report);
        } else if self.tracker.is_undecided(id) {
            // The encoder's next reading makes its position on the belt certain.
            let _ = self.inspections.insert(id, inspection);
        }
    }

    /// Serves the link, then decides the parts that are due.
    pub fn turn(&mut self, now: Instant, report: &mut dyn FnMut(LineEvent)) {
        while let Some(event) = self.rejector.poll(now) {
            self.receive(event, report);
        }
        while let Some(fate) = self.tracker.due(now) {
            let inspection = self.inspections.remove(&fate.part.id);
            self.act(fate, inspection, now, report);
        }
        if let Some(confirmations) = &mut self.confirmations {
            while let Some(part) = confirmations.missing(now) {
                report(LineEvent::NotFallen { part });
            }
        }
        self.watch_encoder(now, report);
    }

    /// The camera sees no parts from here on.
    pub fn blind(&mut self, error: CameraError, report: &mut dyn FnMut(LineEvent)) {
        if self.tracker.policies().stop_when_blind {
            self.stop.get_or_insert((None, StopReason::Blind));
        }
        report(LineEvent::Blind(error));
    }

    pub fn wake_at(&self, now: Instant) -> Instant {
        let wake_at = self.rejector.wake_at();
        self.tracker
            .next_deadline(now)
            .map_or(wake_at, |deadline| wake_at.min(deadline))
    }

    /// No part, reject or confirmation is pending.
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

    fn receive(&mut self, event: RejectEvent, report: &mut dyn FnMut(LineEvent)) {
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
                // These come fifty times a second and matter only here.
                return;
            }
            RejectEvent::CountRestarted => self.tracker.belt.encoder.restart(),
            RejectEvent::Pulsed { part, at, .. } => {
                if let Some(confirmations) = &mut self.confirmations
                    && let Err(part) = confirmations.pulsed(*part, *at)
                {
                    report(LineEvent::NotFallen { part });
                }
            }
            RejectEvent::Fell { at } => {
                if let Some(confirmations) = &mut self.confirmations {
                    report(match confirmations.fell(*at) {
                        Some(part) => LineEvent::Fallen { part },
                        None => LineEvent::FellUnrequested,
                    });
                }
                return;
            }
            RejectEvent::Unconfirmed { .. }
            | RejectEvent::Refused { .. }
            | RejectEvent::Select { .. } => {}
        }
        report(LineEvent::Gate(event));
    }

    fn watch_encoder(&mut self, now: Instant, report: &mut dyn FnMut(LineEvent)) {
        let started = *self.started.get_or_insert(now);
        if !matches!(self.tracker.belt.conveyor().travel, Travel::Counts { .. }) {
            return;
        }
        let read_at = self
            .tracker
            .belt
            .encoder
            .latest()
            .map_or(started, |(at, _)| at);
        let silent = now.saturating_duration_since(read_at) > SILENT_AFTER;
        if silent != self.encoder_silent {
            self.encoder_silent = silent;
            report(LineEvent::Encoder { silent });
        }
    }

    fn act(
        &mut self,
        fate: Fate,
        inspection: Option<Inspection>,
        now: Instant,
        report: &mut dyn FnMut(LineEvent),
    ) {
        let part = fate.part.id;
        if let Some(reason) = fate.stop {
            self.stop.get_or_insert((Some(part), reason));
        }
        let scheduled = match fate.action {
            Action::Pulse { fire } => self.rejector.schedule(part, fire, now),
            Action::Pass | Action::Missed { .. } | Action::Astray => Ok(()),
        };
        report(LineEvent::Decided { fate, inspection });
        if let Err(error) = scheduled {
            report(LineEvent::NotScheduled { part, error });
        }
        while let Some(taken) = self.tracker.taken_along() {
            report(LineEvent::TakenAlong(taken));
        }
    }
}
