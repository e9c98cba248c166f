//! The line at work: three threads, joined by fixed-capacity queues, take each part from its frame to its fate.
//!
//! The camera's thread never waits for the engine, and the gate's thread never waits for anyone: it decides on each part
//! by the part's deadline, whatever the other two do. What is told about it goes to the caller's thread and can be lost
//! without consequence.

pub mod bundle_section;
pub mod changeover;
pub mod config;
mod gate;
mod inference;
pub mod ledger;
mod queue;
mod source;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use heapless::spsc::Queue;

use crate::camera::{CameraError, Frame, FrameSource};
use crate::error::{Error, Result};
use crate::inspector::{Inspector, Verdict};
use crate::line::{Cause, Conveyor, Fate, Part, Policies};
use crate::reject::{RejectError, RejectEvent, Rejector};
use crate::score::heat::HeatMap;
use queue::Outlet;

/// Frames that may wait for the engine, less one. More would only make every verdict late.
const FRAMES: usize = 5;
/// Parts between camera and gate: at 2,000 a minute, seven seconds of travel.
const PARTS: usize = 256;
/// What is told may lag behind by this much before it is lost.
const EVENTS: usize = 1024;
/// No thread sleeps longer before it looks whether to stop.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);

/// Whatever gives a verdict on a frame.
pub trait Judge: Send {
    fn judge(&mut self, frame: &Frame) -> Result<Verdict>;

    /// Where the last judged frame is strange, if the judge can say.
    fn heatmap(&mut self) -> Option<Heatmap<'_>>;
}

impl Judge for Inspector {
    fn judge(&mut self, frame: &Frame) -> Result<Verdict> {
        Ok(self.inspect(frame)?)
    }

    fn heatmap(&mut self) -> Option<Heatmap<'_>> {
        Some(Heatmap {
            width: HeatMap::SIDE as u32,
            height: HeatMap::SIDE as u32,
            values: &self.heat().values,
        })
    }
}

/// A map over the frame, row by row, on the scale of [`HeatMap`]: about 0 is an ordinary place of a good part.
#[derive(Clone, Copy, Debug)]
pub struct Heatmap<'a> {
    pub width: u32,
    pub height: u32,
    pub values: &'a [f32],
}

#[derive(Debug, thiserror::Error)]
pub enum StationError {
    #[error(
        "the engine broke off in the middle of a frame: verify the bundle with `aecsad verify`"
    )]
    EngineBrokeOff,
    #[error("part {part} has no verdict ({}), and the station file says to stop then: clear the line, then start again", cause.name())]
    StoppedByPolicy { part: u32, cause: Cause },
    #[error("a thread can't be started ({0}): free memory on this machine")]
    NoThread(std::io::Error),
    #[error("Ctrl-C can't be caught ({0}): start from a shell or a service manager")]
    NoSignals(std::io::Error),
    #[error("stopped by request")]
    Interrupted,
}

/// What a station tells about its work.
#[derive(Debug)]
pub enum LineEvent {
    /// A part's fate, and what it rests on.
    Decided { fate: Fate, evidence: Evidence },
    /// From the gate.
    Gate(RejectEvent),
    /// A reject could not even be asked for.
    NotScheduled { part: u32, error: RejectError },
}

#[derive(Debug)]
pub enum Evidence {
    Verdict(Verdict),
    Failure(Error),
    Nothing,
}

/// What the camera's thread tells the gate's about each part, before the engine sees it.
struct Announcement {
    part: Part,
    sight: Sight,
}

enum Sight {
    /// Its frame is on the way to the engine.
    Queued,
    QueueFull,
    NoFrame(CameraError),
}

struct Judged {
    id: u32,
    outcome: Result<Verdict>,
}

/// Everything a station needs. The rejector is open; nothing is energised.
pub struct Station<'a> {
    pub source: &'a mut dyn FrameSource,
    pub judge: &'a mut dyn Judge,
    pub rejector: &'a mut dyn Rejector,
    pub conveyor: Conveyor,
    pub policies: Policies,
    /// Stop after so many parts.
    pub limit: Option<u32>,
}

/// How a run ended. In each case the output is off and nothing is scheduled, or `released` says why that is not sure.
#[derive(Debug)]
pub struct Ended {
    pub released: Result<(), RejectError>,
    /// The part whose policy stopped the line.
    pub stopped_by: Option<(u32, Cause)>,
    /// Events that found no room on their way to the caller.
    pub events_lost: u64,
}

/// What the threads tell each other apart from the queues.
#[derive(Default)]
struct Progress {
    /// No further part is to be taken.
    halt: AtomicBool,
    /// No further frame will come.
    frames_over: AtomicBool,
    /// No further verdict will come.
    verdicts_over: AtomicBool,
    /// Nobody listens at the gate any more.
    gate_over: AtomicBool,
}

impl Station<'_> {
    /// Runs until the source ends, the limit is reached, a policy says so or `stop` is set. At the end of the source the
    /// parts on the belt still reach the gate; `stop` takes back what is scheduled. `observe` runs on this thread.
    pub fn run(
        self,
        stop: &AtomicBool,
        mut observe: impl FnMut(LineEvent),
    ) -> Result<Ended, StationError> {
        let mut frames = Queue::<(Part, Frame), FRAMES>::new();
        let mut spare = Queue::<Frame, { FRAMES + 2 }>::new();
        let mut announcements = Queue::<Announcement, PARTS>::new();
        let mut verdicts = Queue::<Judged, PARTS>::new();
        let mut events = Box::new(Queue::<LineEvent, EVENTS>::new());
        let (frames_in, frames_out) = frames.split();
        let (spare_in, spare_out) = spare.split();
        let (announcements_in, announcements_out) = announcements.split();
        let (verdicts_in, verdicts_out) = verdicts.split();
        let (events_in, mut events_out) = events.split();
        let progress = Progress::default();
        let Station {
            source,
            judge,
            rejector,
            conveyor,
            policies,
            limit,
        } = self;

        thread::scope(|scope| {
            let gate = gate::Gate::new(
                conveyor,
                policies,
                rejector,
                announcements_out,
                verdicts_out,
                Outlet::new(events_in, thread::current()),
            );
            let progress = &progress;
            // Whoever fails to start must not leave the others waiting.
            let halted = |error| {
                progress.halt.store(true, Ordering::Relaxed);
                progress.verdicts_over.store(true, Ordering::Release);
                StationError::NoThread(error)
            };
            let gate = thread::Builder::new()
                .name("gate".into())
                .spawn_scoped(scope, move || gate.run(stop, progress))
                .map_err(halted)?;
            let verdicts_in = Outlet::new(verdicts_in, gate.thread().clone());
            let inference = thread::Builder::new()
                .name("inference".into())
                .spawn_scoped(scope, move || {
                    inference::run(judge, frames_out, spare_in, verdicts_in, stop, progress);
                })
                .map_err(halted)?;
            let frames_in = Outlet::new(frames_in, inference.thread().clone());
            let announcements_in = Outlet::new(announcements_in, gate.thread().clone());
            thread::Builder::new()
                .name("camera".into())
                .spawn_scoped(scope, move || {
                    source::Camera {
                        source,
                        frames: frames_in,
                        spare: spare_out,
                        announcements: announcements_in,
                    }
                    .run(limit, stop, progress);
                })
                .map_err(halted)?;

            loop {
                let over = gate.is_finished();
                while let Some(event) = events_out.dequeue() {
                    observe(event);
                }
                if over {
                    progress.halt.store(true, Ordering::Relaxed);
                    progress.gate_over.store(true, Ordering::Relaxed);
                    break;
                }
                thread::park_timeout(LONGEST_SLEEP);
            }
            gate.join()
                .map_err(|panic| std::panic::resume_unwind(panic))
        })
    }
}

#[cfg(test)]
mod tests;
