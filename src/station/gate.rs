//! The gate's thread: it gives each part its fate by the part's deadline and drives the rejector.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use super::gatekeeper::{Announcement, Gatekeeper};
use super::queue::{Inlet, Outlet};
use super::{Ended, Judged, LONGEST_SLEEP, LineEvent, Progress, Seen};

pub(super) struct Gate<'q> {
    pub keeper: Gatekeeper<'q>,
    pub seen: Inlet<'q, Seen>,
    pub verdicts: Inlet<'q, Judged>,
    pub events: Outlet<'q, LineEvent>,
}

impl Gate<'_> {
    pub fn run(self, stop: &AtomicBool, progress: &Progress) -> Ended {
        let Gate {
            mut keeper,
            mut seen,
            mut verdicts,
            mut events,
        } = self;
        let mut events_lost = 0;
        let mut tell = |event: LineEvent| {
            if events.send(event).is_err() {
                events_lost += 1;
            }
        };
        while !stop.load(Ordering::Relaxed) {
            // Asked before the queues, so that the last verdict is not left in one.
            let over = progress.verdicts_over.load(Ordering::Acquire);
            hear_of_parts(&mut keeper, &mut seen, &mut tell);
            while let Some(judged) = verdicts.dequeue() {
                let Judged {
                    id,
                    outcome,
                    bundle,
                } = judged;
                if !keeper.awaits(id) {
                    // Announced after the last look there, or decided by its deadline.
                    hear_of_parts(&mut keeper, &mut seen, &mut tell);
                }
                keeper.judged(id, outcome, bundle, Instant::now(), &mut tell);
            }
            keeper.turn(Instant::now(), &mut tell);
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

fn hear_of_parts(
    keeper: &mut Gatekeeper<'_>,
    seen: &mut Inlet<'_, Seen>,
    tell: &mut dyn FnMut(LineEvent),
) {
    while let Some(news) = seen.dequeue() {
        match news {
            Seen::Part(part, sight) => {
                keeper.announce(Announcement { part, sight }, Instant::now(), tell);
            }
            Seen::Blind(error) => keeper.blind(error, tell),
            Seen::Again => tell(LineEvent::Sees),
        }
    }
}
