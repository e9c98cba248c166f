//! Conditions in which a station may see the same part: light, exposure, focus and coding differ from those of the training
//! images and leave the part what it is.

pub mod jpeg;

use aecsad_inspect::frame::Frame;
use image::{RgbImage, imageops};

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
}
