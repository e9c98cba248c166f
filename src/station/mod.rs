//! The running line: three threads, joined by fixed-capacity queues, take each part from its frame to its fate.
//!
//! The camera's thread never waits for the engine, and the gate's thread never waits for the other two: it decides each
//! part by the part's deadline. Events go to the caller's thread; losing one has no effect on the line.

pub mod alarm;
mod anomalous_run;
pub mod changeover;
pub mod config;
pub mod devices;
pub mod expectation;
mod gate;
pub mod gatekeeper;
mod inference;
mod inspection;
pub mod installed;
mod judge;
pub mod ledger;
pub mod line_calibration;
pub mod loaded_judge;
mod message;
pub mod operator_threshold;
mod other_light;
mod queue;
mod run_state;
mod source;
mod standby;
pub mod system;
pub mod threshold_watch;
pub mod watchdog;

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use aecsad_inspect::branches::shared::heat::HeatMap;
use aecsad_inspect::frame::Frame;
use aecsad_inspect::network::Team;
use heapless::spsc::Queue;

use crate::camera::{CameraError, FrameSource};
use crate::line::{Cause, Conveyor, Fate, Part, Policies, StopReason, TakenAlong};
use crate::reject::{RejectError, RejectEvent, Rejector};
use gatekeeper::Gatekeeper;
pub use inspection::Inspection;
pub use judge::{Judge, JudgeError};
use line_calibration::LineCalibration;
pub use message::Message;
use operator_threshold::OperatorThresholds;
use queue::Outlet;
pub use run_state::Health;
use run_state::RunState;

/// Capacity of the queue to the engine, plus one. A longer queue would only make every verdict late.
const FRAMES: usize = 5;
/// Parts between camera and gate: at 2,000 a minute, seven seconds of travel.
const PARTS: usize = 256;
/// The most events that wait for the caller before events are lost.
const EVENTS: usize = 1024;
/// No thread sleeps longer before it looks whether to stop.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);

#[derive(Debug, thiserror::Error)]
pub enum StationError {
    #[error("part {part} has no verdict ({}), and the station file says to stop then: clear the line, then start again", cause.name())]
    StoppedByPolicy { part: u32, cause: Cause },
    #[error(
        "{count} parts in a row were to be rejected, part {part} last: look at the parts, the light and the camera, then start again"
    )]
    RejectsInARow { part: u32, count: u32 },
    #[error(
        "the camera sees no parts, and the station file says to stop then: fix its cause, then start again"
    )]
    StoppedBlind,
    #[error(
        "the gate can't be reached, and the station file says to stop then: fix the link, then start again"
    )]
    StoppedWithoutGate,
    #[error("a thread can't be started ({0}): free memory on this machine")]
    NoThread(std::io::Error),
    #[error("Ctrl-C can't be caught ({0}): start from a shell or a service manager")]
    NoSignals(std::io::Error),
    #[error("stopped by request")]
    Interrupted,
}

/// An event of a running line. The camera's thread reports to the gate's thread, and that one to the caller's.
#[derive(Debug)]
pub enum LineEvent {
    /// A part is at the camera. It has an inspection if there will be no verdict; otherwise its frame is on the way to
    /// the engine. The gate's thread takes this event and does not pass it on.
    Arrived {
        part: Part,
        inspection: Option<Inspection>,
    },
    /// A part's fate, and what it rests on: nothing where the verdict came late.
    Decided {
        fate: Fate,
        inspection: Option<Inspection>,
    },
    /// From the gate.
    Gate(RejectEvent),
    /// A reject could not be requested.
    NotScheduled { part: u32, error: RejectError },
    /// A part that should pass may be hit by a neighbour's pulse.
    TakenAlong(TakenAlong),
    /// The sensor behind the gate saw a rejected part fall.
    Fallen { part: u32 },
    /// The actuator was energised, but the sensor saw nothing.
    NotFallen { part: u32 },
    /// The sensor saw something fall that was not rejected.
    FellUnrequested,
    /// Parts may pass unseen from here on.
    Blind(CameraError),
    /// The camera sees the parts again.
    Sees,
    /// The belt's encoder stopped sending, or counts again.
    Encoder { silent: bool },
    /// The threads' state, some twenty times a second.
    Health(Health),
}

/// Everything a station needs. The rejector is open; nothing is energised.
pub struct Station<'a> {
    pub source: &'a mut dyn FrameSource,
    pub judge: &'a mut dyn Judge,
    pub rejector: &'a mut dyn Rejector,
    pub conveyor: Conveyor,
    pub policies: Policies,
    /// How long after its pulse a part is seen by the sensor behind the gate, if there is one.
    pub confirm_within: Option<Duration>,
    /// Keeps pictures of parts.
    pub album: Option<&'a mut dyn Album>,
    /// Thresholds that persons set, which come before the judge's own.
    pub thresholds: OperatorThresholds,
    /// Calibrates while parts pass.
    pub calibration: LineCalibration,
    /// Stop after so many parts.
    pub limit: Option<u32>,
    /// Real-time priority of the three threads, 0 for none.
    pub priority: u8,
    /// How many threads compute a verdict, the engine's own among them.
    pub threads: usize,
}

/// How a run ended. In each case the output is off and nothing is scheduled, or `released` says why that is not sure.
#[derive(Debug)]
pub struct Ended {
    pub released: Result<(), RejectError>,
    /// Why the station stopped by itself, if it did, and at which part.
    pub stopped_by: Option<(Option<u32>, StopReason)>,
    /// Events that found no room on their way to the caller.
    pub events_lost: u64,
}

impl Ended {
    /// The sentence for a station that stopped by itself.
    pub fn stop_error(&self) -> Option<StationError> {
        let (part, reason) = self.stopped_by?;
        let part = part.unwrap_or_default();
        Some(match reason {
            StopReason::NoVerdict(cause) => StationError::StoppedByPolicy { part, cause },
            StopReason::RejectsInARow(count) => StationError::RejectsInARow { part, count },
            StopReason::Blind => StationError::StoppedBlind,
            StopReason::NoGate => StationError::StoppedWithoutGate,
        })
    }
}

/// Keeps pictures of parts. It is called on the engine's thread, so it must not wait.
pub trait Album: Send {
    /// Whether it takes the picture of this part. `idle`: no other frame waits for the engine.
    fn wants(&mut self, judged: &Inspection, idle: bool) -> bool;

    /// Takes the picture of the part that it wanted. May take the frame's buffer and leave another in its place.
    fn keep(&mut self, part: Part, frame: &mut Frame, heat: Option<&HeatMap>);
}

impl Station<'_> {
    /// Runs until the source ends, the limit is reached, a policy says so or `stop` is set. At the end of the source
    /// the parts on the belt still reach the gate; `stop` takes back what is scheduled. `observe` runs on this thread.
    pub fn run(
        self,
        stop: &AtomicBool,
        mut observe: impl FnMut(LineEvent),
    ) -> Result<Ended, StationError> {
        let mut frames = Queue::<(Part, Frame), FRAMES>::new();
        let mut spare = Queue::<Frame, { FRAMES + 2 }>::new();
        let mut arrivals = Queue::<LineEvent, PARTS>::new();
        let mut inspected = Queue::<(u32, Inspection), PARTS>::new();
        let mut events = Box::new(Queue::<LineEvent, EVENTS>::new());
        let (frames_in, frames_out) = frames.split();
        let (mut spare_in, spare_out) = spare.split();
        // As many frames as can be in use at once, so that none is allocated later.
        for _ in 0..=FRAMES {
            let _ = spare_in.enqueue(Frame::empty());
        }
        let (arrivals_in, arrivals_out) = arrivals.split();
        let (inspected_in, inspected_out) = inspected.split();
        let (events_in, mut events_out) = events.split();
        let run_state = RunState::default();
        let Station {
            source,
            judge,
            rejector,
            conveyor,
            policies,
            confirm_within,
            album,
            thresholds,
            calibration,
            limit,
            priority,
            threads,
        } = self;
        // A missing permission was reported by the caller.
        let raise = move || drop(system::raise_priority(priority));

        thread::scope(|scope| {
            let gate = gate::GateThread {
                keeper: Gatekeeper::new(conveyor, policies, confirm_within, rejector),
                arrivals: arrivals_out,
                inspected: inspected_out,
                events: Outlet::new(events_in, thread::current()),
            };
            let run_state = &run_state;
            // A thread that fails to start must not leave the others waiting.
            let halted = |error| {
                run_state.halt.store(true, Ordering::Relaxed);
                run_state.verdicts_over.store(true, Ordering::Release);
                StationError::NoThread(error)
            };
            let gate = thread::Builder::new()
                .name("gate".into())
                .spawn_scoped(scope, move || {
                    raise();
                    gate.run(stop, run_state)
                })
                .map_err(halted)?;
            let inspected_in = Outlet::new(inspected_in, gate.thread().clone());
            let inference = thread::Builder::new()
                .name("inference".into())
                .spawn_scoped(scope, move || {
                    raise();
                    let _team = Team::start(threads, raise).map_err(halted)?;
                    inference::EngineThread {
                        judge,
                        album,
                        thresholds: thresholds.reader(),
                        calibration: calibration.inlet(),
                        frames: frames_out,
                        spare: spare_in,
                        inspected: inspected_in,
                    }
                    .run(stop, run_state);
                    Ok(())
                })
                .map_err(halted)?;
            let frames_in = Outlet::new(frames_in, inference.thread().clone());
            let arrivals_in = Outlet::new(arrivals_in, gate.thread().clone());
            thread::Builder::new()
                .name("camera".into())
                .spawn_scoped(scope, move || {
                    raise();
                    source::CameraThread {
                        source,
                        frames: frames_in,
                        spare: spare_out,
                        reports: arrivals_in,
                    }
                    .run(limit, stop, run_state);
                })
                .map_err(halted)?;

            loop {
                let over = gate.is_finished();
                while let Some(event) = events_out.dequeue() {
                    observe(event);
                }
                observe(LineEvent::Health(run_state.health()));
                if over {
                    run_state.halt.store(true, Ordering::Relaxed);
                    run_state.gate_over.store(true, Ordering::Relaxed);
                    break;
                }
                thread::park_timeout(LONGEST_SLEEP);
            }
            let ended = gate.join().unwrap_or_else(|panic| resume_unwind(panic));
            let inferred = inference.join();
            inferred.unwrap_or_else(|panic| resume_unwind(panic))?;
            Ok(ended)
        })
    }
}

#[cfg(test)]
mod tests;
