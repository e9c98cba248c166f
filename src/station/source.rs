//! The camera's thread: a number and a time for each part, its frame to the engine if there is room.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use aecsad_inspect::frame::Frame;

use super::gatekeeper::Sight;
use super::queue::{Inlet, Outlet};
use super::{Progress, Seen};
use crate::camera::{FrameSource, Sighting};
use crate::line::Part;

pub(super) struct Camera<'q> {
    pub source: &'q mut dyn FrameSource,
    pub frames: Outlet<'q, (Part, Frame)>,
    /// Frames the engine is done with: their buffers are used again.
    pub spare: Inlet<'q, Frame>,
    pub seen: Outlet<'q, Seen>,
}

impl Camera<'_> {
    pub fn run(mut self, limit: Option<u32>, stop: &AtomicBool, progress: &Progress) {
        let mut kept = None;
        let mut id = 0;
        while id < limit.unwrap_or(u32::MAX) {
            if stop.load(Ordering::Relaxed) || progress.halt.load(Ordering::Relaxed) {
                break;
            }
            let mut frame = kept
                .take()
                .or_else(|| self.spare.dequeue())
                .unwrap_or_else(Frame::empty);
            let Some(sighting) = self.source.next(&mut frame) else {
                break;
            };
            progress.camera.beat();
            progress.faults.note(&self.source.faults());
            let sight = match sighting {
                Sighting::Nothing => {
                    kept = Some(frame);
                    continue;
                }
                Sighting::Blind(error) => {
                    progress.camera_sees.store(false, Ordering::Relaxed);
                    kept = Some(frame);
                    self.tell(Seen::Blind(error), stop, progress);
                    continue;
                }
                Sighting::Sees => {
                    progress.camera_sees.store(true, Ordering::Relaxed);
                    kept = Some(frame);
                    self.tell(Seen::Again, stop, progress);
                    continue;
                }
                Sighting::Unseen(error) => Sight::NoFrame(error),
                Sighting::Part if self.frames.is_full() => Sight::QueueFull,
                Sighting::Part => Sight::Queued,
            };
            id += 1;
            let captured = frame.captured;
            let part = Part { id, captured };
            let queued = matches!(sight, Sight::Queued);
            // The gate hears of a part before its verdict can exist.
            self.tell(Seen::Part(part, sight), stop, progress);
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
        progress.frames_over.store(true, Ordering::Release);
        self.frames.wake();
    }

    /// No part goes unannounced. The gate's thread empties this queue at each turn, so there is room at once.
    fn tell(&mut self, mut news: Seen, stop: &AtomicBool, progress: &Progress) {
        while let Err(back) = self.seen.send(news) {
            if stop.load(Ordering::Relaxed) || progress.gate_over.load(Ordering::Relaxed) {
                return;
            }
            news = back;
            thread::sleep(Duration::from_millis(1));
        }
    }
}
