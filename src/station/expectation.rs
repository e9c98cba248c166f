//! Differences between a station's frames and its bundle's training images, as far as the station file shows them.

use aecsad_inspect::image_files::{image_size, is_jpeg};
use aecsad_inspect::optics::{InputGeometry, TrainingImages};

use super::config::{CameraConfig, StationConfig};
use crate::camera::PacedFolder;
use crate::camera::pixel_format::PixelFormat;
use crate::camera::v4l2::V4l2Settings;

/// One sentence for each difference.
pub fn differences(config: &StationConfig, geometry: Option<&InputGeometry>) -> Vec<String> {
    let Some(geometry) = geometry else {
        return Vec::new();
    };
    let shape = geometry.trained_on.as_ref().zip(seen_size(config));
    let shape = shape.and_then(|(images, size)| images.other_shape(size));
    let depth = match &config.camera {
        CameraConfig::V4l2(camera) => geometry
            .bit_depth
            .and_then(|trained| other_depth(camera, trained)),
        CameraConfig::Folder { .. } => None,
    };
    // A calibration was fitted to the frames, JPEG or not.
    let fitted = config.bundle.calibration.as_ref();
    let fitted = fitted.is_some_and(|place| place.exists());
    let images = geometry
        .trained_on
        .as_ref()
        .filter(|_| !fitted && gives_jpeg(config));
    let jpeg = images
        .and_then(TrainingImages::unseen_jpeg)
        .map(str::to_owned);
    shape.into_iter().chain(depth).chain(jpeg).collect()
}

/// The size in pixels of the region, or of the whole frame without one.
fn seen_size(config: &StationConfig) -> Option<(u32, u32)> {
    if let Some(region) = config.region {
        return Some((region.width, region.height));
    }
    match &config.camera {
        CameraConfig::V4l2(camera) => Some((camera.width, camera.height)),
        CameraConfig::Folder { path, period } => {
            let folder = PacedFolder::open(path, *period).ok()?;
            folder
                .images()
                .iter()
                .find_map(|image| image_size(image).ok())
        }
    }
}

fn gives_jpeg(config: &StationConfig) -> bool {
    match &config.camera {
        CameraConfig::V4l2(camera) => camera.format == PixelFormat::Mjpg,
        CameraConfig::Folder { path, period } => {
            let folder = PacedFolder::open(path, *period);
            folder.is_ok_and(|folder| folder.images().iter().any(|i| is_jpeg(i).unwrap_or(false)))
        }
    }
}

fn other_depth(camera: &V4l2Settings, trained: u8) -> Option<String> {
    let wide = matches!(
        camera.format,
        PixelFormat::Y10 | PixelFormat::Y12 | PixelFormat::Y14 | PixelFormat::Y16
    );
    let stated = camera.shift + 8;
    (wide && stated != u32::from(trained)).then(|| {
        format!(
            "`camera.shift` is {}, as for values of {stated} bits, and the bundle was trained on images of {trained} bits: \
             the frames are {} than those; set `camera.shift` to {}, or train on images by this camera",
            camera.shift,
            if stated > u32::from(trained) { "darker" } else { "brighter" },
            trained.saturating_sub(8)
        )
    })
}
