//! Turns a parsed station file into a checked configuration, or into a sentence that says what is wrong.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aecsad_inspect::optics::Region;
use aecsad_link::LATE_US;

use super::declaration::{AllowedRange, limits, usual};
use super::file::{
    CameraSection, ControlValue, ConveyorSection, OnLoss, PolicySection, RejectKind, RejectSection,
    StationFile, TriggerSection,
};
use super::{
    CameraConfig, ConfigError, JournalConfig, MonitorConfig, SensorWait, StationConfig,
    SystemConfig, TriggerConfig, WatchdogConfig,
};
use crate::camera::pixel_format::PixelFormat;
use crate::camera::presence::Presence;
use crate::camera::v4l2::V4l2Settings;
use crate::line::{Conveyor, Policies, Travel};
use crate::reject::RejectSettings;
use crate::reject::framed::FramedSettings;
use crate::reject::switched::{Board, SwitchedSettings};
use crate::serial::SerialSettings;
use crate::station::system;

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
        })
    }

    fn region(
        &self,
        [left, top, width, height]: [u32; 4],
        camera: &CameraConfig,
    ) -> Result<Region, ConfigError> {
        for side in [width, height] {
            let side_limits = AllowedRange {
                unit: "pixels wide or high",
                ..limits("camera.width")
            };
            self.within_limits("optics.region", side.into(), side_limits)?;
        }
        let (right, bottom) = (left.saturating_add(width), top.saturating_add(height));
        let (camera_width, camera_height) = match camera {
            CameraConfig::V4l2(camera) => (camera.width, camera.height),
            // Each image may have a size of its own.
            CameraConfig::Folder { .. } => (u32::MAX, u32::MAX),
        };
        if right > camera_width || bottom > camera_height {
            return Err(self.contradiction(format!(
                "`optics.region` reaches to {right}×{bottom}, but the picture has {camera_width}×{camera_height} pixels: make it smaller or move it"
            )));
        }
        Ok(Region {
            left,
            top,
            width,
            height,
        })
    }

    fn camera(&self, section: CameraSection) -> Result<CameraConfig, ConfigError> {
        match section {
            CameraSection::Folder { path, rate_per_min } => {
                let rate = self.within("camera.rate_per_min", rate_per_min)?;
                Ok(CameraConfig::Folder {
                    path: self.here.join(path),
                    period: Duration::from_secs_f64(60.0 / rate),
                })
            }
            CameraSection::V4l2 {
                device,
                width,
                height,
                format,
                frame_rate,
                shift,
                stall_ms,
                controls,
            } => {
                let Some(format) = PixelFormat::named(&format) else {
                    let names: Vec<&str> = PixelFormat::ALL.iter().map(|f| f.1).collect();
                    return Err(self.contradiction(format!(
                        "`camera.format` is \"{format}\": choose one of {}",
                        names.join(", ")
                    )));
                };
                if shift.is_some() && !format.is_shifted() {
                    return Err(self.contradiction(
                        "`camera.shift` means something for the formats Y10, Y12, Y14 and Y16 only: remove it".into(),
                    ));
                }
                let Some(shift) = shift.or(format.usual_shift().map(f64::from)) else {
                    return Err(self.contradiction(
                        "with the format Y16 `camera.shift` is needed: 8 if the camera's values have 16 bits, 6 for 14, 4 for 12, \
                         2 for 10"
                            .into(),
                    ));
                };
                let number = |(name, value)| match value {
                    ControlValue::Switch(on) => (name, i64::from(on)),
                    ControlValue::Number(number) => (name, number),
                };
                Ok(CameraConfig::V4l2(V4l2Settings {
                    device: self.here.join(device),
                    width: self.whole("camera.width", width)?,
                    height: self.whole("camera.height", height)?,
                    format,
                    shift: self.whole("camera.shift", shift)?,
                    frame_rate: frame_rate
                        .map(|rate| self.within("camera.frame_rate", rate))
                        .transpose()?,
                    stall: self.optional_ms("camera.stall_ms", stall_ms)?,
                    controls: controls.into_iter().map(number).collect(),
                }))
            }
        }
    }

    fn trigger(
        &self,
        section: TriggerSection,
        camera: &CameraConfig,
    ) -> Result<TriggerConfig, ConfigError> {
        let folder = matches!(camera, CameraConfig::Folder { .. });
        if folder && !matches!(section, TriggerSection::Frame) {
            return Err(self.contradiction(
                "each image of a folder is a part: remove `trigger.kind`, or use a camera".into(),
            ));
        }
        let wait = |delay_ms: f64, wait_ms: f64| -> Result<SensorWait, ConfigError> {
            Ok(SensorWait {
                delay: self.ms("trigger.delay_ms", delay_ms)?,
                patience: self.ms("trigger.wait_ms", wait_ms)?,
            })
        };
        Ok(match section {
            TriggerSection::Frame => TriggerConfig::Frame,
            TriggerSection::Presence {
                belt_level,
                contrast,
                share,
                at,
                axis,
            } => TriggerConfig::Presence(Presence {
                belt_level: self.whole("trigger.belt_level", belt_level)? as u8,
                contrast: self.whole("trigger.contrast", contrast)? as u8,
                share: self.within("trigger.share", share)? as f32,
                at: self.within("trigger.at", at)? as f32,
                axis,
                there: false,
            }),
            TriggerSection::Gpio {
                chip,
                line,
                edge,
                debounce_ms,
                delay_ms,
                wait_ms,
            } => TriggerConfig::Gpio {
                chip: self.here.join(chip),
                line,
                edge,
                debounce: self.ms("trigger.debounce_ms", debounce_ms)?,
                wait: wait(delay_ms, wait_ms)?,
            },
            TriggerSection::Serial {
                device,
                baud,
                delay_ms,
                wait_ms,
            } => TriggerConfig::Serial {
                device: self.here.join(device),
                baud: self.whole("trigger.baud", f64::from(baud))?,
                wait: wait(delay_ms, wait_ms)?,
            },
        })
    }

    /// The travel to the gate, and the counter that measures it if it isn't the actuator's.
    fn travel(
        &self,
        section: &ConveyorSection,
        kind: RejectKind,
    ) -> Result<(Travel, Option<PathBuf>), ConfigError> {
        let ConveyorSection {
            speed_mm_s,
            distance_mm,
            travel_ms,
            encoder,
            counts_per_mm,
            part_mm: _,
        } = section;
        let distance = |mm: f64| self.within("conveyor.distance_mm", mm);
        match (encoder, counts_per_mm, travel_ms, speed_mm_s, distance_mm) {
            (None, None, Some(travel_ms), None, None) => {
                let travel = self.ms("conveyor.travel_ms", *travel_ms)?;
                Ok((Travel::Time(travel), None))
            }
            (None, None, None, Some(speed), Some(mm)) => {
                let speed = self.within("conveyor.speed_mm_s", *speed)?;
                let key = "conveyor.distance_mm / conveyor.speed_mm_s";
                let ms = distance(*mm)? / speed * 1e3;
                let ms = self.within_limits(key, ms, limits("conveyor.travel_ms"))?;
                Ok((Travel::Time(Duration::from_secs_f64(ms / 1e3)), None))
            }
            (Some(encoder), Some(counts), None, Some(speed), Some(mm)) => {
                let counts = self.within("conveyor.counts_per_mm", *counts)?;
                let speed = self.within("conveyor.speed_mm_s", *speed)?;
                let travel = Travel::Counts {
                    counts: (distance(*mm)? * counts).round() as i64,
                    top_speed: (speed * counts).ceil() as u32,
                };
                if encoder != Path::new("link") {
                    return Ok((travel, Some(self.here.join(encoder))));
                }
                if kind != RejectKind::Framed {
                    return Err(self.contradiction(
                        "`conveyor.encoder = \"link\"` needs `reject.kind = \"framed\"`: only such an actuator reports its encoder".into(),
                    ));
                }
                Ok((travel, None))
            }
            _ => Err(self.contradiction(
                "give either `conveyor.travel_ms`, or `conveyor.speed_mm_s` with `conveyor.distance_mm`, or `conveyor.encoder` with `conveyor.counts_per_mm`, `conveyor.distance_mm` and the belt's highest `conveyor.speed_mm_s`".into(),
            )),
        }
    }

    /// The time in which half a part passes at the belt's highest speed, plus an actuator's permitted delay.
    fn reach(&self, section: &ConveyorSection) -> Result<Duration, ConfigError> {
        let part_mm = self.within("conveyor.part_mm", section.part_mm)?;
        match section.speed_mm_s {
            _ if part_mm == 0.0 => Ok(Duration::ZERO),
            Some(speed) => Ok(Duration::from_secs_f64(part_mm / 2.0 / speed)
                + Duration::from_micros(LATE_US.into())),
            None => Err(self.contradiction(
                "`conveyor.part_mm` needs `conveyor.speed_mm_s` and `conveyor.distance_mm` instead of `conveyor.travel_ms`".into(),
            )),
        }
    }

    fn reject(
        &self,
        section: RejectSection,
        travel: Travel,
        reach: Duration,
    ) -> Result<(RejectSettings, Conveyor, Option<Duration>), ConfigError> {
        let RejectSection {
            kind,
            device,
            baud,
            parity,
            stop_bits,
            pulse_ms,
            lead_ms,
            margin_ms,
            unit,
            coil,
            channel,
            confirm_within_ms,
            confirm_input,
        } = section;
        let usual_baud = match kind {
            RejectKind::Framed | RejectKind::Modbus => 115_200,
            RejectKind::Lcus | RejectKind::Kmtronic => 9_600,
        };
        let baud = f64::from(baud.unwrap_or(usual_baud));
        let stop_bits = stop_bits.unwrap_or(usual("reject.stop_bits"));
        let serial = SerialSettings {
            baud: self.whole("reject.baud", baud)?,
            parity,
            two_stop_bits: self.whole("reject.stop_bits", stop_bits)? == 2,
        };
        let pulse = self.ms("reject.pulse_ms", pulse_ms)?;
        let lead = self.ms("reject.lead_ms", lead_ms)?;
        let margin = self.ms("reject.margin_ms", margin_ms)?;
        if let Travel::Time(travel) = travel
            && lead + margin >= travel
        {
            return Err(self.contradiction(format!(
                "a part is at the gate {} ms after its picture, but `reject.lead_ms` and `reject.margin_ms` together are {} ms: move the gate or lower them",
                travel.as_secs_f64() * 1e3,
                lead_ms + margin_ms
            )));
        }
        let confirm_within = self.optional_ms("reject.confirm_within_ms", confirm_within_ms)?;
        let confirm_input = confirm_input
            .map(|input| self.whole("reject.confirm_input", input))
            .transpose()?
            .map(|input| input as u16);
        let needs_input = kind == RejectKind::Modbus;
        let fits = match confirm_within {
            None => confirm_input.is_none(),
            Some(_) => {
                kind == RejectKind::Framed && confirm_input.is_none()
                    || needs_input && confirm_input.is_some()
            }
        };
        if !fits {
            return Err(self.contradiction(
                "a sensor behind the gate is `reject.confirm_within_ms`, for a framed actuator alone, for Modbus with `reject.confirm_input`; a relay board has none".into(),
            ));
        }
        let device = self.here.join(device);
        let channel = || -> Result<u8, ConfigError> {
            Ok(self.whole("reject.channel", channel.unwrap_or(usual("reject.channel")))? as u8)
        };
        let switched = |board| {
            RejectSettings::Switched(SwitchedSettings {
                device: device.clone(),
                serial,
                pulse,
                board,
            })
        };
        let reject = match kind {
            RejectKind::Framed => RejectSettings::Framed(FramedSettings {
                device: device.clone(),
                serial,
                pulse,
            }),
            RejectKind::Modbus => switched(Board::Modbus {
                unit: self.whole("reject.unit", unit.unwrap_or(usual("reject.unit")))? as u8,
                coil: self.whole("reject.coil", coil.unwrap_or(usual("reject.coil")))? as u16,
                confirm_input,
            }),
            RejectKind::Lcus => switched(Board::Lcus {
                channel: channel()?,
            }),
            RejectKind::Kmtronic => switched(Board::Kmtronic {
                channel: channel()?,
            }),
        };
        let conveyor = Conveyor {
            travel,
            lead,
            margin,
            pulse,
            reach,
        };
        Ok((reject, conveyor, confirm_within))
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
