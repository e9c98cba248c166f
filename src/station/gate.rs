//! The gate's thread: it gives each part its fate by the part's deadline and drives the rejector.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use super::queue::{Inlet, Outlet};
use super::{
    Announcement, Ended, Evidence, Judged, LONGEST_SLEEP, LineEvent, PARTS, Progress, Sight,
};
use crate::line::{Action, Cause, Conveyor, Fate, Finding, Policies, Tracker};
use crate::reject::Rejector;

pub(super) struct Gate<'q> {
    tracker: Tracker<PARTS>,
    rejector: &'q mut dyn Rejector,
    announcements: Inlet<'q, Announcement>,
    verdicts: Inlet<'q, Judged>,
    events: Outlet<'q, LineEvent>,
    events_lost: u64,
    stopped_by: Option<(u32, Cause)>,
}

impl<'q> Gate<'q> {
    pub fn new(
        conveyor: Conveyor,
        policies: Policies,
        rejector: &'q mut dyn Rejector,
        announcements: Inlet<'q, Announcement>,
        verdicts: Inlet<'q, Judged>,
        events: Outlet<'q, LineEvent>,
    ) -> Self {
        Gate {
            tracker: Tracker::new(conveyor, policies),
            rejector,
            announcements,
            verdicts,
            events,
            events_lost: 0,
            stopped_by: None,
        }
    }

    pub fn run(mut self, stop: &AtomicBool, progress: &Progress) -> Ended {
        while !stop.load(Ordering::Relaxed) {
            // Asked before the queues, so that the last verdict is not left in one.
            let over = progress.verdicts_over.load(Ordering::Acquire);
            self.hear_of_parts();
            self.hear_verdicts();
            while let Some(fate) = self.tracker.overdue(Instant::now()) {
                self.act(fate, Evidence::Nothing);
            }
            while let Some(event) = self.rejector.poll(Instant::now()) {
                self.tell(LineEvent::Gate(event));
            }
            if self.stopped_by.is_some() {
                // The parts already on the belt still get their fate.
                progress.halt.store(true, Ordering::Relaxed);
            }
            if over && self.tracker.is_empty() && self.rejector.pending() == 0 {
                break;
            }
            self.sleep();
        }
        let released = self.rejector.stop();
        Ended {
            released,
            stopped_by: self.stopped_by,
            events_lost: self.events_lost,
        }
    }

    fn hear_of_parts(&mut self) {
        while let Some(Announcement { part, sight }) = self.announcements.dequeue() {
            let now = Instant::now();
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
                self.act(fate, evidence);
            }
        }
    }

    fn hear_verdicts(&mut self) {
        while let Some(Judged { id, outcome }) = self.verdicts.dequeue() {
            if !self.tracker.is_undecided(id) {
                // Announced after the last look there, or decided by its deadline.
                self.hear_of_parts();
            }
            let finding = match &outcome {
                Ok(verdict) if verdict.reject => Finding::Bad,
                Ok(_) => Finding::Good,
                Err(_) => Finding::EngineError,
            };
            if let Some(fate) = self.tracker.found(id, finding, Instant::now()) {
                let evidence = match outcome {
                    Ok(verdict) => Evidence::Verdict(verdict),
                    Err(error) => Evidence::Failure(error),
                };
                self.act(fate, evidence);
            }
        }
    }

    fn act(&mut self, fate: Fate, evidence: Evidence) {
        let part = fate.part.id;
        if fate.stop {
            self.stopped_by.get_or_insert((part, fate.cause));
        }
        let scheduled = match fate.action {
            Action::Pulse { fire_at } => self.rejector.schedule(part, fire_at, Instant::now()),
            Action::Pass | Action::Missed { .. } => Ok(()),
        };
        self.tell(LineEvent::Decided { fate, evidence });
        if let Err(error) = scheduled {
            self.tell(LineEvent::NotScheduled { part, error });
        }
    }

    fn tell(&mut self, event: LineEvent) {
        if self.events.send(event).is_err() {
            self.events_lost += 1;
        }
    }

    fn sleep(&self) {
        let mut wake_at = self.rejector.wake_at();
        if let Some(deadline) = self.tracker.next_deadline() {
            wake_at = wake_at.min(deadline);
        }
        let left = wake_at.saturating_duration_since(Instant::now());
        thread::park_timeout(left.min(LONGEST_SLEEP));
    }
}
