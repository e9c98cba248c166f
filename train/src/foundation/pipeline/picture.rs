//! An image as the foundation models see it: its own pixels, no larger than they look at.

use aecsad_inspect::frame::Frame;
use image::RgbImage;

use super::bilinear;
use super::network::Tensor;

/// Longer side of the picture that is worked on. SAM looks at no more pixels, and masks stay small.
pub const LONGEST_SIDE: u32 = 1024;

/// Mean and deviation of red, green and blue in photographs, of values from 0 to 1 (ImageNet).
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// The frame, made smaller if its longer side has more than [`LONGEST_SIDE`] pixels. None if it has no pixels, or others
/// than it says.
pub fn of_frame(frame: &Frame) -> Option<RgbImage> {
    let picture = RgbImage::from_raw(frame.width, frame.height, frame.rgb.clone())?;
    let longer = frame.width.max(frame.height);
    if frame.width == 0 || frame.height == 0 || longer <= LONGEST_SIDE {
        return (longer > 0).then_some(picture);
    }
    let shrunk = |side: u32| {
        let side = u64::from(side) * u64::from(LONGEST_SIDE) / u64::from(longer);
        (side as usize).max(1)
    };
    let (width, height) = (shrunk(frame.width), shrunk(frame.height));
    Some(scaled(&picture, width, height))
}

/// The picture at another size, smoothed where it gets smaller.
pub fn scaled(picture: &RgbImage, width: usize, height: usize) -> RgbImage {
    let across = bilinear::resized_across(picture, width as u32);
    bilinear::resized_down(&across, height as u32)
}

/// The picture normalised, with zeros to the right and below up to the given size.
///
/// *Shapes*: `[1, 3, height, width]`.
pub fn tensor(picture: &RgbImage, width: usize, height: usize) -> Tensor {
    let mut values = vec![0.0; 3 * height * width];
    for (x, y, pixel) in picture.enumerate_pixels() {
        for channel in 0..3 {
            let value = f32::from(pixel[channel]) / 255.0;
            values[(channel * height + y as usize) * width + x as usize] =
                (value - MEAN[channel]) / DEVIATION[channel];
        }
    }
    Tensor::floats(&[1, 3, height, width], values)
}

/// A map at another size, linear between the cells' centres, edges repeated.
///
/// *Shapes*: `map` is `[height, width]`, the result `[to_height, to_width]`, row by row.
pub fn resample(
    map: &[f32],
    (width, height): (usize, usize),
    (to_width, to_height): (usize, usize),
) -> Vec<f32> {
    let across = steps(width, to_width);
    let down = steps(height, to_height);
    let mut out = Vec::with_capacity(to_width * to_height);
    for &(top, bottom, v) in &down {
        let (top, bottom) = (&map[top * width..], &map[bottom * width..]);
        for &(left, right, u) in &across {
            let above = top[left] + (top[right] - top[left]) * u;
            let below = bottom[left] + (bottom[right] - bottom[left]) * u;
            out.push(above + (below - above) * v);
        }
    }
    out
}

/// The two cells that each new cell lies between, and how far it is from the first.
fn steps(from: usize, to: usize) -> Vec<(usize, usize, f32)> {
    let scale = from as f32 / to as f32;
    let place = |i: usize| {
        let at = ((i as f32 + 0.5) * scale - 0.5).max(0.0);
        let first = (at as usize).min(from - 1);
        (first, (first + 1).min(from - 1), at - first as f32)
    };
    (0..to).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_resampled_between_the_centres_of_its_cells() {
        let up = resample(&[0.0, 4.0], (2, 1), (4, 2));
        assert_eq!(up, [0.0, 1.0, 3.0, 4.0, 0.0, 1.0, 3.0, 4.0]);
        assert_eq!(resample(&[1.0, 2.0], (2, 1), (2, 1)), [1.0, 2.0]);
    }

    #[test]
    fn a_large_frame_is_made_smaller_and_keeps_its_shape() {
        let frame = |width: u32, height: u32| Frame {
            width,
            height,
            rgb: vec![7; (width * height * 3) as usize],
            captured: std::time::Instant::now(),
        };
        let size = |frame: &Frame| of_frame(frame).map(|p| p.dimensions());
        assert_eq!(size(&frame(2048, 512)), Some((1024, 256)));
        assert_eq!(size(&frame(30, 20)), Some((30, 20)));
        assert_eq!(size(&frame(0, 0)), None);
    }

    #[test]
    fn padding_is_zero_after_normalising() {
        let picture = RgbImage::from_pixel(1, 1, image::Rgb([255, 0, 0]));
        let tensor = tensor(&picture, 2, 1);
        let values = tensor.as_floats();
        assert!((values[0] - (1.0 - 0.485) / 0.229).abs() < 1e-6);
        assert_eq!(values[1], 0.0);
    }
}
