//! A V4L2 camera. It is opened with the station file's settings or refused, read through memory-mapped buffers, and
//! opened again with back-off when it is unplugged or delivers no frames.

pub mod clock;
mod controls;
mod device;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aecsad_inspect::frame::Frame;

use super::pixel_format::{BufferLayout, PixelFormat};
use super::triggered_camera::{Camera, Capture};
use super::{CameraError, Faults, LONGEST_WAIT};
use clock::Monotonic;
pub use device::Granted;
use device::{FilledBuffer, V4l2Device};

const FIRST_RETRY: Duration = Duration::from_millis(200);
const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// The camera settings of a station file.
#[derive(Clone, Debug)]
pub struct V4l2Settings {
    pub device: PathBuf,
    pub width: u32,
    pub height: u32,
    pub format: PixelFormat,
    /// How far 10- and 12-bit values are shifted down to 8.
    pub shift: u32,
    /// Frames per second; `None` leaves the camera's own rate.
    pub frame_rate: Option<f64>,
    /// A free-running camera has stalled after this time without a frame. `None` for a camera that waits for a
    /// trigger.
    pub stall: Option<Duration>,
    /// Control names and the values they must have.
    pub controls: Vec<(String, i64)>,
}

impl V4l2Settings {
    fn name(&self) -> String {
        self.device.display().to_string()
    }
}

/// Opens the camera, sets it up, closes it again and returns the granted settings.
pub fn probe(settings: &V4l2Settings) -> Result<Granted, CameraError> {
    V4l2Device::open(settings).map(|device| device.granted.clone())
}

pub struct V4l2Camera {
    settings: V4l2Settings,
    open: Option<Open>,
    retry_at: Instant,
    back_off: Duration,
    faults: Faults,
}

struct Open {
    device: V4l2Device,
    sequence: Option<u32>,
    /// When the last frame came, or the stream began.
    fed: Instant,
    /// Whether [`Capture::Recovered`] was reported since the last loss.
    reported_back: bool,
}

impl V4l2Camera {
    pub fn open(settings: V4l2Settings) -> Result<Self, CameraError> {
        let device = V4l2Device::open(&settings)?;
        Ok(V4l2Camera {
            settings,
            open: Some(Open::new(device, true)),
            retry_at: Instant::now(),
            back_off: FIRST_RETRY,
            faults: Faults::default(),
        })
    }

    fn lose(&mut self, now: Instant) {
        self.open = None;
        self.retry_at = now + self.back_off;
        self.back_off = (self.back_off * 2).min(LONGEST_RETRY);
    }

    fn reconnect(&mut self) -> Capture {
        let now = Instant::now();
        if now < self.retry_at {
            std::thread::sleep((self.retry_at - now).min(LONGEST_WAIT));
            return Capture::Nothing;
        }
        match V4l2Device::open(&self.settings) {
            Ok(device) => self.open = Some(Open::new(device, false)),
            Err(error) => {
                log::debug!("{error}");
                self.lose(now);
            }
        }
        Capture::Nothing
    }

    fn failed(&mut self, error: &io::Error, reported: bool) -> Capture {
        self.faults.unplugged += u64::from(reported);
        self.lose(Instant::now());
        if !reported {
            return Capture::Nothing;
        }
        Capture::Lost(CameraError::Lost {
            device: self.settings.name(),
            reason: error.to_string(),
        })
    }
}

impl Open {
    fn new(device: V4l2Device, reported_back: bool) -> Self {
        Open {
            device,
            sequence: None,
            fed: Instant::now(),
            reported_back,
        }
    }
}

impl Camera for V4l2Camera {
    fn capture(&mut self, frame: &mut Frame) -> Capture {
        let Some(open) = &mut self.open else {
            return self.reconnect();
        };
        let layout: BufferLayout = open.device.granted.layout;
        let received = match open.device.receive(LONGEST_WAIT) {
            Ok(received) => received,
            Err(error) => {
                let reported = open.reported_back;
                return self.failed(&error, reported);
            }
        };
        let Some(FilledBuffer {
            bytes,
            sequence,
            stamp,
            damaged,
        }) = received
        else {
            let waited = open.fed.elapsed();
            if self.settings.stall.is_none_or(|limit| waited < limit) {
                return Capture::Nothing;
            }
            let reported = open.reported_back;
            self.faults.stalled += u64::from(reported);
            self.lose(Instant::now());
            return match reported {
                false => Capture::Nothing,
                true => Capture::Lost(CameraError::Stalled {
                    device: self.settings.name(),
                    waited_ms: waited.as_millis(),
                }),
            };
        };
        open.fed = Instant::now();
        frame.captured = stamp.map_or(open.fed, |stamp| Monotonic::now().instant(stamp));
        if !open.reported_back {
            open.reported_back = true;
            open.sequence = Some(sequence);
            self.back_off = FIRST_RETRY;
            return Capture::Recovered;
        }
        let last = open.sequence.replace(sequence);
        let skipped = last.map_or(0, |last| sequence.wrapping_sub(last).saturating_sub(1));
        self.faults.dropped += u64::from(skipped);
        if damaged {
            self.faults.corrupt += 1;
            return Capture::Damaged(CameraError::Corrupt("marked by its driver".into()));
        }
        match layout.to_rgb(bytes, frame) {
            Ok(()) => Capture::Frame { skipped },
            Err(error) => {
                self.faults.corrupt += 1;
                Capture::Damaged(error)
            }
        }
    }

    fn faults(&self) -> Faults {
        self.faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(device: &str) -> V4l2Settings {
        V4l2Settings {
            device: device.into(),
            width: 640,
            height: 480,
            format: PixelFormat::Yuyv,
            shift: 0,
            frame_rate: None,
            stall: None,
            controls: Vec::new(),
        }
    }

    #[test]
    fn what_is_no_camera_is_named() {
        let error = V4l2Camera::open(settings("/dev/video99")).err().unwrap();
        assert!(matches!(error, CameraError::Missing(_)), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("video0");
        std::fs::write(&file, "").unwrap();
        for device in [file.to_str().unwrap(), "/dev/null"] {
            let error = V4l2Camera::open(settings(device)).err().unwrap();
            assert!(matches!(error, CameraError::NotACamera(_)), "{error}");
        }
    }

    #[test]
    fn a_camera_of_somebody_else_s_is_said_to_be_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("video0");
        std::fs::write(&file, "").unwrap();
        let name = file.to_str().unwrap();
        let error = crate::serial::without_rights_to(&file, || {
            V4l2Camera::open(settings(name)).err().unwrap()
        });
        assert!(matches!(error, CameraError::NoPermission(_)), "{error}");
    }
}
