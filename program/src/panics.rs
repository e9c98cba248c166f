//! Catches expected panics of dependencies.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Returns `None` if `work` panics, without reporting the panic. For dependencies that panic on damaged files.
pub fn unless_it_panics<T>(work: impl FnOnce() -> T) -> Option<T> {
    let outer = EXPECTED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    EXPECTED.set(outer);
    done.ok()
}

/// Whether a panic on this thread is expected now.
#[cfg(feature = "command")]
pub(crate) fn is_expected() -> bool {
    EXPECTED.get()
}
