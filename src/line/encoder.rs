//! The belt's position at any recent time, and its speed, from the encoder's readings.

use std::time::{Duration, Instant};

use heapless::Deque;

/// Readings kept. At fifty per second they cover more than the five seconds that a frame's verdict may take.
const READINGS: usize = 256;
/// Positions are interpolated only between readings closer than this. In a longer gap the belt may change its speed so
/// much that the error exceeds a part's length.
const TRUST: Duration = Duration::from_millis(70);
/// After this time without a reading the belt's position is unknown.
const SILENT: Duration = Duration::from_millis(250);
/// The shortest time over which the speed is measured.
const SPAN: Duration = Duration::from_millis(15);

#[derive(Clone, Copy, Debug)]
struct EncoderReading {
    at: Instant,
    count: i64,
}

/// A position of the belt, in encoder counts. Positions of different epochs can't be compared, because the encoder
/// restarted in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeltPosition {
    pub epoch: u32,
    pub count: i64,
}

#[derive(Clone, Debug, Default)]
pub struct BeltEncoder {
    readings: Deque<EncoderReading, READINGS>,
    epoch: u32,
}

impl BeltEncoder {
    pub fn read(&mut self, at: Instant, count: i64) {
        // Readings can overtake each other on the link; an older one is ignored.
        if self.readings.back().is_some_and(|last| at <= last.at) {
            return;
        }
        if self.readings.is_full() {
            self.readings.pop_front();
        }
        let _ = self.readings.push_back(EncoderReading { at, count });
    }

    /// The encoder restarted its count, so earlier readings are discarded.
    pub fn restart(&mut self) {
        self.readings.clear();
        self.epoch = self.epoch.wrapping_add(1);
    }

    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// When the latest reading was taken.
    pub fn latest(&self) -> Option<(Instant, i64)> {
        self.readings.back().map(|r| (r.at, r.count))
    }

    /// The belt's position at this time; `None` without readings close enough.
    pub fn position(&self, at: Instant) -> Option<BeltPosition> {
        let count = self.count(at)?.round() as i64;
        let epoch = self.epoch;
        Some(BeltPosition { epoch, count })
    }

    fn count(&self, at: Instant) -> Option<f64> {
        // The newest reading not after `at`.
        let before = self.readings.iter().rposition(|r| r.at <= at)?;
        let from = self.readings.get(before)?;
        let since = at - from.at;
        let Some(to) = self.readings.get(before + 1) else {
            if since > SILENT {
                return None;
            }
            return Some(from.count as f64 + self.speed() * since.as_secs_f64());
        };
        let span = to.at - from.at;
        // With the same count before and after a gap, the belt stood still in between.
        if span > TRUST && from.count != to.count {
            return None;
        }
        let share = since.as_secs_f64() / span.as_secs_f64();
        Some(from.count as f64 + (to.count - from.count) as f64 * share)
    }

    /// Speed in counts per second, negative backwards.
    pub fn speed(&self) -> f64 {
        let Some(latest) = self.readings.back() else {
            return 0.0;
        };
        let spaced = |r: &&EncoderReading| latest.at - r.at >= SPAN;
        let Some(from) = self.readings.iter().rev().find(spaced) else {
            return 0.0;
        };
        (latest.count - from.count) as f64 / (latest.at - from.at).as_secs_f64()
    }

    /// Counts from the belt's position at `now` to `count`; `None` if the encoder is silent.
    pub fn left(&self, count: i64, now: Instant) -> Option<f64> {
        Some(count as f64 - self.count(now)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// 2 counts a millisecond until 500 ms, then standing.
    fn readings(start: Instant) -> BeltEncoder {
        let mut encoder = BeltEncoder::default();
        for ms in (0..=1_000u32).step_by(20) {
            encoder.read(start + ms * MS, i64::from(ms.min(500)) * 2);
        }
        encoder
    }

    #[test]
    fn a_place_is_found_between_readings_and_shortly_after_them() {
        let start = Instant::now();
        let encoder = readings(start);
        let count = |ms: u32| encoder.position(start + ms * MS).map(|p| p.count);
        assert_eq!(count(7), Some(14));
        assert_eq!(count(490), Some(980));
        assert_eq!(count(900), Some(1_000));
        assert_eq!(count(1_200), Some(1_000));
        assert_eq!(count(1_300), None, "silent for too long");
        let earlier = start.checked_sub(MS).unwrap();
        assert_eq!(encoder.position(earlier), None);
        assert_eq!(encoder.left(1_500, start + 990 * MS), Some(500.0));
        assert_eq!(encoder.speed(), 0.0);
    }

    #[test]
    fn a_gap_is_bridged_only_for_a_belt_that_stood() {
        let start = Instant::now();
        let mut encoder = readings(start);
        encoder.read(start + 3_000 * MS, 1_000);
        assert_eq!(
            encoder.position(start + 2_000 * MS).map(|p| p.count),
            Some(1_000)
        );
        encoder.read(start + 5_000 * MS, 1_001);
        assert_eq!(encoder.position(start + 4_000 * MS), None);
        // What comes late changes nothing.
        encoder.read(start + 4_500 * MS, 7);
        assert_eq!(encoder.latest(), Some((start + 5_000 * MS, 1_001)));
    }

    #[test]
    fn a_restart_is_another_epoch() {
        let start = Instant::now();
        let mut encoder = readings(start);
        let before = encoder.position(start + 10 * MS).unwrap();
        encoder.restart();
        assert_eq!(encoder.position(start + 10 * MS), None);
        encoder.read(start + 1_100 * MS, 20);
        assert_ne!(
            encoder.position(start + 1_100 * MS).unwrap().epoch,
            before.epoch
        );
    }
}
