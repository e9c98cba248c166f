//! The camera's thread: a number and a time for each part, its frame to the engine if there is room.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use aecsad_inspect::frame::Frame;

use super::queue::{Inlet, Outlet};
use super::{Announcement, Inspection, Progress};
use crate::camera::{FrameSource, SourceEvent};
use crate::line::Part;

pub(super) struct CameraThread<'q> {
    pub source: &'q mut dyn FrameSource,
    pub frames: Outlet<'q, (Part, Frame)>,
    /// Frames the engine is done with: their buffers are used again.
    pub spare: Inlet<'q, Frame>,
    pub announced: Outlet<'q, Announcement>,
}

impl CameraThread<'_> {
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
            let Some(event) = self.source.next(&mut frame) else {
                break;
            };
            progress.camera.beat();
            progress.faults.note(&self.source.faults());
            let inspection = match event {
                SourceEvent::Nothing => {
                    kept = Some(frame);
                    continue;
                }
                SourceEvent::Blind(error) => {
                    progress.camera_sees.store(false, Ordering::Relaxed);
                    kept = Some(frame);
                    self.announce(Announcement::Blind(error), stop, progress);
                    continue;
                }
                SourceEvent::Sees => {
                    progress.camera_sees.store(true, Ordering::Relaxed);
                    kept = Some(frame);
                    self.announce(Announcement::Sees, stop, progress);
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
            self.announce(Announcement::Part(part, inspection), stop, progress);
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
    fn announce(&mut self, mut announcement: Announcement, stop: &AtomicBool, progress: &Progress) {
        while let Err(back) = self.announced.send(announcement) {
            if stop.load(Ordering::Relaxed) || progress.gate_over.load(Ordering::Relaxed) {
                return;
            }
            announcement = back;
            thread::sleep(Duration::from_millis(1));
        }
    }
}
