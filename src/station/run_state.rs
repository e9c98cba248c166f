//! The state that a station's threads share with each other and with the watchdogs, apart from the queues.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::camera::Faults;

/// Shared by all threads of one run.
pub struct RunState {
    /// No further part is to be taken.
    pub halt: AtomicBool,
    /// No further frame will come.
    pub frames_over: AtomicBool,
    /// No further verdict will come.
    pub verdicts_over: AtomicBool,
    /// The gate's thread has ended.
    pub gate_over: AtomicBool,
    pub camera: Heartbeat,
    pub engine: Heartbeat,
    pub gate: Heartbeat,
    pub camera_sees: AtomicBool,
    pub gate_up: AtomicBool,
    pub faults: SharedFaults,
    /// Frames in the queue to the engine.
    pub queued: AtomicUsize,
}

impl Default for RunState {
    fn default() -> Self {
        let start = Instant::now();
        RunState {
            halt: AtomicBool::default(),
            frames_over: AtomicBool::default(),
            verdicts_over: AtomicBool::default(),
            gate_over: AtomicBool::default(),
            camera: Heartbeat::new(start),
            engine: Heartbeat::new(start),
            gate: Heartbeat::new(start),
            camera_sees: AtomicBool::new(true),
            gate_up: AtomicBool::default(),
            faults: SharedFaults::default(),
            queued: AtomicUsize::default(),
        }
    }
}

/// The time of a thread's latest loop.
pub struct Heartbeat {
    start: Instant,
    after_ms: AtomicU64,
}

impl Heartbeat {
    fn new(start: Instant) -> Self {
        Heartbeat {
            start,
            after_ms: AtomicU64::new(0),
        }
    }

    pub fn beat(&self) {
        self.after_ms
            .store(self.start.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// The time since the thread's latest loop.
    pub fn since(&self) -> Duration {
        let after = Duration::from_millis(self.after_ms.load(Ordering::Relaxed));
        self.start.elapsed().saturating_sub(after)
    }
}

/// [`Faults`] across threads.
#[derive(Default)]
pub struct SharedFaults {
    dropped: AtomicU64,
    corrupt: AtomicU64,
    stalled: AtomicU64,
    unplugged: AtomicU64,
}

impl SharedFaults {
    pub fn note(&self, faults: &Faults) {
        self.dropped.store(faults.dropped, Ordering::Relaxed);
        self.corrupt.store(faults.corrupt, Ordering::Relaxed);
        self.stalled.store(faults.stalled, Ordering::Relaxed);
        self.unplugged.store(faults.unplugged, Ordering::Relaxed);
    }

    pub fn read(&self) -> Faults {
        Faults {
            dropped: self.dropped.load(Ordering::Relaxed),
            corrupt: self.corrupt.load(Ordering::Relaxed),
            stalled: self.stalled.load(Ordering::Relaxed),
            unplugged: self.unplugged.load(Ordering::Relaxed),
        }
    }
}

/// A station's state at one time, for watchdogs and metrics.
#[derive(Clone, Copy, Debug)]
pub struct Health {
    /// The longest time since any thread's latest loop.
    pub stuck_for: Duration,
    pub camera_sees: bool,
    pub gate_up: bool,
    pub queued: usize,
    pub faults: Faults,
}

impl RunState {
    pub fn health(&self) -> Health {
        let threads = [&self.camera, &self.engine, &self.gate];
        Health {
            stuck_for: threads.iter().map(|t| t.since()).max().unwrap_or_default(),
            camera_sees: self.camera_sees.load(Ordering::Relaxed),
            gate_up: self.gate_up.load(Ordering::Relaxed),
            queued: self.queued.load(Ordering::Relaxed),
            faults: self.faults.read(),
        }
    }
}
