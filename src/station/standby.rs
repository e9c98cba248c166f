//! What goes on where the GPU fails in the middle of a line: the CPU, if it was found fit for that when the bundle was
//! loaded. It must give the bundle's golden scores, and a verdict before the part is at the gate.

use std::fmt::Display;
use std::time::{Duration, Instant};

use aecsad_inspect::bundle::Bundle;
use aecsad_inspect::golden;
use aecsad_inspect::inspector::Inspector;
use aecsad_inspect::network::{Cpu, Rounding, Team};
use aecsad_inspect::optics::ViewedRegion;

use super::config::{CameraConfig, StationConfig};
use crate::engines::proven_in;
use crate::line::{Conveyor, Travel};

pub enum Standby {
    /// The CPU is at work already.
    Unneeded,
    Ready(Box<Inspector>),
    /// Why the CPU can't take over.
    Unfit(String),
}

impl Standby {
    /// Finds out what could take over from `inspector`.
    pub fn for_inspector(inspector: &Inspector, bundle: &Bundle, config: &StationConfig) -> Self {
        if inspector.rounding() != Rounding::TensorRt {
            return Standby::Unneeded;
        }
        match fit_cpu(bundle, config) {
            Ok(cpu) => Standby::Ready(Box::new(cpu)),
            Err(why) => Standby::Unfit(why),
        }
    }
}

fn fit_cpu(bundle: &Bundle, config: &StationConfig) -> Result<Inspector, String> {
    let mut cpu = proven_in(&Cpu, bundle, config.region).map_err(|error| error.to_string())?;
    // Golden images show the region already.
    let region = cpu.look_at(ViewedRegion::All);
    let took = usual_verdict(bundle, &mut cpu, config.system.threads);
    cpu.look_at(region);
    let took = took?;
    let allowed = time_for_a_part(config);
    if took > allowed {
        let [took, allowed] = [took, allowed].map(|time| time.as_secs_f64() * 1e3);
        return Err(format!(
            "a verdict takes {took:.0} ms there, and a part has {allowed:.0} ms"
        ));
    }
    Ok(cpu)
}

/// The time of a verdict on a golden image, the second: the first warms the engine up.
fn usual_verdict(
    bundle: &Bundle,
    inspector: &mut Inspector,
    threads: usize,
) -> Result<Duration, String> {
    let unmeasured = |error: &dyn Display| format!("its time can't be measured ({error})");
    let _team = Team::start(threads, || ()).map_err(|error| unmeasured(&error))?;
    let mut images = golden::images(bundle).map_err(|error| unmeasured(&error))?;
    let (_, frame) = match images.next() {
        Some(image) => image.map_err(|error| unmeasured(&error))?,
        None => return Err(unmeasured(&"there is no golden image")),
    };
    let mut took = Duration::ZERO;
    for _ in 0..2 {
        let start = Instant::now();
        inspector
            .raw_scores(&frame)
            .map_err(|error| unmeasured(&error))?;
        took = start.elapsed();
    }
    Ok(took)
}

/// Until the reject must be sent, and until the next part where the camera's rate is known.
fn time_for_a_part(config: &StationConfig) -> Duration {
    let Conveyor {
        travel,
        lead,
        margin,
        ..
    } = config.conveyor;
    let travel = match travel {
        Travel::Time(time) => time,
        Travel::Counts { counts, top_speed } => {
            Duration::from_secs_f64(counts.max(0) as f64 / f64::from(top_speed.max(1)))
        }
    };
    let to_gate = travel.saturating_sub(lead).saturating_sub(margin);
    match &config.camera {
        CameraConfig::Folder { period, .. } => to_gate.min(*period),
        CameraConfig::V4l2(_) => to_gate,
    }
}
