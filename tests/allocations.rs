//! The way of a frame through the station's threads allocates nothing of its own once it is warm: counted by an allocator
//! that looks at the three threads. What the inference engine allocates inside is its own.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aecsad::camera::pixel_format::{self, PixelFormat, YuvEncoding};
use aecsad::camera::{Camera, Capture, Faults, Trigger, TriggeredCamera};
use aecsad::line::{Conveyor, FirePoint, Policies, Travel};
use aecsad::reject::{RejectError, RejectEvent, Rejector};
use aecsad::station::{Judge, JudgeError, Station};
use aecsad_inspect::branches::shared::heat::HeatMap;
use aecsad_inspect::frame::Frame;
use aecsad_inspect::inspector::Verdict;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// This thread is on the way of a frame, and warm.
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: everything is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTED.try_with(Cell::get).unwrap_or(false) {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const WARM_UP: u32 = 50;
const PARTS: u32 = 500;

/// A camera of one buffer, converted anew for each part.
struct Still {
    buffer: Vec<u8>,
    taken: u32,
}

impl Camera for Still {
    fn capture(&mut self, frame: &mut Frame) -> Capture {
        std::thread::sleep(Duration::from_millis(2));
        self.taken += 1;
        COUNTED.set(self.taken > WARM_UP && self.taken < PARTS);
        let layout = pixel_format::BufferLayout {
            format: PixelFormat::Yuyv,
            width: 64,
            height: 48,
            stride: 128,
            shift: 0,
            yuv: YuvEncoding::default(),
        };
        frame.captured = Instant::now();
        match layout.to_rgb(&self.buffer, frame) {
            Ok(()) => Capture::Frame { skipped: 0 },
            Err(error) => Capture::Damaged(error),
        }
    }

    fn faults(&self) -> Faults {
        Faults::default()
    }
}

#[derive(Default)]
struct EveryThird(u32);

impl Judge for EveryThird {
    fn judge(&mut self, _frame: &Frame) -> Result<Verdict, JudgeError> {
        self.0 += 1;
        COUNTED.set(self.0 > WARM_UP && self.0 < PARTS);
        if self.0 == PARTS / 2 {
            // Frames pile up, as they do on a busy machine.
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(Verdict {
            reject: self.0.is_multiple_of(3),
            ..Verdict::passing(1.0, 0.0)
        })
    }

    fn heat_map(&mut self) -> Option<&HeatMap> {
        None
    }
}

/// A gate that pulses at once.
#[derive(Default)]
struct Prompt {
    waiting: heapless::Deque<u32, 64>,
    scheduled: u32,
}

impl Rejector for Prompt {
    fn schedule(&mut self, part: u32, _fire: FirePoint, _now: Instant) -> Result<(), RejectError> {
        self.scheduled += 1;
        COUNTED.set(self.scheduled > WARM_UP / 3 && self.scheduled < PARTS / 3);
        let _ = self.waiting.push_back(part);
        Ok(())
    }

    fn poll(&mut self, now: Instant) -> Option<RejectEvent> {
        let part = self.waiting.pop_front()?;
        Some(RejectEvent::Pulsed {
            part,
            at: now,
            error_us: 0,
        })
    }

    fn wake_at(&self) -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    fn pending(&self) -> usize {
        self.waiting.len()
    }

    fn stop(&mut self) -> Result<(), RejectError> {
        COUNTED.set(false);
        Ok(())
    }
}

#[test]
fn a_warm_station_allocates_nothing_for_a_frame() {
    let still = Still {
        buffer: vec![100; 128 * 48],
        taken: 0,
    };
    let mut source = TriggeredCamera::new(Box::new(still), Trigger::EachFrame);
    let (mut judge, mut rejector) = (EveryThird::default(), Prompt::default());
    let station = Station {
        source: &mut source,
        judge: &mut judge,
        rejector: &mut rejector,
        conveyor: Conveyor {
            travel: Travel::Time(Duration::from_secs(2)),
            lead: Duration::ZERO,
            margin: Duration::from_millis(100),
            pulse: Duration::from_millis(1),
            reach: Duration::ZERO,
        },
        policies: Policies::default(),
        confirm_within: None,
        album: None,
        thresholds: Default::default(),
        calibration: Default::default(),
        limit: Some(PARTS),
        priority: 0,
        threads: 2,
    };
    let mut events = 0;
    station
        .run(&AtomicBool::new(false), |_| events += 1)
        .unwrap();
    assert!(rejector.scheduled >= PARTS / 3, "{}", rejector.scheduled);
    assert!(events > PARTS);
    let allocations = ALLOCATIONS.load(Ordering::Relaxed);
    assert_eq!(allocations, 0);
    // The counting itself works.
    COUNTED.set(true);
    drop(std::hint::black_box(vec![1u8; 100]));
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed), allocations + 1);
}
