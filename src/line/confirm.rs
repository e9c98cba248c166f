//! Confirms with a sensor behind the gate that each part for which the actuator was energised really fell.

use std::time::{Duration, Instant};

use heapless::Vec;

/// The most pulses whose part has not fallen yet.
pub const MOST_AWAITED: usize = 64;

/// Each pulse waits for one signal of the sensor, the earliest pulse first.
pub struct Confirmations {
    within: Duration,
    awaited: Vec<(u32, Instant), MOST_AWAITED>,
}

impl Confirmations {
    /// `within` is the longest time from the pulse to the sensor's signal.
    pub fn new(within: Duration) -> Self {
        Confirmations {
            within,
            awaited: Vec::new(),
        }
    }

    /// The actuator was energised for this part. An error holds the part if too many parts are awaited.
    pub fn pulsed(&mut self, part: u32, at: Instant) -> Result<(), u32> {
        self.awaited.push((part, at)).map_err(|(part, _)| part)
    }

    /// The part that the sensor saw fall. `None` if no rejected part can have fallen at this time.
    pub fn fell(&mut self, at: Instant) -> Option<u32> {
        let fits = |&(_, pulsed): &(u32, Instant)| pulsed <= at && at <= pulsed + self.within;
        let index = self.awaited.iter().position(fits)?;
        Some(self.awaited.remove(index).0)
    }

    /// A part that should have fallen by now. Call until `None`.
    pub fn missing(&mut self, now: Instant) -> Option<u32> {
        let index = self
            .awaited
            .iter()
            .position(|(_, pulsed)| now > *pulsed + self.within)?;
        Some(self.awaited.remove(index).0)
    }

    pub fn is_empty(&self) -> bool {
        self.awaited.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn each_fallen_part_is_named_and_each_missing_one_found() {
        let start = Instant::now();
        let mut confirmations = Confirmations::new(100 * MS);
        assert_eq!(confirmations.fell(start), None);
        confirmations.pulsed(1, start).unwrap();
        confirmations.pulsed(2, start + 50 * MS).unwrap();
        confirmations.pulsed(3, start + 200 * MS).unwrap();
        assert_eq!(confirmations.fell(start + 60 * MS), Some(1));
        // One signal is one part.
        assert_eq!(confirmations.missing(start + 150 * MS), None);
        assert_eq!(confirmations.missing(start + 151 * MS), Some(2));
        assert_eq!(confirmations.fell(start + 160 * MS), None);
        assert_eq!(confirmations.fell(start + 290 * MS), Some(3));
        assert!(confirmations.is_empty());
    }
}
