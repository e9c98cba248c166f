//! Opens what a station file names.

use std::path::PathBuf;

use super::config::{CameraConfig, StationConfig, TriggerConfig};
use crate::camera::sensor::{GpioSensor, SerialSensor};
use crate::camera::v4l2::V4l2Camera;
use crate::camera::{
    CameraError, Flattened, FrameSource, PacedFolder, SensorTrigger, Trigger, TriggeredCamera,
};
use crate::reject::{self, RejectError, Rejector};

/// The camera with its trigger; for a folder also the file of each part, the first part's first.
pub fn open_source(
    config: &StationConfig,
) -> Result<(Box<dyn FrameSource>, Vec<PathBuf>), CameraError> {
    let mut images = Vec::new();
    let (source, size): (Box<dyn FrameSource>, _) = match &config.camera {
        CameraConfig::Folder { path, period } => {
            let folder = PacedFolder::open(path, *period)?;
            images = folder.images().to_vec();
            (Box::new(folder), None)
        }
        CameraConfig::V4l2(settings) => {
            // A missing sensor is reported before the camera starts.
            let trigger = open_trigger(&config.trigger)?;
            let camera = V4l2Camera::open(settings.clone())?;
            let size = (settings.width, settings.height);
            (
                Box::new(TriggeredCamera::new(Box::new(camera), trigger)),
                Some(size),
            )
        }
    };
    Ok(match &config.flat_field {
        Some(path) => (Box::new(Flattened::new(source, path, size)?), images),
        None => (source, images),
    })
}

pub fn open_trigger(config: &TriggerConfig) -> Result<Trigger, CameraError> {
    Ok(match config {
        TriggerConfig::Frame => Trigger::EachFrame,
        TriggerConfig::Presence(presence) => Trigger::Presence(presence.clone()),
        TriggerConfig::Gpio {
            chip,
            line,
            edge,
            debounce,
            wait,
        } => {
            let sensor = GpioSensor::open(chip, *line, *edge, *debounce)?;
            Trigger::Sensor(Box::new(SensorTrigger::new(
                Box::new(sensor),
                wait.delay,
                wait.patience,
            )))
        }
        TriggerConfig::Serial { device, baud, wait } => {
            let sensor = SerialSensor::open(device, *baud)?;
            Trigger::Sensor(Box::new(SensorTrigger::new(
                Box::new(sensor),
                wait.delay,
                wait.patience,
            )))
        }
    })
}

pub fn open_rejector(config: &StationConfig) -> Result<Box<dyn Rejector>, RejectError> {
    reject::open(&config.reject, config.counter.as_deref())
}
