//! The hand-over of an operator's pieces from one thread, the leader, to its workers. No worker is still busy with an
//! operator when the leader goes on. `tests/dispatch.rs` goes through the orders in which threads can take turns, with
//! what each may then see of the others' memory.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::sync::{
    AtomicBool, AtomicU64, AtomicUsize, Ordering, SharedCell, SpinWait, Thread, current, park,
};

/// One leader's.
pub struct Dispatch {
    /// Whether there is an operator, how many workers are at it, and from bit [`ROUND`] on the operator's number.
    state: AtomicU64,
    /// Written only while the dispatch is closed and no worker is at it.
    job: SharedCell<Option<Job>>,
    /// The first piece that was not taken yet.
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
    /// Lives while the dispatch is open or a worker at it.
    work: *const (dyn Fn(usize) + Sync),
    pieces: usize,
}

// SAFETY: `job` is handed over by `state`, and the work can be done by any thread.
unsafe impl Sync for Dispatch {}
unsafe impl Send for Dispatch {}

impl Dispatch {
    /// Of the calling thread.
    pub fn new() -> Self {
        Dispatch {
            state: AtomicU64::new(0),
            job: SharedCell::new(None),
            next: AtomicUsize::new(0),
            broke_off: AtomicBool::new(false),
            leader: current(),
        }
    }

    /// The leader's turn: does `work` for each of the pieces, with the workers that `wake` wakes or that are awake.
    ///
    /// # Panics
    /// If `work` does, on any thread; no worker is at it any more then.
    pub fn share(&self, pieces: usize, work: &(dyn Fn(usize) + Sync), wake: impl FnOnce()) {
        /// Also where a piece panics: workers may be at others.
        struct Turn<'a>(&'a Dispatch);

        impl Drop for Turn<'_> {
            fn drop(&mut self) {
                self.0.close();
            }
        }

        self.open(work, pieces);
        let turn = Turn(self);
        wake();
        self.take(pieces, work);
        drop(turn);
        let broke_off = self.broke_off.load(Ordering::Relaxed);
        assert!(!broke_off, "a worker of the engine broke off");
    }

    fn open(&self, work: &(dyn Fn(usize) + Sync), pieces: usize) {
        // SAFETY: only the lifetime changes; `close` waits for all who read it.
        let work = unsafe {
            std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), *const (dyn Fn(usize) + Sync)>(
                work,
            )
        };
        // SAFETY: the dispatch is closed and no worker is at it.
        unsafe { self.job.set(Some(Job { work, pieces })) };
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

    /// The leader sends its workers home; those asleep have to be woken.
    pub fn end(&self) {
        self.state.store(OVER, Ordering::Release);
    }

    /// A worker's life.
    pub fn serve(&self) {
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
            // SAFETY: this worker is at the dispatch, so the job stays.
            if let Some(job) = unsafe { self.job.get() } {
                // SAFETY: likewise what it does.
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

    /// Spins at first, then parks until another thread unparks this one.
    fn wait(&self, is_over: impl Fn(u64) -> bool) -> u64 {
        let mut patience = SpinWait::new();
        loop {
            let state = self.state.load(Ordering::Acquire);
            if is_over(state) {
                return state;
            }
            if patience.is_over() {
                park();
                patience = SpinWait::new();
            }
        }
    }
}
