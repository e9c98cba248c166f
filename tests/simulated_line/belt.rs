//! A belt that is driven like one: steady runs, changes of speed, stops, all with a finite acceleration.

/// mm/s.
pub const TOP_SPEED: f64 = 1_000.0;
/// mm/s².
const ACCELERATION: f64 = 5_000.0;

pub struct SimulatedBelt {
    /// mm since the start.
    pub place: f64,
    pub speed: f64,
    target: f64,
    until_us: u64,
    steady: bool,
    pub stops: u32,
}

impl SimulatedBelt {
    pub fn new(steady: bool) -> Self {
        SimulatedBelt {
            place: 0.0,
            speed: if steady { TOP_SPEED } else { 0.0 },
            target: TOP_SPEED,
            until_us: 3_000_000,
            steady,
            stops: 0,
        }
    }

    /// Goes on by `step_us`.
    pub fn advance(&mut self, now_us: u64, step_us: u64, rng: &mut fastrand::Rng) {
        let step_s = step_us as f64 / 1e6;
        if !self.steady {
            if now_us >= self.until_us {
                let stop = rng.u8(..4) == 0;
                self.stops += u32::from(stop);
                self.target = if stop { 0.0 } else { 300.0 + 700.0 * rng.f64() };
                self.until_us = now_us + rng.u64(300_000..8_000_000);
            }
            let change =
                (self.target - self.speed).clamp(-ACCELERATION * step_s, ACCELERATION * step_s);
            self.speed += change;
        }
        self.place += self.speed * step_s;
    }
}
