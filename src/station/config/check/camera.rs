//! The sections `camera`, `trigger` and `optics`.

use std::time::Duration;

use aecsad_inspect::optics::Region;

use super::Checker;
use crate::camera::pixel_format::PixelFormat;
use crate::camera::presence::Presence;
use crate::camera::v4l2::V4l2Settings;
use crate::station::config::declaration::{AllowedRange, limits};
use crate::station::config::file::{CameraSection, ControlValue, TriggerSection};
use crate::station::config::{CameraConfig, ConfigError, SensorWait, TriggerConfig};

impl Checker<'_> {
    pub(super) fn region(
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

    pub(super) fn camera(&self, section: CameraSection) -> Result<CameraConfig, ConfigError> {
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

    pub(super) fn trigger(
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
}
