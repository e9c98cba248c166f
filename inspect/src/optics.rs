//! From a frame to the tensors that the networks were trained on: region of interest, resize, ignore, normalise. This
//! is the only pre-processing: training, calibration and the camera path all use it.
//!
//! A part is seen in one or two views. The whole view is small and square, for arrangement and components. The fine
//! view shows the same region in its own shape at more pixels, for damage that the whole view can't resolve.

use fast_image_resize::Resizer;
use serde::{Deserialize, Serialize};

use crate::frame::{Frame, Size};
use view::ViewBuffers;

mod exposure;
mod ignored;
mod region;
mod training_images;
mod view;

pub use exposure::{Exposure, ExposureRange, OtherLight};
pub use ignored::Ignored;
pub use region::{Region, TrainedRegion, ViewedRegion};
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
    /// Bundles of earlier versions don't have it. Where there is a region, it is about what that shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_on: Option<TrainingImages>,
    /// What of the frames the networks are shown; all of them as they come if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<TrainedRegion>,
    /// How good parts are exposed: a frame beyond is evened out. Bundles without it take each frame as it comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure: Option<ExposureRange>,
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
            region: None,
            exposure: None,
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
            region: None,
            exposure: None,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum OpticsError {
    #[error(
        "the region of interest, {0}, reaches outside the frame of {1}×{2} pixels: make it smaller or move it"
    )]
    RegionOutside(Region, u32, u32),
    #[error(
        "a frame of {came} pixels came, and the bundle looks at {area} in frames of {trained}: set the camera to that size, \
         state the region in these frames as `optics.region` of the station file, or train on such images"
    )]
    OtherFrame {
        came: Size,
        trained: Size,
        area: Region,
    },
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
    viewed_region: ViewedRegion,
    resizer: Resizer,
    whole: ViewBuffers,
    fine: Option<ViewBuffers>,
    /// What each 8-bit value of the latest frame becomes.
    curve: [f32; 256],
    other_light: Option<OtherLight>,
}

impl Optics {
    /// `region` is the part of the frames to look at; all of them if none, as for images that were cropped before. What the
    /// geometry ignores is ignored in both.
    pub fn new(geometry: InputGeometry, region: Option<Region>) -> Self {
        let (width, height) = (geometry.width, geometry.height);
        let view = |size| ViewBuffers::new(size, geometry.region.as_ref());
        Optics {
            viewed_region: region.map_or(ViewedRegion::All, ViewedRegion::Region),
            resizer: Resizer::new(),
            whole: view(Size { width, height }),
            fine: geometry.fine.map(view),
            geometry,
            curve: [0.0; 256],
            other_light: None,
        }
    }

    /// Looks at another part of the frames from here on; gives back at which it looked before.
    pub fn look_at(&mut self, viewed_region: ViewedRegion) -> ViewedRegion {
        std::mem::replace(&mut self.viewed_region, viewed_region)
    }

    /// The part of the frames that is looked at; all of them if none.
    pub fn region(&self) -> Option<Region> {
        self.viewed_region.region()
    }

    pub fn geometry(&self) -> &InputGeometry {
        &self.geometry
    }

    /// The frame as the networks take it. Reduction is anti-aliased (a triangle as wide as the step). Where there is a
    /// fine view the whole is made of it, so that a frame kept at the fine view's size gives the same of both.
    pub fn tensors(&mut self, frame: &Frame) -> Result<Tensors<'_>, OpticsError> {
        self.see(frame)?;
        let geometry = &self.geometry;
        let curve = self.other_light.map(|_| &self.curve);
        Ok(Tensors {
            whole: self.whole.normalised(geometry, curve),
            fine: self
                .fine
                .as_mut()
                .map(|fine| fine.normalised(geometry, curve)),
        })
    }

    /// The whole alone: `[3, height, width]`.
    pub fn tensor(&mut self, frame: &Frame) -> Result<&[f32], OpticsError> {
        self.see(frame)?;
        let curve = self.other_light.map(|_| &self.curve);
        Ok(self.whole.normalised(&self.geometry, curve))
    }

    /// How the latest frame is exposed unlike any good part, and was evened out for it; none where it stayed as it is.
    pub fn other_light(&self) -> Option<OtherLight> {
        self.other_light
    }

    /// The latest frame as the finest view has it.
    pub fn seen(&self) -> Frame {
        self.fine.as_ref().unwrap_or(&self.whole).frame()
    }

    /// The latest frame as the whole view has it.
    pub fn seen_whole(&self) -> Frame {
        self.whole.frame()
    }

    /// Copies what [`Optics::seen_whole`] returns into a frame, whose buffer is used again.
    pub fn copy_whole_to(&self, frame: &mut Frame) {
        self.whole.copy_to(frame);
    }

    fn see(&mut self, frame: &Frame) -> Result<(), OpticsError> {
        let (resizer, mono) = (&mut self.resizer, self.geometry.mono);
        let region = self.viewed_region.region_in(frame.size())?;
        match &mut self.fine {
            Some(fine) => {
                fine.resize(frame, region, mono, resizer)?;
                self.whole.reduce(fine, resizer)?;
            }
            None => self.whole.resize(frame, region, mono, resizer)?,
        }
        let range = self.geometry.exposure.as_ref();
        self.other_light =
            range.and_then(|range| range.curve(self.whole.exposure(), &mut self.curve));
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
    fn light_alone_changes_little_and_ordinary_light_nothing() {
        let lit = |gain: f32| {
            frame(128, 96, move |x, y| {
                let level = 20 + (x * 3 + y * 5) % 160;
                [level, 180 - level / 2, level / 3 + 40].map(|v| (v as f32 * gain) as u8)
            })
        };
        let as_they_come = InputGeometry {
            fine: Some(Size {
                width: 128,
                height: 96,
            }),
            ..InputGeometry::lite0(false)
        };
        let seen = |geometry: &InputGeometry, frame: &Frame| {
            let mut optics = Optics::new(geometry.clone(), None);
            let tensors = optics.tensors(frame).unwrap();
            [tensors.whole, tensors.fine.unwrap()].map(<[f32]>::to_vec)
        };
        let mut optics = Optics::new(as_they_come.clone(), None);
        optics.tensors(&lit(1.0)).unwrap();
        let part = Exposure::of(&optics.seen_whole().rgb);
        let evened_out = InputGeometry {
            exposure: ExposureRange::of([part]),
            ..as_they_come.clone()
        };
        let usual = seen(&as_they_come, &lit(1.0));
        assert!(usual == seen(&evened_out, &lit(1.0)));
        let off = |geometry, view: usize| {
            let other = seen(geometry, &lit(1.2));
            let pairs = usual[view].iter().zip(&other[view]);
            pairs.map(|(a, b)| (a - b).abs()).sum::<f32>() / usual[view].len() as f32
        };
        for view in [0, 1] {
            let (before, after) = (off(&as_they_come, view), off(&evened_out, view));
            assert!(after < 0.25 * before, "{view}: {before} {after}");
        }
    }

    /// A part with a date printed at `print`, and what else a test puts there.
    fn dated(width: u32, height: u32, print: Region, seed: u32) -> Frame {
        frame(width, height, |x, y| {
            let printed = (print.left..print.left + print.width).contains(&x)
                && (print.top..print.top + print.height).contains(&y);
            let level = match printed {
                true => (x * 31 + y * 17 + seed * (x ^ y)) % 256,
                false => (x * 3 + y * 5) % 200,
            };
            [level as u8, (level / 2) as u8, 90]
        })
    }

    #[test]
    fn what_is_ignored_changes_no_pixel_of_any_view() {
        let print = Region::from([61, 37, 43, 19]);
        // Views that reduce by a fraction, by none, and one that enlarges.
        for (width, height, fine) in [
            (500, 333, (352, 224)),
            (128, 96, (128, 96)),
            (113, 90, (640, 512)),
        ] {
            let size = Size { width, height };
            let mut marked = vec![false; size.pixels()];
            for y in print.top..print.top + print.height {
                for x in print.left..print.left + print.width {
                    marked[(y * width + x) as usize] = true;
                }
            }
            let geometry = InputGeometry {
                fine: Some(Size {
                    width: fine.0,
                    height: fine.1,
                }),
                region: Some(TrainedRegion {
                    area: [0, 0, width, height].into(),
                    frame: size,
                    ignored: Some(Ignored::of_drawing(&marked, size, [9, 200, 40])),
                }),
                ..InputGeometry::lite0(false)
            };
            let seen = |geometry: &InputGeometry, frame: &Frame| {
                let mut optics = Optics::new(geometry.clone(), None);
                let tensors = optics.tensors(frame).unwrap();
                (tensors.whole.to_vec(), tensors.fine.map(<[f32]>::to_vec))
            };
            let whole_alone = InputGeometry {
                fine: None,
                ..geometry.clone()
            };
            let (one, other) = (
                dated(width, height, print, 1),
                dated(width, height, print, 77),
            );
            assert_ne!(one.rgb, other.rgb);
            for geometry in [&geometry, &whole_alone] {
                let [one, other] = [&one, &other].map(|frame| seen(geometry, frame));
                assert!(one == other, "{width}×{height}");
            }
            // What is kept of a frame, as golden images are, gives the same of both views.
            let mut optics = Optics::new(geometry.clone(), None);
            optics.tensors(&one).unwrap();
            assert!(seen(&geometry, &optics.seen()) == seen(&geometry, &one));
            // All else still counts.
            let mut scratched = one.clone();
            scratched.rgb[..300].fill(255);
            assert!(seen(&geometry, &scratched) != seen(&geometry, &one));
        }
    }

    #[test]
    fn the_bundles_region_is_cropped_in_frames_of_its_size_alone() {
        let mut geometry = InputGeometry::lite0(false);
        let trained = TrainedRegion {
            area: [10, 0, 20, 40].into(),
            frame: Size {
                width: 40,
                height: 40,
            },
            ignored: None,
        };
        let part = frame(40, 40, |x, y| [(x * 6) as u8, (y * 6) as u8, 0]);
        let cropped = trained.crop(&part).unwrap();
        geometry.region = Some(trained);
        let mut optics = Optics::new(geometry.clone(), None);
        let kept = optics.tensor(&cropped).unwrap().to_vec();
        optics.look_at(ViewedRegion::of(None, &geometry));
        assert!(kept == optics.tensor(&part).unwrap());
        let other = frame(80, 80, |_, _| [0; 3]);
        assert!(matches!(
            optics.tensor(&other),
            Err(OpticsError::OtherFrame { .. })
        ));
        // The station's word counts for frames of any size.
        let stated = Region::from([10, 0, 20, 40]);
        optics.look_at(ViewedRegion::of(Some(stated), &geometry));
        assert!(kept == optics.tensor(&part).unwrap());
        assert!(optics.tensor(&other).is_ok());
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
