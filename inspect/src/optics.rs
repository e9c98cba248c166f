//! From a frame to the tensor the networks were trained on: region of interest, resize, normalise. This is the only
//! pre-processing there is; training, calibration and the camera path all come through here.

use fast_image_resize::images::{Image, TypedCroppedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use serde::{Deserialize, Serialize};

use crate::frame::Frame;

mod training_images;

pub use training_images::{Encoding, TrainingImages};

/// What the network expects: `width`×`height` RGB, each channel `(x / 255 − mean) / std`.
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

/// Holds its buffers, so that a frame after the first allocates nothing here.
pub struct Optics {
    geometry: InputGeometry,
    region: Option<Region>,
    resizer: Resizer,
    resized: Image<'static>,
    tensor: Vec<f32>,
}

impl Optics {
    pub fn new(geometry: InputGeometry, region: Option<Region>) -> Self {
        let (width, height) = (geometry.width, geometry.height);
        Optics {
            region,
            resizer: Resizer::new(),
            resized: Image::new(width, height, PixelType::U8x3),
            tensor: vec![0.0; (width * height * 3) as usize],
            geometry,
        }
    }

    pub fn geometry(&self) -> &InputGeometry {
        &self.geometry
    }

    /// The frame as `[3, height, width]`, normalised. Reduction is anti-aliased (a triangle as wide as the step).
    pub fn tensor(&mut self, frame: &Frame) -> Result<&[f32], OpticsError> {
        self.resize(frame)?;
        let pixels = self.resized.buffer();
        let plane = pixels.len() / 3;
        let (mean, std) = (self.geometry.mean, self.geometry.std);
        let scale: [f32; 3] = std::array::from_fn(|c| 1.0 / (255.0 * std[c]));
        let offset: [f32; 3] = std::array::from_fn(|c| mean[c] / std[c]);
        let (red, rest) = self.tensor.split_at_mut(plane);
        let (green, blue) = rest.split_at_mut(plane);
        for (i, rgb) in pixels.chunks_exact(3).enumerate() {
            red[i] = rgb[0] as f32 * scale[0] - offset[0];
            green[i] = rgb[1] as f32 * scale[1] - offset[1];
            blue[i] = rgb[2] as f32 * scale[2] - offset[2];
        }
        Ok(&self.tensor)
    }

    /// The pixels behind the latest [`Optics::tensor`]: `width * height * 3` bytes, interleaved RGB.
    pub fn pixels(&self) -> &[u8] {
        self.resized.buffer()
    }

    /// The same as a frame of its own.
    pub fn seen(&self) -> Frame {
        Frame {
            width: self.geometry.width,
            height: self.geometry.height,
            rgb: self.pixels().to_vec(),
            captured: std::time::Instant::now(),
        }
    }

    fn resize(&mut self, frame: &Frame) -> Result<(), OpticsError> {
        let (width, height) = (frame.width, frame.height);
        let broken = || OpticsError::FrameSize {
            width,
            height,
            bytes: frame.rgb.len(),
        };
        if frame.rgb.len() as u64 != width as u64 * height as u64 * 3 || frame.rgb.is_empty() {
            return Err(broken());
        }
        // Typed, or the program carries resizers for thirteen kinds of pixels.
        let source =
            TypedImageRef::<U8x3>::from_buffer(width, height, &frame.rgb).map_err(|_| broken())?;
        let Some(mut target) = self.resized.typed_image_mut::<U8x3>() else {
            return Err(broken());
        };
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        let resized = match self.region {
            None => self.resizer.resize_typed(&source, &mut target, &options),
            Some(r) => {
                let inside = r.left.checked_add(r.width).is_some_and(|x| x <= width)
                    && r.top.checked_add(r.height).is_some_and(|y| y <= height);
                let outside = OpticsError::RegionOutside(r, width, height);
                if !inside || r.width == 0 || r.height == 0 {
                    return Err(outside);
                }
                // The options' own crop would let pixels beyond the region's edge weigh in.
                let seen = TypedCroppedImage::from_ref(&source, r.left, r.top, r.width, r.height)
                    .map_err(|_| outside)?;
                self.resizer.resize_typed(&seen, &mut target, &options)
            }
        };
        resized.map_err(|e| OpticsError::Resize(e.to_string()))?;
        if self.geometry.mono {
            for rgb in self.resized.buffer_mut().chunks_exact_mut(3) {
                // ITU-R BT.601 luma, in 8-bit fixed point
                let luma = (77 * rgb[0] as u32 + 150 * rgb[1] as u32 + 29 * rgb[2] as u32) >> 8;
                rgb.fill(luma as u8);
            }
        }
        Ok(())
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
        assert!(optics.pixels().iter().all(|p| (120..=134).contains(p)));
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
        assert!(optics.pixels().iter().all(|p| *p == 200));
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
