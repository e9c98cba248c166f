//! The gate's thread: it gives each part its fate by the part's deadline and drives the rejector.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use super::gatekeeper::Gatekeeper;
use super::queue::{Inlet, Outlet};
use super::{Announcement, Ended, Inspection, LONGEST_SLEEP, LineEvent, Progress};

pub(super) struct GateThread<'q> {
    pub keeper: Gatekeeper<'q>,
    pub announced: Inlet<'q, Announcement>,
    /// Each inspection with its part's number.
    pub inspected: Inlet<'q, (u32, Inspection)>,
    pub events: Outlet<'q, LineEvent>,
}

impl GateThread<'_> {
    pub fn run(self, stop: &AtomicBool, progress: &Progress) -> Ended {
        let GateThread {
            mut keeper,
            mut announced,
            mut inspected,
            mut events,
        } = self;
        let mut events_lost = 0;
        let mut report = |event: LineEvent| {
            if events.send(event).is_err() {
                events_lost += 1;
            }
        };
        while !stop.load(Ordering::Relaxed) {
            // Read before the queues, so that the last verdict is not left in one.
            let over = progress.verdicts_over.load(Ordering::Acquire);
            take_announcements(&mut keeper, &mut announced, &mut report);
            while let Some((id, inspection)) = inspected.dequeue() {
                if !keeper.awaits(id) {
                    // The part was announced after the last check, or decided by its deadline.
                    take_announcements(&mut keeper, &mut announced, &mut report);
                }
                keeper.inspected(id, inspection, Instant::now(), &mut report);
            }
            keeper.turn(Instant::now(), &mut report);
            progress.gate.beat();
            progress.gate_up.store(keeper.up, Ordering::Relaxed);
            if keeper.stop.is_some() {
                // The parts already on the belt still get their fate.
                progress.halt.store(true, Ordering::Relaxed);
            }
            if over && keeper.is_idle() {
                break;
            }
            let now = Instant::now();
            let left = keeper.wake_at(now).saturating_duration_since(now);
            thread::park_timeout(left.min(LONGEST_SLEEP));
        }
        Ended {
            released: keeper.release(),
            stopped_by: keeper.stop,
            events_lost,
        }
    }
}

fn take_announcements(
    keeper: &mut Gatekeeper<'_>,
    announced: &mut Inlet<'_, Announcement>,
    report: &mut dyn FnMut(LineEvent),
) {
    while let Some(announcement) = announced.dequeue() {
        match announcement {
            Announcement::Part(part, inspection) => {
                keeper.announce(part, inspection, Instant::now(), report);
            }
            Announcement::Blind(error) => keeper.blind(error, report),
            Announcement::Sees => report(LineEvent::Sees),
        }
    }
}
