//! How long a part takes on one core of this machine, before there is a bundle to time.

use std::time::Duration;

use aecsad_inspect::frame::Size;
use aecsad_inspect::network::fine::cells;
use aecsad_inspect::network::{Encoder, Features, NetworkError};

use super::precision::Precision;
use crate::networks::ENCODER;

/// What int8 takes of the time of float (benches/results).
const INT8_SHARE: f64 = 0.6;
/// Milliseconds that branches take for a cell of the fine view: `aecsad bench` of a bundle with 128×128 cells.
const CELL_MS: f64 = 0.004;
/// Runs of the encoder that are timed.
const TIMED: usize = 20;

/// What a part takes here.
pub struct PartTime {
    /// Milliseconds of the encoder for the whole view.
    whole: f64,
}

impl PartTime {
    pub fn measure(precision: Precision) -> Result<Self, NetworkError> {
        let mut encoder = Encoder::load(ENCODER)?;
        let mut features = Features::empty();
        let tensor = vec![0.1; 3 * Size::WHOLE.pixels()];
        encoder.encode(&tensor, &mut features)?;
        let mut least = f64::INFINITY;
        for _ in 0..TIMED {
            let start = processor_time();
            encoder.encode(&tensor, &mut features)?;
            least = least.min((processor_time() - start).as_secs_f64() * 1e3);
        }
        let share = match precision.signs() {
            Some(_) => INT8_SHARE,
            None => 1.0,
        };
        Ok(PartTime {
            whole: least * share,
        })
    }

    /// Where the encoder takes so many milliseconds for the whole view.
    #[cfg(test)]
    pub fn of_whole(ms: f64) -> Self {
        PartTime { whole: ms }
    }

    /// The whole view, a finer one and what branches make of it.
    pub fn of(&self, fine: Size) -> f64 {
        if fine == Size::WHOLE {
            return self.whole;
        }
        let times = fine.pixels() as f64 / Size::WHOLE.pixels() as f64;
        let (rows, columns) = cells(fine);
        self.whole * (1.0 + times) + (rows * columns) as f64 * CELL_MS
    }
}

/// What this process has used of the processor: a busy machine makes a part wait, not compute for longer.
fn processor_time() -> Duration {
    let used = nix::time::clock_gettime(nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID);
    used.map(Duration::from).unwrap_or_default()
}
