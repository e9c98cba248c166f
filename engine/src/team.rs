//! Threads that share one network's operators. An operator is cut into pieces, which the thread that runs the network
//! and its workers take one after the other. Each value is computed by the same steps on any thread, so the number of
//! threads changes no bit.
//!
//! No thread waits for a worker that is late because the machine is busy: the other threads take its pieces.

mod dispatch;
mod sync;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle, Thread};

use dispatch::Dispatch;

/// Pieces for each thread, so that one that is held up leaves some to the others.
const PIECES: usize = 4;
/// Multiplications of floats that a piece should have, some microseconds. In tests small maps are cut as well.
const WORTH: usize = if cfg!(test) { 1 } else { 1 << 17 };

thread_local! {
    static LEADER: Cell<Option<Rc<Leader>>> = const { Cell::new(None) };
}

/// Workers of the thread that started them: they help with all networks that it runs, until this is dropped.
pub struct Team {
    dispatch: Arc<Dispatch>,
    workers: Vec<JoinHandle<()>>,
    /// Stays on its thread.
    here: PhantomData<Rc<Leader>>,
}

impl Team {
    /// Starts a team of this many threads, the calling one included. A thread can have one team. Each of the others calls
    /// `begin` first.
    pub fn start(
        threads: usize,
        begin: impl Fn() + Clone + Send + 'static,
    ) -> std::io::Result<Self> {
        let mut team = Team {
            dispatch: Arc::new(Dispatch::new()),
            workers: Vec::new(),
            here: PhantomData,
        };
        for _ in 1..threads {
            let (dispatch, begin) = (Arc::clone(&team.dispatch), begin.clone());
            let work = move || {
                begin();
                dispatch.serve();
            };
            let worker = thread::Builder::new().name("engine".into()).spawn(work)?;
            team.workers.push(worker);
        }
        let threads = team.workers.iter().map(|worker| worker.thread().clone());
        LEADER.set(Some(Rc::new(Leader {
            dispatch: Arc::clone(&team.dispatch),
            workers: threads.collect(),
        })));
        Ok(team)
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        LEADER.take();
        self.dispatch.end();
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            let _ = worker.join();
        }
    }
}

/// What the thread that started a team has of it.
struct Leader {
    dispatch: Arc<Dispatch>,
    workers: Vec<Thread>,
}

/// How many threads share an operator of the calling one.
pub(crate) fn hands() -> usize {
    let leader = LEADER.take();
    let workers = leader.as_ref().map_or(0, |leader| leader.workers.len());
    LEADER.set(leader);
    workers + 1
}

/// Does `work` for all of `units`, a range at a time. `cost` is that of all together, in multiplications of floats or
/// what takes as long.
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
    /// Puts the leader back in its place, also where a piece panics.
    struct Away(Option<Rc<Leader>>);

    impl Drop for Away {
        fn drop(&mut self) {
            LEADER.set(self.0.take());
        }
    }

    // The leader is away meanwhile: within a piece nothing is shared.
    let away = Away(LEADER.take());
    let Some(leader) = &away.0 else {
        return (0..pieces).for_each(work);
    };
    let others = leader.workers.iter().take(pieces - 1);
    let wake = || others.for_each(Thread::unpark);
    leader.dispatch.share(pieces, work, wake);
}

/// Shares chunks of a slice in the same way. `work` gets each chunk and its index; the last chunk may be shorter.
pub(crate) fn each_chunk<T: Send>(
    values: &mut [T],
    length: usize,
    cost: usize,
    work: impl Fn(usize, &mut [T]) + Sync,
) {
    let (total, place) = (values.len(), SharedSlice::new(values));
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
pub(crate) struct SharedSlice<T>(*mut T);

// SAFETY: every writer guarantees that its part is disjoint from the others.
unsafe impl<T: Send> Sync for SharedSlice<T> {}

impl<T> SharedSlice<T> {
    pub(crate) fn new(values: &mut [T]) -> Self {
        SharedSlice(values.as_mut_ptr())
    }

    pub(crate) fn start(&self) -> *mut T {
        self.0
    }
}
