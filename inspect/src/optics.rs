//! From a frame to the tensors that the networks were trained on: region of interest, resize, normalise. This is the only
//! pre-processing there is; training, calibration and the camera path all come through here.
//!
//! A part is seen in one or two views: the whole, small and square, for arrangement and components, and where damage is
//! smaller than that shows, a fine one of the same region in its own shape.

use fast_image_resize::Resizer;
use serde::{Deserialize, Serialize};

use crate::frame::{Frame, Size};
use view::ViewBuffers;

mod training_images;
mod view;

pub use training_images::{Encoding, TrainingImages};

/// What the networks expect: the whole as `width`×`height` RGB, each channel `(x / 255 − mean) / std`; the fine view
/// likewise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputGeometry {
    pub width: u32,
    pub height: u32,
    pub mean: [f32; 3],
    pub std: [f32; 3],
    /// The station's camera is greyscale: colour is removed from every frame before anything else sees it.
    pub mono: bool,
    /// Of the training images, where they had 16 bits: how many of these hold values. It counts for every image judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bit_depth: Option<u8>,
    /// Size of the fine view; a bundle without one sees only the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fine: Option<Size>,
    /// Bundles of earlier versions don't have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_on: Option<TrainingImages>,
}

impl InputGeometry {
    /// EfficientNet-Lite0 as its authors trained it: `(x − 127) / 128` on 8-bit values.
    pub fn lite0(mono: bool) -> Self {
        InputGeometry {
            width: 256,
            height: 256,
            mean: [127.0 / 255.0; 3],
            std: [128.0 / 255.0; 3],
            mono,
            bit_depth: None,
            fine: None,
            trained_on: None,
        }
    }

    /// As torchvision's networks were trained on ImageNet.
    pub fn imagenet(mono: bool) -> Self {
        InputGeometry {
            width: 256,
            height: 256,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            mono,
            bit_depth: None,
            fine: None,
            trained_on: None,
        }
    }
}

/// The part of the frame that is looked at, in pixels of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
}

impl std::fmt::Display for Region {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Region {
            left,
            top,
            width,
            height,
        } = self;
        write!(f, "{width}×{height} pixels from {left}, {top}")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum OpticsError {
    #[error(
        "the region of interest, {0}, reaches outside the frame of {1}×{2} pixels: make it smaller or move it"
    )]
    RegionOutside(Region, u32, u32),
    #[error(
        "a frame of {width}×{height} pixels came with {bytes} bytes instead of {}: the source is broken",
        *width as u64 * *height as u64 * 3
    )]
    FrameSize {
        width: u32,
        height: u32,
        bytes: usize,
    },
    #[error("the frame could not be resized: {0}")]
    Resize(String),
}

/// One frame as the networks take it, each view as `[3, height, width]`, normalised.
#[derive(Clone, Copy, Debug)]
pub struct Tensors<'a> {
    pub whole: &'a [f32],
    pub fine: Option<&'a [f32]>,
}

/// Holds its buffers, so that a frame after the first allocates nothing here.
pub struct Optics {
    geometry: InputGeometry,
    region: Option<Region>,
    resizer: Resizer,
    whole: ViewBuffers,
    fine: Option<ViewBuffers>,
}

impl Optics {
    pub fn new(geometry: InputGeometry, region: Option<Region>) -> Self {
        let (width, height) = (geometry.width, geometry.height);
        Optics {
            region,
            resizer: Resizer::new(),
            whole: ViewBuffers::new(Size { width, height }),
            fine: geometry.fine.map(ViewBuffers::new),
            geometry,
        }
    }

    pub fn geometry(&self) -> &InputGeometry {
        &self.geometry
    }

    /// The frame as the networks take it. Reduction is anti-aliased (a triangle as wide as the step). Where there is a fine
    /// view the whole is made of it, so that a frame kept at the fine view's size gives the same of both.
    pub fn tensors(&mut self, frame: &Frame) -> Result<Tensors<'_>, OpticsError> {
        self.see(frame)?;
        let geometry = &self.geometry;
        Ok(Tensors {
            whole: self.whole.normalised(geometry),
            fine: self.fine.as_mut().map(|fine| fine.normalised(geometry)),
        })
    }

    /// The whole alone: `[3, height, width]`.
    pub fn tensor(&mut self, frame: &Frame) -> Result<&[f32], OpticsError> {
        self.see(frame)?;
        Ok(self.whole.normalised(&self.geometry))
    }

    /// The latest frame as the finest view has it.
    pub fn seen(&self) -> Frame {
        self.fine.as_ref().unwrap_or(&self.whole).frame()
    }

    /// The latest frame as the whole view has it.
    pub fn seen_whole(&self) -> Frame {
        self.whole.frame()
    }

    fn see(&mut self, frame: &Frame) -> Result<(), OpticsError> {
        let (resizer, mono) = (&mut self.resizer, self.geometry.mono);
        match &mut self.fine {
            Some(fine) => {
                fine.resize(frame, self.region, mono, resizer)?;
                self.whole.reduce(fine, resizer)
            }
            None => self.whole.resize(frame, self.region, mono, resizer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn frame(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> Frame {
        let rgb = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .flat_map(|(x, y)| pixel(x, y))
            .collect();
        Frame {
            width,
            height,
            rgb,
            captured: Instant::now(),
        }
    }

    #[test]
    fn normalises_each_channel_as_lite0_was_trained() {
        let mut optics = Optics::new(InputGeometry::lite0(false), None);
        let tensor = optics
            .tensor(&frame(300, 200, |_, _| [255, 127, 0]))
            .unwrap();
        let plane = 256 * 256;
        assert!((tensor[5] - 1.0).abs() < 1e-6);
        assert!(tensor[plane + 5].abs() < 1e-6);
        assert!((tensor[2 * plane + 5] + 127.0 / 128.0).abs() < 1e-6);
    }

    #[test]
    fn reduction_is_anti_aliased() {
        let mut optics = Optics::new(InputGeometry::lite0(false), None);
        let stripes = frame(2048, 256, |x, _| [if x % 2 == 0 { 0 } else { 254 }; 3]);
        optics.tensor(&stripes).unwrap();
        // At the border the triangle is cut, so that one kind of stripe weighs a little more.
        assert!(optics.seen().rgb.iter().all(|p| (120..=134).contains(p)));
    }

    #[test]
    fn the_region_alone_is_seen() {
        let region = Region {
            left: 10,
            top: 0,
            width: 10,
            height: 20,
        };
        let mut optics = Optics::new(InputGeometry::lite0(false), Some(region));
        let half = frame(20, 20, |x, _| [if x < 10 { 0 } else { 200 }; 3]);
        optics.tensor(&half).unwrap();
        assert!(optics.seen().rgb.iter().all(|p| *p == 200));
        assert!(matches!(
            optics.tensor(&frame(15, 20, |_, _| [0; 3])),
            Err(OpticsError::RegionOutside(..))
        ));
    }

    #[test]
    fn a_short_frame_is_an_error_not_a_panic() {
        let mut broken = frame(20, 20, |_, _| [0; 3]);
        broken.rgb.pop();
        let mut optics = Optics::new(InputGeometry::lite0(false), None);
        assert!(matches!(
            optics.tensor(&broken),
            Err(OpticsError::FrameSize { .. })
        ));
    }
}
