//! The camera's thread: a number and a time for each part, its frame to the engine if there is room.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::queue::{Inlet, Outlet};
use super::{Announcement, Progress, Sight};
use crate::camera::{Frame, FrameSource};
use crate::line::Part;

pub(super) struct Camera<'q> {
    pub source: &'q mut dyn FrameSource,
    pub frames: Outlet<'q, (Part, Frame)>,
    /// Frames the engine is done with: their buffers are used again.
    pub spare: Inlet<'q, Frame>,
    pub announcements: Outlet<'q, Announcement>,
}

impl Camera<'_> {
    pub fn run(mut self, limit: Option<u32>, stop: &AtomicBool, progress: &Progress) {
        let mut kept = None;
        for id in 1..=limit.unwrap_or(u32::MAX) {
            if stop.load(Ordering::Relaxed) || progress.halt.load(Ordering::Relaxed) {
                break;
            }
            let mut frame = kept
                .take()
                .or_else(|| self.spare.dequeue())
                .unwrap_or_else(empty_frame);
            let Some(read) = self.source.next(&mut frame, stop) else {
                break;
            };
            let captured = frame.captured;
            let part = Part { id, captured };
            let sight = match read {
                Err(error) => Sight::NoFrame(error),
                Ok(()) if self.frames.is_full() => Sight::QueueFull,
                Ok(()) => Sight::Queued,
            };
            let queued = matches!(sight, Sight::Queued);
            // The gate hears of a part before its verdict can exist.
            self.announce(Announcement { part, sight }, stop, progress);
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
        while let Err(back) = self.announcements.send(announcement) {
            if stop.load(Ordering::Relaxed) || progress.gate_over.load(Ordering::Relaxed) {
                return;
            }
            announcement = back;
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn empty_frame() -> Frame {
    Frame {
        width: 0,
        height: 0,
        rgb: Vec::new(),
        captured: Instant::now(),
    }
}
