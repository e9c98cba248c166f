//! Conditions in which a station may see the same part: light, exposure, focus and coding differ from those of the training
//! images and leave the part what it is.

pub mod jpeg;

use std::path::Path;

use aecsad_inspect::frame::Frame;
use image::{RgbImage, imageops};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use self::jpeg::as_jpeg;

/// Largest factor on the brightness, either way.
const GAIN: f64 = 1.2;
/// Largest gamma, either way.
const GAMMA: f64 = 1.15;
/// Deviations of a Gaussian blur, in pixels of the image; smaller ones change nothing that is seen.
const BLUR_PX: std::ops::Range<f32> = 0.3..0.8;
/// Qualities of a JPEG.
const QUALITY: std::ops::RangeInclusive<u8> = 80..=95;

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    gain: f64,
    gamma: f64,
    blur_px: Option<f32>,
    /// JPEG quality; lossless if none.
    quality: Option<u8>,
}

impl Condition {
    /// Another one for each `index`, the same each time. Focus is worse in every second one, coding lossy likewise.
    pub fn draw(seed: u64, index: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(index as u64);
        let up_to = |most: f64, random: &mut ChaCha8Rng| most.powf(random.random_range(-1.0..1.0));
        Condition {
            gain: up_to(GAIN, &mut random),
            gamma: up_to(GAMMA, &mut random),
            blur_px: every_second(&mut random).then(|| random.random_range(BLUR_PX)),
            quality: every_second(&mut random).then(|| random.random_range(QUALITY)),
        }
    }

    /// The frame as it would look. `path` names it.
    pub fn apply(&self, mut frame: Frame, path: &Path) -> Frame {
        each_value(&mut frame, |value| self.gain * value.powf(self.gamma));
        if let Some(sigma) = self.blur_px {
            blur(&mut frame, sigma);
        }
        let coded = self.quality.and_then(|q| as_jpeg(&frame, q, true, path));
        coded.unwrap_or(frame)
    }
}

fn every_second(random: &mut impl Rng) -> bool {
    random.random_bool(0.5)
}

/// `change` maps a value from 0 to 1.
pub fn each_value(frame: &mut Frame, change: impl Fn(f64) -> f64) {
    let table: [u8; 256] =
        std::array::from_fn(|v| (255.0 * change(v as f64 / 255.0)).round().clamp(0.0, 255.0) as u8);
    for value in &mut frame.rgb {
        *value = table[usize::from(*value)];
    }
}

/// Gaussian, `sigma` in pixels.
pub fn blur(frame: &mut Frame, sigma: f32) {
    let pixels = std::mem::take(&mut frame.rgb);
    if let Some(image) = RgbImage::from_raw(frame.width, frame.height, pixels) {
        frame.rgb = imageops::blur(&image, sigma).into_raw();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(rgb: Vec<u8>, width: u32) -> Frame {
        Frame {
            width,
            height: (rgb.len() / 3) as u32 / width,
            rgb,
            captured: std::time::Instant::now(),
        }
    }

    #[test]
    fn values_are_changed_within_their_range() {
        let mut frame = frame(vec![0, 100, 200], 1);
        each_value(&mut frame, |v| v * 1.5);
        assert_eq!(frame.rgb, [0, 150, 255]);
        each_value(&mut frame, |v| v.powf(2.0));
        assert_eq!(frame.rgb, [0, 88, 255]);
    }

    #[test]
    fn blur_spreads_a_point_and_keeps_its_sum() {
        let mut pixels = vec![0; 15 * 15 * 3];
        pixels[(7 * 15 + 7) * 3] = 250;
        let mut frame = frame(pixels, 15);
        blur(&mut frame, 1.0);
        let sum: u32 = frame.rgb.iter().step_by(3).map(|v| u32::from(*v)).sum();
        assert!((230..=270).contains(&sum), "{sum}");
        assert!(frame.rgb[(7 * 15 + 7) * 3] < 60);
    }

    #[test]
    fn conditions_differ_and_leave_a_part_what_it_is() {
        let pixels = (0..48 * 40 * 3).map(|i| (i / 7 % 97 + 60) as u8).collect();
        let part = frame(pixels, 48);
        let seen = |index| Condition::draw(3, index).apply(part.clone(), Path::new("part"));
        for index in 0..30 {
            let seen_here = seen(index);
            assert_eq!((seen_here.width, seen_here.height), (48, 40));
            assert_eq!(seen_here.rgb, seen(index).rgb);
            assert_ne!(seen_here.rgb, seen(index + 1).rgb);
            let pairs = seen_here.rgb.iter().zip(&part.rgb);
            let off: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            let mean = off / part.rgb.len() as u64;
            assert!((1..60).contains(&mean), "{index}: {mean}");
        }
    }
}
