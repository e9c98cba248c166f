//! The engine's thread: frames in, verdicts out, one at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use aecsad_inspect::frame::Frame;
use heapless::spsc::Producer;

use super::line_calibration::CalibrationInlet;
use super::operator_threshold::ThresholdReader;
use super::queue::{Inlet, Outlet};
use super::{Album, Inspection, Judge, JudgeError, LONGEST_SLEEP, RunState};
use crate::line::Part;

pub(super) struct EngineThread<'s, 'q> {
    pub judge: &'s mut dyn Judge,
    pub album: Option<&'s mut dyn Album>,
    pub thresholds: ThresholdReader,
    pub calibration: CalibrationInlet,
    pub frames: Inlet<'q, (Part, Frame)>,
    pub spare: Producer<'q, Frame>,
    /// Each inspection with its part's number.
    pub inspected: Outlet<'q, (u32, Inspection)>,
}

impl EngineThread<'_, '_> {
    pub fn run(mut self, stop: &AtomicBool, run_state: &RunState) {
        while !stop.load(Ordering::Relaxed) {
            run_state.engine.beat();
            run_state.queued.store(self.frames.len(), Ordering::Relaxed);
            // Read before the queue, so that the last frame is not left in it.
            let over = run_state.frames_over.load(Ordering::Acquire);
            let Some((part, mut frame)) = self.frames.dequeue() else {
                if over {
                    break;
                }
                thread::park_timeout(LONGEST_SLEEP);
                continue;
            };
            self.calibration.recalibrate(self.judge);
            let mut judged = false;
            // A panic inside the engine costs this part's verdict, not the line.
            let outcome = catch_unwind(AssertUnwindSafe(|| self.judge.judge(&frame)))
                .unwrap_or_else(|_| Err(JudgeError::EngineBrokeOff));
            let inspection = match outcome {
                Ok(mut verdict) => {
                    judged = true;
                    let bundle = self.judge.bundle();
                    self.thresholds.apply(&mut verdict, &bundle);
                    Inspection::Verdict(verdict, bundle)
                }
                Err(error) => Inspection::EngineError(error),
            };
            let idle = self.frames.is_empty();
            let album = self.album.as_mut();
            let wanted = album.is_some_and(|album| album.wants(&inspection, idle));
            let mut inspected = (part.id, inspection);
            while let Err(back) = self.inspected.send(inspected) {
                if stop.load(Ordering::Relaxed) || run_state.gate_over.load(Ordering::Relaxed) {
                    break;
                }
                inspected = back;
                thread::sleep(Duration::from_millis(1));
            }
            if let Some(album) = self.album.as_mut().filter(|_| wanted) {
                album.keep(part, &mut frame, self.judge.heat_map());
            }
            if judged {
                self.calibration.take_part(self.judge);
            }
            // A frame without room in the queue is freed.
            let _ = self.spare.enqueue(frame);
        }
        run_state.verdicts_over.store(true, Ordering::Release);
        self.inspected.wake();
    }
}
