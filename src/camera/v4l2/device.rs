//! One open camera: the requested and granted settings, and its stream of buffers.

use std::io;
use std::mem::ManuallyDrop;
use std::os::raw::c_void;
use std::time::Duration;

use aecsad_inspect::image_files::{MAX_PIXELS, MIN_SIDE};
use v4l::buffer::{Flags, Type};
use v4l::capability::Flags as Can;
use v4l::io::mmap::Stream;
use v4l::io::traits::{CaptureStream, Stream as _};
use v4l::v4l_sys::{v4l2_format, v4l2_format__bindgen_ty_1, v4l2_pix_format};
use v4l::v4l2::{ioctl, vidioc};
use v4l::video::Capture;
use v4l::video::capture::Parameters;
use v4l::{Format, FourCC, Fraction};

use super::super::CameraError;
use super::super::pixel_format::{BufferLayout, YuvEncoding};
use super::{V4l2Settings, controls};

/// Frames that the driver may fill while one is read.
const BUFFERS: u32 = 4;

/// The settings that the driver granted.
#[derive(Clone, Debug)]
pub struct Granted {
    pub card: String,
    pub layout: BufferLayout,
    /// Frames per second, if the driver has a rate.
    pub frame_rate: Option<f64>,
    /// Each control that was set, with the value read back.
    pub controls: Vec<(String, i64)>,
}

impl std::fmt::Display for Granted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let BufferLayout {
            format,
            width,
            height,
            ..
        } = self.layout;
        write!(f, "{}, {width}×{height} {}", self.card, format.name())?;
        if let Some(rate) = self.frame_rate {
            write!(f, ", {rate:.1} frames/s")?;
        }
        for (name, value) in &self.controls {
            write!(f, ", {name} {value}")?;
        }
        Ok(())
    }
}

/// A buffer that the driver has filled.
pub struct FilledBuffer<'a> {
    pub bytes: &'a [u8],
    pub sequence: u32,
    /// On the kernel's monotonic clock, if the driver says so.
    pub stamp: Option<Duration>,
    /// The driver marked the frame as damaged.
    pub damaged: bool,
}

pub struct V4l2Device {
    stream: ManuallyDrop<Stream<'static>>,
    pub granted: Granted,
}

impl V4l2Device {
    pub fn open(settings: &V4l2Settings) -> Result<Self, CameraError> {
        let name = settings.name();
        let failed = |what: &'static str| {
            let name = name.clone();
            move |error: io::Error| explain(name, what, &error)
        };
        let device = v4l::Device::with_path(&settings.device).map_err(failed("be opened"))?;
        // Only a V4L2 device answers this request.
        let capabilities = device
            .query_caps()
            .map_err(|_| CameraError::NotACamera(name.clone()))?;
        if !capabilities
            .capabilities
            .contains(Can::VIDEO_CAPTURE | Can::STREAMING)
        {
            return Err(CameraError::NotACamera(name));
        }
        let layout = set_format(&device, settings)?;
        let frame_rate = set_rate(&device, settings)?;
        let controls = controls::set(&device, settings)?;
        let mut stream = Stream::with_buffers(&device, Type::VideoCapture, BUFFERS)
            .map_err(failed("give buffers"))?;
        // Buffer 0 is not queued here: at its first call `next` queues it as the buffer returned last.
        for index in 1..BUFFERS as usize {
            if CaptureStream::queue(&mut stream, index).is_err() {
                break;
            }
        }
        stream.start().map_err(failed("stream"))?;
        Ok(V4l2Device {
            stream: ManuallyDrop::new(stream),
            granted: Granted {
                card: capabilities.card,
                layout,
                frame_rate,
                controls,
            },
        })
    }

    /// Waits for the next buffer. After an error the device must be opened again.
    pub fn receive(&mut self, wait: Duration) -> io::Result<Option<FilledBuffer<'_>>> {
        // The device is polled before `next`, because `next` never works again after its own time-out.
        let ready = match self.stream.handle().poll(POLLIN, wait.as_millis() as i32) {
            Ok(ready) => ready,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        if ready == 0 {
            return Ok(None);
        }
        self.stream.set_timeout(wait);
        let (bytes, meta) = self.stream.next()?;
        let clock = meta.flags & Flags::TIMESTAMP_MASK;
        let stamp = Duration::new(
            meta.timestamp.sec as u64,
            meta.timestamp.usec as u32 * 1_000,
        );
        Ok(Some(FilledBuffer {
            bytes: &bytes[..bytes.len().min(meta.bytesused as usize)],
            sequence: meta.sequence,
            stamp: (clock == Flags::TIMESTAMP_MONOTONIC).then_some(stamp),
            damaged: meta.flags.contains(Flags::ERROR),
        }))
    }
}

/// `POLLIN` of poll(2).
const POLLIN: i16 = 1;
/// `ENODEV`: the device was unplugged.
const ENODEV: i32 = 19;

impl Drop for V4l2Device {
    fn drop(&mut self) {
        // Dropping a stream that can't be stopped panics unless the device is disconnected, so its few buffers are
        // leaked instead.
        let stopped = self.stream.stop();
        let disconnected = |error: &io::Error| error.raw_os_error() == Some(ENODEV);
        match stopped {
            Err(error) if !disconnected(&error) => {
                log::warn!("the camera's stream can't be stopped: {error}")
            }
            // SAFETY: the stream is dropped here only, and not used after.
            _ => unsafe { ManuallyDrop::drop(&mut self.stream) },
        }
    }
}

/// Sets the format with the kernel's own structure, because the crate's conversion of the answer panics on unknown colour
/// spaces.
fn set_format(device: &v4l::Device, settings: &V4l2Settings) -> Result<BufferLayout, CameraError> {
    let name = settings.name();
    let fourcc = FourCC::new(&settings.format.fourcc());
    let requested: v4l2_pix_format = Format::new(settings.width, settings.height, fourcc).into();
    let mut format = v4l2_format {
        type_: Type::VideoCapture as u32,
        fmt: v4l2_format__bindgen_ty_1 { pix: requested },
    };
    // SAFETY: the request takes exactly this structure, which outlives the call.
    unsafe {
        ioctl(
            device.handle().fd(),
            vidioc::VIDIOC_S_FMT,
            (&raw mut format).cast::<c_void>(),
        )
    }
    .map_err(|error| explain(name.clone(), "take the format", &error))?;
    // SAFETY: for this type of buffer the kernel fills `pix`.
    let granted = unsafe { format.fmt.pix };
    let describe = |width, height, code: FourCC| format!("{width}×{height} {code}");
    let code = FourCC::from(granted.pixelformat);
    let agreed = (granted.width, granted.height) == (settings.width, settings.height)
        && code.repr == fourcc.repr;
    if !agreed {
        return Err(CameraError::NotGranted {
            device: name,
            requested: describe(settings.width, settings.height, fourcc),
            granted: describe(granted.width, granted.height, code),
        });
    }
    let pixels = u64::from(granted.width) * u64::from(granted.height);
    if granted.width.min(granted.height) < MIN_SIDE || pixels >= MAX_PIXELS {
        return Err(CameraError::Failed {
            device: name,
            what: "be used with this size",
            reason: describe(granted.width, granted.height, code),
        });
    }
    Ok(BufferLayout {
        format: settings.format,
        width: granted.width,
        height: granted.height,
        stride: granted.bytesperline,
        shift: settings.shift,
        yuv: encoding(&granted),
    })
}

/// Reads the enumerations of linux/videodev2.h, with their defaults where the driver leaves the choice.
fn encoding(granted: &v4l2_pix_format) -> YuvEncoding {
    const COLORSPACE_REC709: u32 = 3;
    const COLORSPACE_JPEG: u32 = 7;
    const YCBCR_ENC_709: u32 = 2;
    const QUANTIZATION_FULL: u32 = 1;
    // SAFETY: both members of the union are the same number.
    let matrix = unsafe { granted.__bindgen_anon_1.ycbcr_enc };
    YuvEncoding {
        bt709: matrix == YCBCR_ENC_709 || matrix == 0 && granted.colorspace == COLORSPACE_REC709,
        full_range: granted.quantization == QUANTIZATION_FULL
            || granted.quantization == 0 && granted.colorspace == COLORSPACE_JPEG,
    }
}

fn set_rate(device: &v4l::Device, settings: &V4l2Settings) -> Result<Option<f64>, CameraError> {
    let rate = |interval: Fraction| f64::from(interval.denominator) / f64::from(interval.numerator);
    let Some(requested) = settings.frame_rate else {
        let granted = device.params().ok().map(|p| rate(p.interval));
        return Ok(granted.filter(|rate| rate.is_finite()));
    };
    let interval = Fraction::new(1_000, (requested * 1_000.0).round() as u32);
    let granted = device
        .set_params(&Parameters::new(interval))
        .map(|p| rate(p.interval))
        .map_err(|error| explain(settings.name(), "take a frame rate", &error))?;
    // Drivers round frame intervals to their own clock, so 2 % are tolerated.
    if (granted / requested - 1.0).abs() > 0.02 {
        return Err(CameraError::NotGranted {
            device: settings.name(),
            requested: format!("{requested} frames/s"),
            granted: format!("{granted:.3} frames/s"),
        });
    }
    Ok(Some(granted))
}

fn explain(device: String, what: &'static str, error: &io::Error) -> CameraError {
    const EACCES: i32 = 13;
    const ENOENT: i32 = 2;
    const ENXIO: i32 = 6;
    const EBUSY: i32 = 16;
    match error.raw_os_error() {
        Some(ENOENT | ENODEV | ENXIO) => CameraError::Missing(device),
        Some(EBUSY) => CameraError::Busy(device),
        Some(EACCES) => CameraError::NoPermission(device),
        _ => CameraError::Failed {
            device,
            what,
            reason: error.to_string(),
        },
    }
}
