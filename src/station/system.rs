//! What a station asks of the operating system: real-time priority for its threads, all of its memory at hand, and as many
//! threads for the engine as there are cores to spare.

use std::thread;

use nix::libc;
use nix::sys::mman::{MlockAllFlags, mlockall};

use super::config::SystemConfig;

/// Cores for everything but the engine: the camera's thread, the gate's and whoever looks on.
const OTHERS: usize = 2;
/// Where nobody has said how many, more would be for networks that are no camera's.
const MOST: usize = 4;

/// How many threads may compute a verdict here without taking a core from the others.
pub fn spare_threads() -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    cores.saturating_sub(OTHERS).clamp(1, MOST)
}

/// Keeps what is in memory now and will be in memory, so that no frame waits for a page from the disk.
pub fn lock_memory(config: &SystemConfig) -> Result<(), String> {
    if !config.lock_memory {
        return Ok(());
    }
    mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE).map_err(|errno| {
        format!("memory can't be locked ({errno}): set LimitMEMLOCK=infinity in the service, or run as root")
    })
}

/// Raises the calling thread to this real-time priority, by the policy that lets it run until it waits.
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
    Err(format!(
        "no real-time priority {priority} ({error}): set LimitRTPRIO={priority} in the service, or run as root"
    ))
}

/// A sentence for each of the two that is not permitted, tried on a thread that ends at once. What can be locked is.
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
    fn what_is_not_asked_for_is_always_permitted() {
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
