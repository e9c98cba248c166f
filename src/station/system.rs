//! A station's requests to the operating system: real-time priority for its threads, locked memory, and as many engine
//! threads as there are spare cores.

use std::thread;

use nix::libc;
use nix::sys::mman::{MlockAllFlags, mlockall};

use super::alarm::Alarm;
use super::config::SystemConfig;

/// Cores for everything but the engine: the threads of camera, gate and observers.
const OTHERS: usize = 2;
/// The most engine threads by default; the networks gain little from more.
const MOST: usize = 4;

/// The default number of engine threads, which leaves cores to the other threads.
pub fn spare_threads() -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    cores.saturating_sub(OTHERS).clamp(1, MOST)
}

/// The nice value of threads that the line does not wait for.
const LOWERED: i32 = 10;

/// Locks present and future memory, so that no frame waits for a page from the disk.
pub fn lock_memory(config: &SystemConfig) -> Result<(), String> {
    if !config.lock_memory {
        return Ok(());
    }
    mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE)
        .map_err(|errno| Alarm::MemoryNotLocked { errno }.to_string())
}

/// Gives the calling thread this real-time priority, with the policy `SCHED_FIFO`.
pub fn raise_priority(priority: u8) -> Result<(), String> {
    if priority == 0 {
        return Ok(());
    }
    // SAFETY: every bit pattern of this plain structure is valid, zero included; it outlives the call, and pid 0 is the
    // calling thread.
    let raised = unsafe {
        let mut param: libc::sched_param = std::mem::zeroed();
        param.sched_priority = priority.into();
        libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const param)
    };
    if raised == 0 {
        return Ok(());
    }
    let error = std::io::Error::last_os_error();
    Err(Alarm::NoPriority { priority, error }.to_string())
}

/// Lets every thread of the line go first where cores are few. For threads that the line does not wait for.
pub fn lower_priority() {
    // SAFETY: no memory is handed over; 0 is the calling thread. A system that refuses it leaves the thread as it is.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, LOWERED) };
}

/// A sentence for each of priority and locked memory that is not permitted. The priority is tried on a thread that ends
/// at once; the memory stays locked.
pub fn refusals(config: &SystemConfig) -> impl Iterator<Item = String> {
    let priority = config.priority;
    let raised = thread::spawn(move || raise_priority(priority))
        .join()
        .unwrap_or_else(|_| Err("the thread that tried it broke off".into()));
    [raised, lock_memory(config)]
        .into_iter()
        .filter_map(Result::err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_requested_is_always_permitted() {
        let config = SystemConfig {
            priority: 0,
            lock_memory: false,
            threads: 1,
        };
        assert_eq!(refusals(&config).count(), 0);
    }

    #[test]
    fn the_engine_leaves_cores_to_the_others() {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = spare_threads();
        assert!((1..=MOST).contains(&threads));
        assert!(threads == 1 || threads + OTHERS <= cores);
    }
}
