//! Differences between a station's frames and its bundle's training images, as far as the station file shows them.

use aecsad_inspect::frame::Size;
use aecsad_inspect::image_files::{image_size, is_jpeg};
use aecsad_inspect::optics::{InputGeometry, OpticsError, TrainingImages, ViewedRegion};

use super::config::{CameraConfig, StationConfig};
use crate::camera::PacedFolder;
use crate::camera::pixel_format::PixelFormat;
use crate::camera::v4l2::V4l2Settings;

/// One sentence for each difference.
pub fn differences(config: &StationConfig, geometry: Option<&InputGeometry>) -> Vec<String> {
    let Some(geometry) = geometry else {
        return Vec::new();
    };
    let seen = frame_size(config).map(|frame| {
        let region = ViewedRegion::of(config.region, geometry).region_in(frame)?;
        let seen = region.map_or(frame, |region| region.size());
        Ok((seen.width, seen.height))
    });
    let shape = match seen {
        Some(Ok(seen)) => {
            let images = geometry.trained_on.as_ref();
            images.and_then(|images| images.other_shape(seen))
        }
        Some(Err::<_, OpticsError>(outside)) => Some(outside.to_string()),
        None => None,
    };
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

/// Which part of the frames is looked at, by whose word, and how much of it is ignored; none where all of each frame
/// counts.
pub fn viewed_region(config: &StationConfig, geometry: Option<&InputGeometry>) -> Option<String> {
    let trained = geometry.and_then(|geometry| geometry.region.as_ref());
    Some(match (config.region, trained) {
        (None, None) => return None,
        (None, Some(trained)) => format!("the bundle's, {trained}"),
        (Some(region), None) => format!("the station file's, {region}"),
        (Some(region), Some(trained)) => {
            let ignored = match trained.ignored {
                Some(_) => "; what that ignores keeps its place in the station's",
                None => "",
            };
            format!("the station file's, {region}, in place of the bundle's, {trained}{ignored}")
        }
    })
}

/// Of the camera's frames, or of the first image of a folder.
fn frame_size(config: &StationConfig) -> Option<Size> {
    let (width, height) = match &config.camera {
        CameraConfig::V4l2(camera) => (camera.width, camera.height),
        CameraConfig::Folder { path, period } => {
            let folder = PacedFolder::open(path, *period).ok()?;
            folder
                .images()
                .iter()
                .find_map(|image| image_size(image).ok())?
        }
    };
    Some(Size { width, height })
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use aecsad_inspect::optics::TrainedRegion;

    use super::*;

    fn station(optics: &str) -> StationConfig {
        let sample = include_str!("../../calibration/station.toml");
        let camera = "kind = \"v4l2\"\ndevice = \"/dev/video0\"\nwidth = 1280\nheight = 960\nformat = \"YUYV\"\n";
        let folder = "kind = \"folder\"\n# folder: the folder.\npath = \"frames\"\n# folder: parts a minute (parts/min, 1 to 6000).\nrate_per_min = 120\n";
        assert!(sample.contains(folder));
        let text = sample
            .replace(folder, camera)
            .replace("[optics]\n", &format!("[optics]\n{optics}\n"));
        StationConfig::parse(&text, Path::new("station.toml")).unwrap()
    }

    fn geometry(frame: (u32, u32)) -> InputGeometry {
        InputGeometry {
            region: Some(TrainedRegion {
                area: [10, 20, 300, 200].into(),
                frame: Size {
                    width: frame.0,
                    height: frame.1,
                },
                ignored: None,
            }),
            ..InputGeometry::lite0(false)
        }
    }

    #[test]
    fn whose_region_is_in_force_is_said() {
        let (own, none) = (station("region = [0, 0, 600, 400]"), station(""));
        let trained = geometry((1280, 960));
        assert_eq!(
            viewed_region(&none, Some(&InputGeometry::lite0(false))),
            None
        );
        assert_eq!(
            viewed_region(&none, Some(&trained)).unwrap(),
            "the bundle's, 300×200 pixels from 10, 20 in frames of 1280×960"
        );
        assert_eq!(
            viewed_region(&own, Some(&trained)).unwrap(),
            "the station file's, 600×400 pixels from 0, 0, in place of the bundle's, 300×200 pixels from 10, 20 in frames of 1280×960"
        );
    }

    #[test]
    fn frames_of_another_size_than_the_bundles_region_are_a_difference() {
        let other = geometry((640, 480));
        let [sentence] = &differences(&station(""), Some(&other))[..] else {
            panic!("one difference");
        };
        assert!(
            sentence.contains("1280×960") && sentence.contains("640×480"),
            "{sentence}"
        );
        for (optics, trained) in [("", (1280, 960)), ("region = [0, 0, 600, 400]", (640, 480))] {
            assert!(differences(&station(optics), Some(&geometry(trained))).is_empty());
        }
    }
}
