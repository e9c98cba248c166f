//! What a [`Dispatch`](super::dispatch::Dispatch) shares between threads. `tests/dispatch.rs` replaces it by the types
//! of a model checker.

pub use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
pub use std::thread::{Thread, current, park};

use std::cell::UnsafeCell;
use std::time::{Duration, Instant};

/// How long a thread that waits for another stays awake: long enough from one operator to the next, and nothing beside
/// the time between two frames. Waking it takes as long as a small operator.
pub const AWAKE: Duration = Duration::from_micros(100);

/// A value whose users guarantee that it is not written while it is read.
pub struct SharedCell<T>(UnsafeCell<T>);

impl<T: Copy> SharedCell<T> {
    pub fn new(value: T) -> Self {
        SharedCell(UnsafeCell::new(value))
    }

    /// # Safety
    /// No thread writes meanwhile.
    pub unsafe fn get(&self) -> T {
        // SAFETY: the caller's.
        unsafe { *self.0.get() }
    }

    /// # Safety
    /// No thread reads or writes meanwhile.
    pub unsafe fn set(&self, value: T) {
        // SAFETY: the caller's.
        unsafe { *self.0.get() = value }
    }
}

/// A wait that spins for [`AWAKE`] before the thread parks.
pub struct SpinWait(Instant);

impl SpinWait {
    pub fn new() -> Self {
        SpinWait(Instant::now())
    }

    /// Spins once, and returns whether to park now.
    pub fn is_over(&self) -> bool {
        std::hint::spin_loop();
        self.0.elapsed() >= AWAKE
    }
}
