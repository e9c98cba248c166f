//! The gate's thread: it gives each part its fate by the part's deadline and drives the rejector.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use super::gatekeeper::Gatekeeper;
use super::queue::{Inlet, Outlet};
use super::{Ended, Inspection, LONGEST_SLEEP, LineEvent, RunState};

pub(super) struct GateThread<'q> {
    pub keeper: Gatekeeper<'q>,
    /// From the camera's thread.
    pub arrivals: Inlet<'q, LineEvent>,
    /// Each inspection with its part's number.
    pub inspected: Inlet<'q, (u32, Inspection)>,
    pub events: Outlet<'q, LineEvent>,
}

impl GateThread<'_> {
    pub fn run(self, stop: &AtomicBool, run_state: &RunState) -> Ended {
        let GateThread {
            mut keeper,
            mut arrivals,
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
            let over = run_state.verdicts_over.load(Ordering::Acquire);
            take_arrivals(&mut keeper, &mut arrivals, &mut report);
            while let Some((id, inspection)) = inspected.dequeue() {
                if !keeper.awaits(id) {
                    // The part was announced after the last check, or decided by its deadline.
                    take_arrivals(&mut keeper, &mut arrivals, &mut report);
                }
                keeper.inspected(id, inspection, Instant::now(), &mut report);
            }
            keeper.turn(Instant::now(), &mut report);
            run_state.gate.beat();
            run_state.gate_up.store(keeper.up, Ordering::Relaxed);
            if keeper.stop.is_some() {
                // The parts already on the belt still get their fate.
                run_state.halt.store(true, Ordering::Relaxed);
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

fn take_arrivals(
    keeper: &mut Gatekeeper<'_>,
    arrivals: &mut Inlet<'_, LineEvent>,
    report: &mut dyn FnMut(LineEvent),
) {
    while let Some(event) = arrivals.dequeue() {
        match event {
            LineEvent::Arrived { part, inspection } => {
                keeper.announce(part, inspection, Instant::now(), report);
            }
            LineEvent::Blind(error) => keeper.blind(error, report),
            other => report(other),
        }
    }
}
