//! Flat-field correction: every pixel of a frame is multiplied by a gain, so that uneven light and dark lens corners
//! disappear. The gains come from one picture of an evenly lit sheet of paper by the same camera.

use std::path::Path;

use aecsad_inspect::frame::Frame;
use aecsad_inspect::image_files::read_image;

use super::{CameraError, Faults, FrameSource, SourceEvent};

/// Gains are in 256ths.
const ONE: u64 = 256;
/// The highest gain. A corner darker than a quarter of the middle is mostly noise, which a higher gain would amplify.
const HIGHEST: u64 = 4 * ONE;

/// The gain of each value of a frame.
///
/// *Shapes*: `gains` is `[height, width, 3]`, in 256ths.
#[derive(Clone, Debug)]
pub struct FlatField {
    width: u32,
    height: u32,
    gains: Vec<u16>,
}

/// The lowest mean brightness of a channel, of 255. Below it a picture of the sheet is mostly noise.
const DARKEST: u64 = 24;

impl FlatField {
    /// Reads the picture of the sheet. Each channel keeps its own mean, so the colour of the light stays.
    pub fn read(path: &Path) -> Result<Self, CameraError> {
        let sheet = read_image(path)?;
        Self::of(&sheet).map_err(|reason| CameraError::FlatField {
            path: path.display().to_string(),
            reason,
        })
    }

    fn of(sheet: &Frame) -> Result<Self, String> {
        let pixels = u64::from(sheet.width) * u64::from(sheet.height);
        let mut sums = [0u64; 3];
        for rgb in sheet.rgb.chunks_exact(3) {
            for (sum, value) in sums.iter_mut().zip(rgb) {
                *sum += u64::from(*value);
            }
        }
        let clipped = sheet.rgb.iter().filter(|value| **value == u8::MAX).count() as u64;
        if clipped * 100 > pixels * 3 {
            return Err("more than 1 % of it is as bright as can be, so nothing can be learnt from it: take it with less light".into());
        }
        if sums.iter().any(|sum| *sum < DARKEST * pixels) {
            return Err("it is dark: take the cap off the lens, and light the sheet until it is about half as bright as can be".into());
        }
        let mut gains = Vec::with_capacity(sheet.rgb.len());
        for rgb in sheet.rgb.chunks_exact(3) {
            for (sum, value) in sums.iter().zip(rgb) {
                let gain = (sum * ONE).div_ceil(pixels * u64::from(*value).max(1));
                if gain > HIGHEST {
                    return Err("it has places four times as dark as the rest: take it of an evenly lit, clean sheet".into());
                }
                gains.push(gain as u16);
            }
        }
        let (width, height) = (sheet.width, sheet.height);
        Ok(FlatField {
            width,
            height,
            gains,
        })
    }

    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Returns false, and changes nothing, if the frame has another size.
    fn correct(&self, frame: &mut Frame) -> bool {
        if (frame.width, frame.height) != self.size() || frame.rgb.len() != self.gains.len() {
            return false;
        }
        for (value, gain) in frame.rgb.iter_mut().zip(&self.gains) {
            *value = (u32::from(*value) * u32::from(*gain) / ONE as u32).min(255) as u8;
        }
        true
    }
}

/// A source whose frames are corrected.
pub struct Flattened {
    source: Box<dyn FrameSource>,
    flat_field: FlatField,
    path: String,
}

impl Flattened {
    /// Reads the sheet's picture. `size` is that of the source's frames, where it is known.
    pub fn new(
        source: Box<dyn FrameSource>,
        path: &Path,
        size: Option<(u32, u32)>,
    ) -> Result<Self, CameraError> {
        let flattened = Flattened {
            source,
            flat_field: FlatField::read(path)?,
            path: path.display().to_string(),
        };
        match size.filter(|size| *size != flattened.flat_field.size()) {
            Some(size) => Err(flattened.misfit(size)),
            None => Ok(flattened),
        }
    }

    fn misfit(&self, (width, height): (u32, u32)) -> CameraError {
        let (flat_width, flat_height) = self.flat_field.size();
        CameraError::FlatField {
            path: self.path.clone(),
            reason: format!(
                "it is {flat_width}×{flat_height}, the camera's pictures are {width}×{height}: take it with this camera as it is set now"
            ),
        }
    }
}

impl FrameSource for Flattened {
    fn state_bit_depth(&mut self, bit_depth: Option<u8>) {
        self.source.state_bit_depth(bit_depth);
    }

    fn next(&mut self, frame: &mut Frame) -> Option<SourceEvent> {
        let event = self.source.next(frame)?;
        if matches!(event, SourceEvent::Part) && !self.flat_field.correct(frame) {
            return Some(SourceEvent::NoFrame(
                self.misfit((frame.width, frame.height)),
            ));
        }
        Some(event)
    }

    fn faults(&self) -> Faults {
        self.source.faults()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(width: u32, height: u32, value: impl Fn(u32) -> u8) -> Frame {
        let mut frame = Frame::empty();
        (frame.width, frame.height) = (width, height);
        frame.rgb = (0..width * height * 3)
            .map(|i| value(i / 3 % width))
            .collect();
        frame
    }

    #[test]
    fn what_the_light_takes_away_is_given_back() {
        // Half as bright on the right as on the left, as the sheet shows it and the part too.
        let light = |x: u32| 200 - 100 * x / 63;
        let sheet = frame(64, 8, |x| light(x) as u8);
        let mut part = frame(64, 8, |x| (light(x) * 3 / 5) as u8);
        let flat_field = FlatField::of(&sheet).unwrap();
        assert!(flat_field.correct(&mut part));
        let (low, high) = (
            part.rgb.iter().min().unwrap(),
            part.rgb.iter().max().unwrap(),
        );
        assert!(
            high - low <= 2 && (88..=92).contains(low),
            "{low} to {high}"
        );
    }

    #[test]
    fn a_dark_sheet_is_refused() {
        for level in [0, 2, 20] {
            let error = FlatField::of(&frame(16, 16, |_| level)).err().unwrap();
            assert!(error.contains("cap off the lens"), "{error}");
        }
    }

    #[test]
    fn colour_and_brightness_stay_where_the_light_is_even() {
        let sheet = frame(16, 16, |_| 180);
        let mut part = frame(16, 16, |x| x as u8 * 16);
        let before = part.rgb.clone();
        assert!(FlatField::of(&sheet).unwrap().correct(&mut part));
        assert_eq!(part.rgb, before);
    }

    #[test]
    fn a_sheet_that_says_nothing_is_refused() {
        let blown = FlatField::of(&frame(16, 16, |_| 255)).unwrap_err();
        assert!(blown.contains("less light"), "{blown}");
        let dark = FlatField::of(&frame(16, 16, |x| if x == 3 { 9 } else { 200 })).unwrap_err();
        assert!(dark.contains("four times as dark"), "{dark}");
        let flat_field = FlatField::of(&frame(16, 16, |_| 180)).unwrap();
        assert!(!flat_field.correct(&mut frame(16, 8, |_| 180)));
    }
}
