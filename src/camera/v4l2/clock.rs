//! Converts the kernel's monotonic time stamps to [`Instant`]s. Both use the same clock, but an `Instant` hides its
//! origin.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// One point in time, read as both.
pub struct Monotonic {
    here: Instant,
    kernel: Duration,
}

impl Monotonic {
    pub fn now() -> Self {
        // This call can't fail for the monotonic clock.
        let kernel = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
        Monotonic {
            here: Instant::now(),
            kernel,
        }
    }

    /// The `Instant` of a time stamp. A stamp in the future, or older than any usable frame, is a driver's mistake; the
    /// current time is used instead.
    pub fn instant(&self, stamp: Duration) -> Instant {
        let age = self.kernel.checked_sub(stamp).filter(|age| *age < OLDEST);
        age.and_then(|age| self.here.checked_sub(age))
            .unwrap_or(self.here)
    }
}

const OLDEST: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_become_instants_and_nonsense_becomes_now() {
        let start = Instant::now();
        let now = Monotonic::now();
        assert!(now.here - start < Duration::from_secs(1));
        let ms = Duration::from_millis(1);
        assert_eq!(now.instant(now.kernel - 30 * ms), now.here - 30 * ms);
        assert_eq!(now.instant(now.kernel + 30 * ms), now.here);
        assert_eq!(now.instant(Duration::ZERO), now.here);
    }
}
