//! A part sensor beside a free-running camera: a light barrier on a GPIO line, or one byte on a serial line for
//! each part.

use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use gpiocdev::Request;
use gpiocdev::line::{EdgeDetection, EventClock};
use serialport::TTYPort;

use super::CameraError;
use super::v4l2::clock::Monotonic;
use crate::serial::{self, SerialSettings};

pub trait Sensor: Send {
    /// The time of the next signal that has not been reported yet. Never waits.
    fn signal(&mut self) -> Result<Option<Instant>, CameraError>;
}

/// The edge of a GPIO line that signals a part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Edge {
    #[default]
    Rising,
    Falling,
}

/// A line of a GPIO chip. The kernel records the time of each edge, so delays in this program do not shift a part.
pub struct GpioSensor {
    request: Request,
    name: String,
}

impl GpioSensor {
    pub fn open(
        chip: &Path,
        line: u32,
        edge: Edge,
        debounce: Duration,
    ) -> Result<Self, CameraError> {
        let name = format!("{}, line {line}", chip.display());
        let mut builder = Request::builder();
        builder
            .on_chip(chip)
            .with_consumer("aecsad part sensor")
            .with_line(line)
            .with_edge_detection(match edge {
                Edge::Rising => EdgeDetection::RisingEdge,
                Edge::Falling => EdgeDetection::FallingEdge,
            })
            .with_event_clock(EventClock::Monotonic);
        if !debounce.is_zero() {
            builder.with_debounce_period(debounce);
        }
        let request = builder.request().map_err(|error| CameraError::Sensor {
            device: name.clone(),
            reason: error.to_string(),
        })?;
        Ok(GpioSensor { request, name })
    }
}

impl Sensor for GpioSensor {
    fn signal(&mut self) -> Result<Option<Instant>, CameraError> {
        let failed = |error: gpiocdev::Error| CameraError::Sensor {
            device: self.name.clone(),
            reason: error.to_string(),
        };
        if !self.request.has_edge_event().map_err(failed)? {
            return Ok(None);
        }
        let event = self.request.read_edge_event().map_err(failed)?;
        Ok(Some(
            Monotonic::now().instant(Duration::from_nanos(event.timestamp_ns)),
        ))
    }
}

/// A microcontroller that sends one byte, of any value, for each part.
pub struct SerialSensor {
    port: TTYPort,
    name: String,
    /// Signals of the last read that were not reported yet, and the time of that read.
    unread: (usize, Instant),
}

impl SerialSensor {
    pub fn open(device: &Path, baud: u32) -> Result<Self, CameraError> {
        let name = device.display().to_string();
        let failed = |reason: String| CameraError::Sensor {
            device: name.clone(),
            reason,
        };
        let mut port =
            serial::open(device, SerialSettings::plain(baud)).map_err(|e| failed(e.to_string()))?;
        serialport::SerialPort::set_timeout(&mut port, Duration::ZERO)
            .map_err(|e| failed(e.to_string()))?;
        let unread = (0, Instant::now());
        Ok(SerialSensor { port, name, unread })
    }
}

impl Sensor for SerialSensor {
    fn signal(&mut self) -> Result<Option<Instant>, CameraError> {
        use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
        let (left, at) = self.unread;
        if left > 0 {
            self.unread.0 = left - 1;
            return Ok(Some(at));
        }
        let mut bytes = [0; 64];
        let failed = |reason: String| CameraError::Sensor {
            device: self.name.clone(),
            reason,
        };
        match self.port.read(&mut bytes) {
            Ok(0) => Err(failed("it was unplugged".into())),
            Ok(parts) => {
                let at = Instant::now();
                self.unread = (parts - 1, at);
                Ok(Some(at))
            }
            Err(e) if matches!(e.kind(), TimedOut | WouldBlock | Interrupted) => Ok(None),
            Err(e) => Err(failed(e.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use serialport::SerialPort;

    use super::*;

    #[test]
    fn each_byte_on_the_wire_is_one_part() {
        let (mut sender, receiver) = TTYPort::pair().unwrap();
        let device = receiver.name().unwrap();
        let mut sensor = SerialSensor::open(Path::new(&device), 9_600).unwrap();
        assert!(sensor.signal().unwrap().is_none());
        let before = Instant::now();
        sender.write_all(b"pp").unwrap();
        let mut seen = 0;
        while seen < 2 {
            if let Some(at) = sensor.signal().unwrap() {
                assert!(at >= before);
                seen += 1;
            }
        }
        assert!(sensor.signal().unwrap().is_none());
    }

    #[test]
    fn an_absent_line_is_said_in_one_sentence() {
        let error = GpioSensor::open(
            Path::new("/dev/gpiochip99"),
            1,
            Edge::Rising,
            Duration::ZERO,
        )
        .err()
        .unwrap();
        let text = error.to_string();
        assert!(
            text.contains("/dev/gpiochip99, line 1") && !text.contains('\n'),
            "{text}"
        );
    }
}
