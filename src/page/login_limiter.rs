//! Limits the attempts to log in, for each address and for each name.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const FAILURES: u32 = 5;
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses and names whose failures are held.
const MOST_HELD: usize = 1_024;

#[derive(Default)]
pub struct LoginLimiter {
    failures: Mutex<HashMap<String, (u32, Instant)>>,
    /// One password is checked at a time: each check takes memory and time on purpose.
    pub checking: tokio::sync::Mutex<()>,
}

impl LoginLimiter {
    /// Seconds to wait, if there were too many failures.
    pub fn wait(&self, key: &str) -> Option<u64> {
        let failures = self.lock();
        let (count, since) = failures.get(key)?;
        let left = WINDOW.checked_sub(since.elapsed())?;
        (*count >= FAILURES).then_some(left.as_secs() + 1)
    }

    pub fn failed(&self, key: &str) {
        let mut failures = self.lock();
        if failures.len() >= MOST_HELD {
            failures.retain(|_, (_, since)| since.elapsed() < WINDOW);
        }
        if failures.len() >= MOST_HELD && !failures.contains_key(key) {
            return;
        }
        let entry = failures.entry(key.into()).or_insert((0, Instant::now()));
        if entry.1.elapsed() >= WINDOW {
            *entry = (0, Instant::now());
        }
        entry.0 += 1;
    }

    pub fn passed(&self, key: &str) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (u32, Instant)>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_are_too_many() {
        let limiter = LoginLimiter::default();
        for _ in 0..FAILURES {
            assert_eq!(limiter.wait("10.0.0.7"), None);
            limiter.failed("10.0.0.7");
        }
        assert!(limiter.wait("10.0.0.7").is_some_and(|s| s <= 60));
        assert_eq!(limiter.wait("10.0.0.8"), None);
        limiter.passed("10.0.0.7");
        assert_eq!(limiter.wait("10.0.0.7"), None);
        for at in 0..2 * MOST_HELD {
            limiter.failed(&at.to_string());
        }
        assert!(limiter.lock().len() <= MOST_HELD);
    }
}
