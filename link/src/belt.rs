//! The belt's position and speed from the actuator's encoder.

use heapless::Deque;

/// The shortest time over which the speed is measured, so that single counts do not disturb it.
const SPAN_US: u64 = 20_000;
/// Readings within the span.
const READINGS: usize = 16;

#[derive(Clone, Copy)]
struct Reading {
    at_us: u64,
    count: i64,
}

#[derive(Default)]
pub struct BeltReadings {
    readings: Deque<Reading, READINGS>,
    latest: Option<Reading>,
}

impl BeltReadings {
    /// Takes a reading. The owner reads often, and also while the belt stands.
    pub fn read(&mut self, at_us: u64, count: i64) {
        let reading = Reading { at_us, count };
        self.latest = Some(reading);
        // One reading per SPAN / READINGS is enough.
        let spaced = self
            .readings
            .back()
            .is_none_or(|last| at_us.saturating_sub(last.at_us) >= SPAN_US / (READINGS as u64 - 1));
        if !spaced {
            return;
        }
        while let Some(oldest) = self.readings.front()
            && (self.readings.is_full() || at_us.saturating_sub(oldest.at_us) > 2 * SPAN_US)
        {
            self.readings.pop_front();
        }
        let _ = self.readings.push_back(reading);
    }

    /// The speed in counts per second, forwards.
    pub fn speed(&self) -> i64 {
        let (Some(oldest), Some(latest)) = (self.readings.front(), self.latest) else {
            return 0;
        };
        let span_us = latest.at_us.saturating_sub(oldest.at_us);
        if span_us == 0 {
            return 0;
        }
        let moved = latest.count.saturating_sub(oldest.count).max(0);
        moved.saturating_mul(1_000_000) / span_us as i64
    }

    /// The counts that the belt moves in `time_us` at its present speed.
    pub fn ahead(&self, time_us: u32) -> i64 {
        self.speed().saturating_mul(i64::from(time_us)) / 1_000_000
    }

    /// The belt's position at `now_us`, extrapolated from the last reading with the present speed.
    pub fn count_at(&self, now_us: u64) -> Option<i64> {
        let latest = self.latest?;
        let since_us = now_us.saturating_sub(latest.at_us).min(SPAN_US);
        Some(latest.count.saturating_add(self.ahead(since_us as u32)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_follows_the_belt_through_start_and_stop() {
        let mut belt = BeltReadings::default();
        assert_eq!((belt.count_at(0), belt.speed()), (None, 0));
        let (mut at_us, mut count) = (0, 500);
        for (per_ms, expected) in [(0, 0), (3, 3_000), (0, 0), (10, 10_000)] {
            for _ in 0..100 {
                at_us += 1_000;
                count += per_ms;
                belt.read(at_us, count);
            }
            assert_eq!(belt.speed(), expected);
        }
        assert_eq!(belt.ahead(5_000), 50);
        assert_eq!(belt.count_at(at_us + 2_000), Some(count + 20));
    }

    #[test]
    fn a_belt_that_is_pushed_back_has_no_speed() {
        let mut belt = BeltReadings::default();
        for ms in 0..50 {
            belt.read(ms * 1_000, -(ms as i64));
        }
        assert_eq!(belt.speed(), 0);
    }
}
