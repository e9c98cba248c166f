//! Panics that are expected of other people's code.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// None if `work` panics, which is expected of it and not reported: other people's code on other people's bytes.
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
