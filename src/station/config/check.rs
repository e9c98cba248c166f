//! Turns a parsed station file into a checked configuration, or into a sentence that says what is wrong.

mod camera;
mod gate;

use std::path::Path;
use std::time::Duration;

use aecsad_program::printable::printable;

use super::file::{OnLoss, PolicySection, StationFile};
use super::{
    CameraConfig, ConfigError, JournalConfig, MonitorConfig, StationConfig, SystemConfig,
    WatchdogConfig,
};
use crate::engines::{EngineSettings, PLANS};
use crate::line::Policies;
use crate::station::system;

/// The starts of three shifts, local time.
const SHIFTS: &str = "06:00 14:00 22:00";
const MOST_SHIFTS: usize = 12;

pub struct Checker<'p> {
    pub(super) path: &'p Path,
    /// The folder that relative paths start from.
    here: &'p Path,
}

impl<'p> Checker<'p> {
    pub fn new(path: &'p Path) -> Self {
        let here = path.parent().unwrap_or(Path::new(""));
        Checker { path, here }
    }

    pub fn check(&self, file: StationFile) -> Result<StationConfig, ConfigError> {
        let camera = self.camera(file.camera)?;
        let trigger = self.trigger(file.trigger, &camera)?;
        let (travel, counter) = self.travel(&file.conveyor, file.reject.kind)?;
        let reach = self.reach(&file.conveyor)?;
        let (reject, conveyor, confirm_within) = self.reject(file.reject, travel, reach)?;
        if let CameraConfig::Folder { period, .. } = &camera
            && conveyor.pulse + conveyor.reach >= *period
        {
            let ms = |d: &Duration| d.as_secs_f64() * 1e3;
            return Err(self.contradiction(format!(
                "`reject.pulse_ms` is {} ms, with half a part of `conveyor.part_mm` {} ms, but parts come every {} ms: the pulse would hit the next part",
                ms(&conveyor.pulse),
                ms(&(conveyor.pulse + conveyor.reach)),
                ms(period)
            )));
        }
        let region = file
            .optics
            .region
            .map(|region| self.region(region, &camera))
            .transpose()?;
        let journal = match file.journal {
            None => None,
            Some(section) => Some(JournalConfig {
                path: self.here.join(section.path),
                records: self.whole("journal.records", section.records)?.into(),
                images_bytes: (self.within("journal.images_mb", section.images_mb)? * 1e6) as u64,
                samples_bytes: (self.within("journal.samples_mb", section.samples_mb)? * 1e6)
                    as u64,
                sample_every: self.whole("journal.sample_every", section.sample_every)?,
                borderline: self.within("journal.borderline", section.borderline)? as f32,
            }),
        };
        let monitor = match file.monitor.listen {
            None => Some(MonitorConfig::default_address()),
            Some(listen) if listen == "off" => None,
            Some(listen) => Some(MonitorConfig::requested(listen.parse().map_err(|_| {
                self.contradiction(format!(
                    "`monitor.listen` is \"{listen}\": give an address and a port, like \"127.0.0.1:9464\", or \"off\""
                ))
            })?)),
        };
        let shifts = file.monitor.shifts.as_deref().unwrap_or(SHIFTS);
        let patience_s = self.within("watchdog.patience_s", file.watchdog.patience_s)?;
        Ok(StationConfig {
            bundle: file.bundle.check(self.path)?,
            camera,
            trigger,
            region,
            flat_field: file.optics.flat_field.map(|path| self.here.join(path)),
            conveyor,
            counter,
            reject,
            confirm_within,
            policies: self.policies(&file.policy)?,
            journal,
            monitor,
            shifts: self.shifts(shifts)?,
            watchdog: WatchdogConfig {
                device: file.watchdog.device,
                patience: Duration::from_secs_f64(patience_s),
            },
            system: SystemConfig {
                priority: self.whole("system.priority", file.system.priority)? as u8,
                lock_memory: file.system.lock_memory,
                threads: match file.system.threads {
                    Some(threads) => self.whole("system.threads", threads)? as usize,
                    None => system::spare_threads(),
                },
            },
            engine: EngineSettings {
                request: file.system.engine,
                half: file.system.half_precision,
                plans: match file.system.plans {
                    Some(plans) => self.here.join(plans),
                    None => PLANS.into(),
                },
            },
        })
    }

    fn shifts(&self, text: &str) -> Result<Vec<u16>, ConfigError> {
        let start = |clock: &str| {
            let (hour, minute) = clock.split_once(':')?;
            let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
            (hour < 24 && minute < 60).then_some(60 * hour + minute)
        };
        let starts: Option<Vec<u16>> = text.split_whitespace().map(start).collect();
        let starts = starts.filter(|starts| (1..=MOST_SHIFTS).contains(&starts.len()));
        starts.ok_or_else(|| {
            self.contradiction(format!(
                "`monitor.shifts` is {}: give one to {MOST_SHIFTS} times of day, like \"06:00 14:00 22:00\"",
                printable(text)
            ))
        })
    }

    fn policies(&self, section: &PolicySection) -> Result<Policies, ConfigError> {
        let in_a_row = section
            .rejects_in_a_row
            .map(|most| self.whole("policy.rejects_in_a_row", most))
            .transpose()?;
        Ok(Policies {
            late: section.late,
            queue_full: section.queue_full,
            engine_error: section.engine_error,
            rejects_in_a_row: in_a_row,
            stop_when_blind: section.camera_lost == OnLoss::Stop,
            stop_without_gate: section.gate_lost == OnLoss::Stop,
        })
    }
}
