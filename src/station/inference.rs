//! The engine's thread: frames in, verdicts out, one at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use heapless::spsc::Producer;

use super::queue::{Inlet, Outlet};
use super::{Judge, Judged, LONGEST_SLEEP, Progress, StationError};
use crate::camera::Frame;
use crate::line::Part;

pub(super) fn run(
    judge: &mut dyn Judge,
    mut frames: Inlet<'_, (Part, Frame)>,
    mut spare: Producer<'_, Frame>,
    mut verdicts: Outlet<'_, Judged>,
    stop: &AtomicBool,
    progress: &Progress,
) {
    while !stop.load(Ordering::Relaxed) {
        // Asked before the queue, so that the last frame is not left in it.
        let over = progress.frames_over.load(Ordering::Acquire);
        let Some((part, frame)) = frames.dequeue() else {
            if over {
                break;
            }
            thread::park_timeout(LONGEST_SLEEP);
            continue;
        };
        // A panic inside the engine costs this part's verdict, not the line.
        let outcome = catch_unwind(AssertUnwindSafe(|| judge.judge(&frame)))
            .unwrap_or_else(|_| Err(StationError::EngineBrokeOff.into()));
        let id = part.id;
        let mut judged = Judged { id, outcome };
        while let Err(back) = verdicts.send(judged) {
            if stop.load(Ordering::Relaxed) || progress.gate_over.load(Ordering::Relaxed) {
                break;
            }
            judged = back;
            thread::sleep(Duration::from_millis(1));
        }
        // A frame too many is freed.
        let _ = spare.enqueue(frame);
    }
    progress.verdicts_over.store(true, Ordering::Release);
    verdicts.wake();
}
