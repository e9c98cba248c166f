//! Estimates the actuator's clock from the round trips of acknowledged messages, as NTP does.

use std::time::{Duration, Instant};

/// Two crystal clocks drift apart by no more than this.
const DRIFT_PPM: u32 = 200;

#[derive(Clone, Copy, Debug)]
struct ClockSample {
    here: Instant,
    there_us: u64,
    /// Half the round trip: the largest error of the sample.
    uncertainty: Duration,
}

/// Keeps the sample with the smallest uncertainty, including the drift since then.
#[derive(Clone, Copy, Debug, Default)]
pub struct PeerClock {
    best: Option<ClockSample>,
}

impl PeerClock {
    /// A message was sent at `sent`, arrived at the actuator at `there_us` of its clock, and its answer arrived at
    /// `received`.
    pub fn sample(&mut self, sent: Instant, received: Instant, there_us: u64) {
        let uncertainty = received.saturating_duration_since(sent) / 2;
        let here = sent + uncertainty;
        let keep = self.best.is_some_and(|best| {
            let drift = here.saturating_duration_since(best.here) / 1_000_000 * DRIFT_PPM;
            best.uncertainty + drift < uncertainty
        });
        if !keep {
            self.best = Some(ClockSample {
                here,
                there_us,
                uncertainty,
            });
        }
    }

    /// The local time at which the actuator's clock stood at `there_us`.
    pub fn here(&self, there_us: u64) -> Option<Instant> {
        let best = self.best?;
        match there_us.checked_sub(best.there_us) {
            Some(later) => best.here.checked_add(Duration::from_micros(later)),
            None => best
                .here
                .checked_sub(Duration::from_micros(best.there_us - there_us)),
        }
    }

    /// The actuator's clock at a local time, in microseconds.
    pub fn there_us(&self, here: Instant) -> Option<u64> {
        let best = self.best?;
        let micros = |d: Duration| d.as_micros() as u64;
        match here.checked_duration_since(best.here) {
            Some(later) => best.there_us.checked_add(micros(later)),
            None => best.there_us.checked_sub(micros(best.here - here)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_short_round_trip_outweighs_a_slow_one_until_drift_says_otherwise() {
        let start = Instant::now();
        let mut clock = PeerClock::default();
        assert_eq!((clock.here(0), clock.there_us(start)), (None, None));
        clock.sample(start, start + 2 * MS, 1_000_000);
        assert_eq!(clock.here(1_000_000), Some(start + MS));
        assert_eq!(clock.here(999_000), Some(start));
        assert_eq!(clock.there_us(start), Some(999_000));
        assert_eq!(clock.there_us(start + 3 * MS), Some(1_002_000));
        // A round trip of 100 ms with an answer at one end of it.
        clock.sample(start + 100 * MS, start + 200 * MS, 1_100_000);
        assert_eq!(clock.here(1_010_000), Some(start + 11 * MS));
        // Ten minutes on, 200 ppm are 120 ms: the old sample is less certain than a new slow one.
        let later = start + Duration::from_secs(600);
        clock.sample(later, later + 100 * MS, 700_000_000);
        assert_eq!(clock.here(700_000_000), Some(later + 50 * MS));
    }
}
