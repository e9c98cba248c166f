//! The kernel's monotonic time stamps as [`Instant`]s, which count on the same clock but don't say from where.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// One moment, read on both.
pub struct Monotonic {
    here: Instant,
    kernel: Duration,
}

impl Monotonic {
    pub fn now() -> Self {
        // It can't fail for this clock.
        let kernel = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
        Monotonic {
            here: Instant::now(),
            kernel,
        }
    }

    /// The moment at which the kernel's clock stood at `stamp`. One in the future, or older than any frame that is still
    /// of use, is a driver's mistake and taken for now.
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
