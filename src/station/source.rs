//! The camera's thread: a number and a time for each part, its frame to the engine if there is room.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use aecsad_inspect::frame::Frame;

use super::queue::{Inlet, Outlet};
use super::{Inspection, LineEvent, RunState};
use crate::camera::{FrameSource, SourceEvent};
use crate::line::Part;

pub(super) struct CameraThread<'q> {
    pub source: &'q mut dyn FrameSource,
    pub frames: Outlet<'q, (Part, Frame)>,
    /// Frames the engine is done with: their buffers are used again.
    pub spare: Inlet<'q, Frame>,
    /// To the gate's thread.
    pub reports: Outlet<'q, LineEvent>,
}

impl CameraThread<'_> {
    pub fn run(mut self, limit: Option<u32>, stop: &AtomicBool, run_state: &RunState) {
        let mut kept = None;
        let mut id = 0;
        while id < limit.unwrap_or(u32::MAX) {
            if stop.load(Ordering::Relaxed) || run_state.halt.load(Ordering::Relaxed) {
                break;
            }
            let mut frame = kept
                .take()
                .or_else(|| self.spare.dequeue())
                .unwrap_or_else(Frame::empty);
            let Some(event) = self.source.next(&mut frame) else {
                break;
            };
            run_state.camera.beat();
            run_state.faults.note(&self.source.faults());
            let inspection = match event {
                SourceEvent::Nothing => {
                    kept = Some(frame);
                    continue;
                }
                SourceEvent::Blind(error) => {
                    run_state.camera_sees.store(false, Ordering::Relaxed);
                    kept = Some(frame);
                    self.report(LineEvent::Blind(error), stop, run_state);
                    continue;
                }
                SourceEvent::Sees => {
                    run_state.camera_sees.store(true, Ordering::Relaxed);
                    kept = Some(frame);
                    self.report(LineEvent::Sees, stop, run_state);
                    continue;
                }
                SourceEvent::NoFrame(error) => Some(Inspection::NoFrame(error)),
                SourceEvent::Part if self.frames.is_full() => Some(Inspection::QueueFull),
                SourceEvent::Part => None,
            };
            id += 1;
            let captured = frame.captured;
            let part = Part { id, captured };
            let queued = inspection.is_none();
            // The gate receives a part before its verdict can exist.
            self.report(LineEvent::Arrived { part, inspection }, stop, run_state);
            if queued {
                kept = self
                    .frames
                    .send((part, frame))
                    .err()
                    .map(|(_, frame)| frame);
            } else {
                kept = Some(frame);
            }
        }
        run_state.frames_over.store(true, Ordering::Release);
        self.frames.wake();
    }

    /// Waits for room, so that no report is lost. The gate's thread empties this queue at each turn.
    fn report(&mut self, mut event: LineEvent, stop: &AtomicBool, run_state: &RunState) {
        while let Err(back) = self.reports.send(event) {
            if stop.load(Ordering::Relaxed) || run_state.gate_over.load(Ordering::Relaxed) {
                return;
            }
            event = back;
            thread::sleep(Duration::from_millis(1));
        }
    }
}
