//! The conveyor and its encoder: when each part must be decided and when the actuator must be energised.

use std::time::{Duration, Instant};

use super::{BeltEncoder, BeltPosition, Conveyor, Part, Travel};

/// The time or the encoder position at which to energise the actuator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirePoint {
    At(Instant),
    /// `lead` before the belt's encoder reaches the position `at`.
    AtCount {
        at: BeltPosition,
        lead: Duration,
    },
}

/// The time left until the actuator must be energised for a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    In(Duration),
    /// The time passed this long ago.
    Over(Duration),
    /// The belt stands still and the part has not reached the gate.
    Standing,
    /// The part's position is unknown.
    Unknown,
}

/// A belt slower than this counts as standing: a part would take hours to the gate.
const STANDING_COUNTS_S: f64 = 1.0;

pub struct Belt {
    conveyor: Conveyor,
    pub encoder: BeltEncoder,
}

impl Belt {
    pub fn new(conveyor: Conveyor) -> Self {
        Belt {
            conveyor,
            encoder: BeltEncoder::default(),
        }
    }

    pub fn conveyor(&self) -> &Conveyor {
        &self.conveyor
    }

    /// The encoder position at which the part is in front of the rejector. `None` without an encoder, or if it was
    /// silent at the capture.
    pub fn gate_position(&self, part: Part) -> Option<BeltPosition> {
        let Travel::Counts { counts, .. } = self.conveyor.travel else {
            return None;
        };
        let captured = self.encoder.position(part.captured)?;
        let count = captured.count.saturating_add(counts);
        Some(BeltPosition { count, ..captured })
    }

    /// When the actuator must be energised for a part whose [`Belt::gate_position`] is `gate`.
    pub fn fire(&self, part: Part, gate: Option<BeltPosition>) -> Option<FirePoint> {
        let lead = self.conveyor.lead;
        match self.conveyor.travel {
            Travel::Time(travel) => {
                Some(FirePoint::At(part.captured + travel.saturating_sub(lead)))
            }
            Travel::Counts { .. } => Some(FirePoint::AtCount { at: gate?, lead }),
        }
    }

    pub fn left(&self, part: Part, gate: Option<BeltPosition>, now: Instant) -> Left {
        match self.conveyor.travel {
            Travel::Time(travel) => {
                let at = part.captured + travel.saturating_sub(self.conveyor.lead);
                match at.checked_duration_since(now) {
                    Some(left) => Left::In(left),
                    None => Left::Over(now - at),
                }
            }
            Travel::Counts { .. } => {
                let gate = gate.filter(|gate| gate.epoch == self.encoder.epoch());
                let Some(gate) = gate else {
                    return Left::Unknown;
                };
                let Some(counts) = self.encoder.left(gate.count, now) else {
                    return Left::Unknown;
                };
                let speed = self.encoder.speed();
                if speed < STANDING_COUNTS_S {
                    // A part at the gate or beyond it can no longer be hit.
                    return if counts > 0.0 {
                        Left::Standing
                    } else {
                        Left::Over(Duration::ZERO)
                    };
                }
                let left_s = counts / speed - self.conveyor.lead.as_secs_f64();
                // One day is the upper bound, for a belt that barely moves.
                let bounded = Duration::from_secs_f64(left_s.abs().min(86_400.0));
                if left_s >= 0.0 {
                    Left::In(bounded)
                } else {
                    Left::Over(bounded)
                }
            }
        }
    }

    /// Whether a pulse meant for one of two parts may hit the other as well: at the belt's highest speed some of the
    /// other is in front of the rejector during the pulse.
    pub fn share_pulse(
        &self,
        a: (Part, Option<BeltPosition>),
        b: (Part, Option<BeltPosition>),
    ) -> bool {
        let window = self.conveyor.pulse + self.conveyor.reach;
        match self.conveyor.travel {
            Travel::Time(_) => {
                let (first, last) = (
                    a.0.captured.min(b.0.captured),
                    a.0.captured.max(b.0.captured),
                );
                last - first < window
            }
            Travel::Counts { top_speed, .. } => {
                let (Some(a), Some(b)) = (a.1, b.1) else {
                    return false;
                };
                let apart = a.count.abs_diff(b.count) as f64;
                a.epoch == b.epoch && apart < f64::from(top_speed) * window.as_secs_f64()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn conveyor(travel: Travel) -> Conveyor {
        Conveyor {
            travel,
            lead: 20 * MS,
            margin: 25 * MS,
            pulse: 40 * MS,
            reach: Duration::ZERO,
        }
    }

    #[test]
    fn by_time_a_part_comes_when_it_comes() {
        let belt = Belt::new(conveyor(Travel::Time(800 * MS)));
        let start = Instant::now();
        let part = Part {
            id: 1,
            captured: start,
        };
        assert_eq!(belt.gate_position(part), None);
        assert_eq!(belt.fire(part, None), Some(FirePoint::At(start + 780 * MS)));
        assert_eq!(belt.left(part, None, start + 700 * MS), Left::In(80 * MS));
        assert_eq!(belt.left(part, None, start + 781 * MS), Left::Over(MS));
    }

    #[test]
    fn by_counts_a_part_waits_with_its_belt() {
        let mut belt = Belt::new(conveyor(Travel::Counts {
            counts: 1_000,
            top_speed: 2_000,
        }));
        let start = Instant::now();
        // One count a millisecond until 500, then a stop.
        for ms in (0..=1_000u32).step_by(10) {
            belt.encoder.read(start + ms * MS, i64::from(ms.min(500)));
        }
        let part = Part {
            id: 1,
            captured: start + 105 * MS,
        };
        let gate = belt.gate_position(part);
        assert_eq!(gate.map(|g| g.count), Some(1_105));
        assert_eq!(belt.left(part, gate, start + 1_000 * MS), Left::Standing);
        // On at two counts a millisecond.
        for ms in (1_010..=1_100u32).step_by(10) {
            belt.encoder
                .read(start + ms * MS, 500 + i64::from(ms - 1_000) * 2);
        }
        // 405 counts are 202 ms, less the lead.
        let Left::In(left) = belt.left(part, gate, start + 1_100 * MS) else {
            panic!("it is not at the gate yet");
        };
        assert!(left.abs_diff(182 * MS) < MS, "{left:?}");
        assert_eq!(
            belt.left(part, gate, start + 2_000 * MS),
            Left::Unknown,
            "the encoder is silent"
        );
        belt.encoder.restart();
        belt.encoder.read(start + 2_000 * MS, 1_000);
        assert_eq!(
            belt.left(part, gate, start + 2_000 * MS),
            Left::Unknown,
            "it restarted its count"
        );
    }
}
