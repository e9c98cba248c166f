use std::path::PathBuf;

use aecsad_inspect::image_files::ImageError;

#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    #[error(
        "there is no image in {}: put PNG, JPEG, BMP or TIFF files there, or correct `camera.path`",
        .0.display()
    )]
    NoImages(PathBuf),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error("there is no camera {0}: plug it in, or correct `camera.device` in the station file")]
    Missing(String),
    #[error("the camera {0} is in use by another program: close that program, then start again")]
    Busy(String),
    #[error(
        "no permission to use the camera {0}: add this user to the group that owns it (often `video`)"
    )]
    NoPermission(String),
    #[error(
        "{0} is not a camera that streams: name one that `v4l2-ctl --list-devices` shows as `camera.device`"
    )]
    NotACamera(String),
    #[error("the camera {device} can't {what} ({reason}): check its cable and driver")]
    Failed {
        device: String,
        what: &'static str,
        reason: String,
    },
    #[error(
        "the camera {device} was set to {requested} and grants {granted}: put what it grants into the station file, or choose from what `v4l2-ctl --list-formats-ext` shows"
    )]
    NotGranted {
        device: String,
        requested: String,
        granted: String,
    },
    #[error("the camera {device} has no control `{control}`{hint}")]
    NoControl {
        device: String,
        control: String,
        /// The nearest control there is, as the end of the sentence.
        hint: String,
    },
    #[error(
        "the camera {device} does not take {requested} for `{control}` ({answer}): correct it under `camera.controls`"
    )]
    ControlRefused {
        device: String,
        control: String,
        requested: i64,
        answer: String,
    },
    #[error("the camera {device} was lost ({reason}): check its cable")]
    Lost { device: String, reason: String },
    #[error(
        "the camera {device} gave no frame for {waited_ms} ms: check its cable, trigger and exposure"
    )]
    Stalled { device: String, waited_ms: u128 },
    #[error("the camera's driver dropped this frame: lower its rate or the load on this machine")]
    Dropped,
    #[error("the camera's frame is damaged ({0}): check its cable")]
    Corrupt(String),
    #[error("there is no picture of this part: the sensor saw it, but no frame came in time")]
    NoFrameForSensor,
    #[error(
        "the part sensor {device} can't be used ({reason}): check its cable and the `trigger` section of the station file"
    )]
    Sensor { device: String, reason: String },
    #[error("the flat field {path} can't be used: {reason}")]
    FlatField { path: String, reason: String },
}
