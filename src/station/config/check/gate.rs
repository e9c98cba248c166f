//! The sections `conveyor` and `reject`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aecsad_link::LATE_US;

use super::Checker;
use crate::line::{Conveyor, Travel};
use crate::reject::RejectSettings;
use crate::reject::framed::FramedSettings;
use crate::reject::switched::{Board, SwitchedSettings};
use crate::serial::SerialSettings;
use crate::station::config::ConfigError;
use crate::station::config::declaration::{limits, usual};
use crate::station::config::file::{ConveyorSection, RejectKind, RejectSection};

impl Checker<'_> {
    /// The travel to the gate, and the counter that measures it if it isn't the actuator's.
    pub(super) fn travel(
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
    pub(super) fn reach(&self, section: &ConveyorSection) -> Result<Duration, ConfigError> {
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

    pub(super) fn reject(
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
}
