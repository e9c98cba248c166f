//! Room for padded maps.

use std::cell::RefCell;

/// Room for `length` bytes on this thread. It grows to the largest of all networks and then stays: a frame allocates
/// nothing here.
pub(super) fn with_bytes<T>(length: usize, work: impl FnOnce(&mut [i8]) -> T) -> T {
    thread_local! {
        static SCRATCH: RefCell<Vec<i8>> = const { RefCell::new(Vec::new()) };
    }
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.len() < length {
            scratch.resize(length, 0);
        }
        work(&mut scratch[..length])
    })
}
