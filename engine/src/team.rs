//! Threads that share one network's operators. An operator is cut into pieces, which the thread that runs the network and its
//! workers take one after the other; each value is computed by the same steps whoever takes it, so that how many there are
//! changes no bit.
//!
//! A worker that comes late, because the machine is busy, finds the pieces taken, and nobody waits for it.

use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// How long a thread that waits for another stays awake: long enough from one operator to the next, and nothing beside the
/// time between two frames. Waking it takes as long as a small operator.
const AWAKE: Duration = Duration::from_micros(100);
/// Pieces for each thread, so that one that is held up leaves some to the others.
const PIECES: usize = 4;
/// Multiplications of floats that a piece should have, some microseconds. In tests small maps are cut as well.
const WORTH: usize = if cfg!(test) { 1 } else { 1 << 17 };

thread_local! {
    static LEADER: Cell<Option<Rc<Leader>>> = const { Cell::new(None) };
}

/// Workers of the thread that started them: they help with all networks that it runs, until this is dropped.
pub struct Team {
    desk: Arc<Desk>,
    workers: Vec<JoinHandle<()>>,
    /// Stays on its thread.
    here: PhantomData<Rc<Leader>>,
}

impl Team {
    /// So many threads with the calling one, which can have one team. Each other first does what `begin` says.
    pub fn start(
        threads: usize,
        begin: impl Fn() + Clone + Send + 'static,
    ) -> std::io::Result<Self> {
        let mut team = Team {
            desk: Arc::new(Desk::new()),
            workers: Vec::new(),
            here: PhantomData,
        };
        for _ in 1..threads {
            let (desk, begin) = (Arc::clone(&team.desk), begin.clone());
            let work = move || {
                begin();
                desk.serve();
            };
            let worker = thread::Builder::new().name("engine".into()).spawn(work)?;
            team.workers.push(worker);
        }
        let threads = team.workers.iter().map(|worker| worker.thread().clone());
        LEADER.set(Some(Rc::new(Leader {
            desk: Arc::clone(&team.desk),
            workers: threads.collect(),
        })));
        Ok(team)
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        LEADER.take();
        self.desk.state.store(OVER, Ordering::Release);
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            let _ = worker.join();
        }
    }
}

/// What the thread that started a team has of it.
struct Leader {
    desk: Arc<Desk>,
    workers: Vec<Thread>,
}

/// Where the leader puts an operator and its workers find it.
struct Desk {
    /// Whether there is an operator, how many workers are at it, and from bit [`ROUND`] on the operator's number.
    state: AtomicU64,
    /// Written only while the desk is closed and nobody at it.
    job: UnsafeCell<Option<Job>>,
    /// The first piece that nobody has taken.
    next: AtomicUsize,
    /// A worker panicked.
    broke_off: AtomicBool,
    leader: Thread,
}

const INSIDE: u64 = OPEN - 1;
const OPEN: u64 = 1 << 16;
const OVER: u64 = 1 << 17;
const ROUND: u32 = 32;

#[derive(Clone, Copy)]
struct Job {
    /// Lives while the desk is open or a worker at it.
    work: *const (dyn Fn(usize) + Sync),
    pieces: usize,
}

// SAFETY: `job` is handed over by `state`, and the work can be done by any thread.
unsafe impl Sync for Desk {}
unsafe impl Send for Desk {}

impl Desk {
    fn new() -> Self {
        Desk {
            state: AtomicU64::new(0),
            job: UnsafeCell::new(None),
            next: AtomicUsize::new(0),
            broke_off: AtomicBool::new(false),
            leader: thread::current(),
        }
    }

    fn open(&self, work: &(dyn Fn(usize) + Sync), pieces: usize) {
        // SAFETY: only the lifetime changes; `close` waits for all who read it.
        let work = unsafe {
            std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), *const (dyn Fn(usize) + Sync)>(
                work,
            )
        };
        // SAFETY: the desk is closed and nobody at it.
        unsafe { *self.job.get() = Some(Job { work, pieces }) };
        self.next.store(0, Ordering::Relaxed);
        self.broke_off.store(false, Ordering::Relaxed);
        let round = (self.state.load(Ordering::Relaxed) >> ROUND) + 1;
        self.state.store(round << ROUND | OPEN, Ordering::Release);
    }

    /// Waits for the workers that are at it.
    fn close(&self) {
        self.state.fetch_and(!OPEN, Ordering::Relaxed);
        self.wait(|state| state & INSIDE == 0);
    }

    /// A worker's life.
    fn serve(&self) {
        let mut served = 0;
        loop {
            let is_new = |state| state & OPEN != 0 && state >> ROUND != served;
            let state = self.wait(|state| state & OVER != 0 || is_new(state));
            if state & OVER != 0 {
                return;
            }
            let entered = state + 1;
            let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
            if self
                .state
                .compare_exchange(state, entered, acquire, relaxed)
                .is_err()
            {
                continue;
            }
            served = state >> ROUND;
            // SAFETY: this worker is at the desk, so the job stays.
            if let Some(job) = unsafe { *self.job.get() } {
                let work = AssertUnwindSafe(|| unsafe { self.take(job.pieces, &*job.work) });
                if catch_unwind(work).is_err() {
                    self.broke_off.store(true, Ordering::Relaxed);
                }
            }
            let before = self.state.fetch_sub(1, Ordering::Release);
            if before & (OPEN | INSIDE) == 1 {
                self.leader.unpark();
            }
        }
    }

    /// Takes pieces until there are none left.
    fn take(&self, pieces: usize, work: &(dyn Fn(usize) + Sync)) {
        loop {
            let piece = self.next.fetch_add(1, Ordering::Relaxed);
            if piece >= pieces {
                return;
            }
            work(piece);
        }
    }

    /// Awake at first, then asleep until someone unparks this thread.
    fn wait(&self, is_over: impl Fn(u64) -> bool) -> u64 {
        let mut start = Instant::now();
        loop {
            let state = self.state.load(Ordering::Acquire);
            if is_over(state) {
                return state;
            }
            if start.elapsed() < AWAKE {
                std::hint::spin_loop();
            } else {
                thread::park();
                start = Instant::now();
            }
        }
    }
}

/// How many threads share an operator of the calling one.
pub(crate) fn hands() -> usize {
    let leader = LEADER.take();
    let workers = leader.as_ref().map_or(0, |leader| leader.workers.len());
    LEADER.set(leader);
    workers + 1
}

/// Does `work` for all of `units`, a range at a time. `cost` is that of all together, in multiplications of floats or what
/// takes as long.
///
/// # Panics
/// If `work` does, on any thread.
pub(crate) fn each(units: usize, cost: usize, work: impl Fn(Range<usize>) + Sync) {
    let pieces = match hands() {
        1 => 1,
        hands => (cost / WORTH).min(hands * PIECES).min(units),
    };
    if pieces <= 1 {
        return work(0..units);
    }
    share(pieces, &|piece| {
        work(units * piece / pieces..units * (piece + 1) / pieces);
    });
}

fn share(pieces: usize, work: &(dyn Fn(usize) + Sync)) {
    /// Also where a piece panics: workers may be at others.
    struct Turn(Option<Rc<Leader>>);

    impl Drop for Turn {
        fn drop(&mut self) {
            self.0.iter().for_each(|leader| leader.desk.close());
            LEADER.set(self.0.take());
        }
    }

    // Not there meanwhile: within a piece nothing is shared.
    let turn = Turn(LEADER.take());
    let Some(leader) = &turn.0 else {
        return (0..pieces).for_each(work);
    };
    let desk = Arc::clone(&leader.desk);
    desk.open(work, pieces);
    let others = leader.workers.iter().take(pieces - 1);
    others.for_each(Thread::unpark);
    desk.take(pieces, work);
    drop(turn);
    let broke_off = desk.broke_off.load(Ordering::Relaxed);
    assert!(!broke_off, "a worker of the engine broke off");
}

/// The same for chunks of a slice, the last of which may be shorter: `work` gets the index of each and the chunk.
pub(crate) fn each_chunk<T: Send>(
    values: &mut [T],
    length: usize,
    cost: usize,
    work: impl Fn(usize, &mut [T]) + Sync,
) {
    let (total, place) = (values.len(), Place::new(values));
    each(total.div_ceil(length), cost, |chunks| {
        for chunk in chunks {
            let from = chunk * length;
            // SAFETY: within the slice, and no chunk is in two ranges.
            let values = unsafe {
                std::slice::from_raw_parts_mut(place.start().add(from), length.min(total - from))
            };
            work(chunk, values);
        }
    });
}

/// A slice that all threads write to, each to its own part.
pub(crate) struct Place<T>(*mut T);

// SAFETY: whoever writes says that the parts are apart.
unsafe impl<T: Send> Sync for Place<T> {}

impl<T> Place<T> {
    pub(crate) fn new(values: &mut [T]) -> Self {
        Place(values.as_mut_ptr())
    }

    pub(crate) fn start(&self) -> *mut T {
        self.0
    }
}
