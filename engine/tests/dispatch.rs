//! The dispatch of a team under a model checker: every order in which its threads can take turns, up to so many
//! interruptions, is gone through, with every value that each may then read of what the others wrote. A worker that is
//! still at a piece when the leader goes on, a piece done twice or not at all, and a thread that is never woken all
//! fail.

#[path = "../src/team/dispatch.rs"]
mod dispatch;

use dispatch::Dispatch;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

/// What `src/team/sync.rs` has, from the model checker.
mod sync {
    pub use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
    pub use loom::thread::{Thread, current, park};

    pub struct SharedCell<T>(loom::cell::UnsafeCell<T>);

    impl<T: Copy> SharedCell<T> {
        pub fn new(value: T) -> Self {
            SharedCell(loom::cell::UnsafeCell::new(value))
        }

        pub unsafe fn get(&self) -> T {
            self.0.with(|value| unsafe { *value })
        }

        pub unsafe fn set(&self, value: T) {
            self.0.with_mut(|place| unsafe { *place = value });
        }
    }

    std::thread_local! {
        /// The checker runs all threads of a model on one.
        pub static PATIENT: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }

    /// None or without end. Who sleeps at once shows a call to wake up that is lost; but to the checker such a call
    /// hands over all that the caller wrote, so what the dispatch itself hands over shows only between threads that
    /// stay awake.
    pub struct SpinWait;

    impl SpinWait {
        pub fn new() -> Self {
            SpinWait
        }

        pub fn is_over(&self) -> bool {
            let patient = PATIENT.get();
            if patient {
                loom::thread::yield_now();
            }
            !patient
        }
    }
}

/// How often each piece was done, written without any order but the dispatch's.
struct Pieces(Vec<UnsafeCell<usize>>);

// SAFETY: not a given, and what is tested: the checker fails where two threads are at one of them.
unsafe impl Sync for Pieces {}

impl Pieces {
    fn new(count: usize) -> Self {
        Pieces((0..count).map(|_| UnsafeCell::new(0)).collect())
    }

    fn at(&self, piece: usize) -> &UnsafeCell<usize> {
        &self.0[piece]
    }
}

/// A leader with some workers passes operators of so many pieces, one after the other. Threads are interrupted where
/// they need not wait up to `preemptions` times.
fn pass(workers: usize, operators: &'static [usize], patient: bool, preemptions: usize) {
    sync::PATIENT.set(patient);
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(move || {
        let dispatch = Arc::new(Dispatch::new());
        let start = |_| {
            let dispatch = Arc::clone(&dispatch);
            thread::spawn(move || dispatch.serve())
        };
        let workers: Vec<_> = (0..workers).map(start).collect();
        let asleep = workers.iter().filter(|_| !patient);
        let wake = || asleep.clone().for_each(|worker| worker.thread().unpark());
        for &operator in operators {
            let pieces = Pieces::new(operator);
            let work = |piece| pieces.at(piece).with_mut(|times| unsafe { *times += 1 });
            dispatch.share(operator, &work, wake);
            // The leader alone from here on.
            for piece in 0..operator {
                let times = pieces.at(piece).with_mut(|times| unsafe { *times });
                assert_eq!(times, 1, "piece {piece} of {operator}");
            }
        }
        dispatch.end();
        wake();
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

#[test]
fn a_worker_that_sleeps() {
    pass(1, &[2, 1, 2], false, 4);
}

#[test]
fn a_worker_that_stays_awake() {
    pass(1, &[2, 1, 2], true, 4);
}

#[test]
fn two_workers_that_sleep() {
    pass(2, &[3, 2], false, 3);
}
