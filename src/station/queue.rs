//! A fixed-capacity queue between two threads that wakes the thread at its far end.

use std::thread::Thread;

use heapless::spsc::{Consumer, Producer};

/// The near end.
pub struct Outlet<'q, T> {
    queue: Producer<'q, T>,
    reader: Thread,
}

impl<'q, T> Outlet<'q, T> {
    pub fn new(queue: Producer<'q, T>, reader: Thread) -> Self {
        Outlet { queue, reader }
    }

    /// Gives the item back if there is no room.
    pub fn send(&mut self, item: T) -> Result<(), T> {
        self.queue.enqueue(item)?;
        self.reader.unpark();
        Ok(())
    }

    pub fn is_full(&self) -> bool {
        !self.queue.ready()
    }

    /// Wakes the reader without an item, to look at something else.
    pub fn wake(&self) {
        self.reader.unpark();
    }
}

/// The far end. Its thread parks while the queue is empty.
pub type Inlet<'q, T> = Consumer<'q, T>;
