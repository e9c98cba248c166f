//! The picture that labelling works on: 256×256 pixels, whatever the camera's size, and the colour space in which
//! distances correspond to visible differences.

use aecsad_inspect::frame::Frame;
use image::{ImageBuffer, Rgb, imageops};

use super::LabelError;

/// Side of the square on which regions are found, in pixels: the network's input.
pub const SIDE: usize = 256;

/// An RGB picture, row by row.
pub struct SquareImage {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl SquareImage {
    /// The frame resized to [`SIDE`]×[`SIDE`].
    ///
    /// # Errors
    /// The frame's byte count is not `width * height * 3`, or it has no pixels.
    pub fn from_frame(index: usize, frame: &Frame) -> Result<Self, LabelError> {
        let malformed = || LabelError::Malformed {
            index,
            width: frame.width,
            height: frame.height,
            bytes: frame.rgb.len(),
        };
        if frame.width == 0 || frame.height == 0 {
            return Err(malformed());
        }
        let view: ImageBuffer<Rgb<u8>, &[u8]> =
            ImageBuffer::from_raw(frame.width, frame.height, frame.rgb.as_slice())
                .ok_or_else(malformed)?;
        if frame.rgb.len() != frame.width as usize * frame.height as usize * 3 {
            return Err(malformed());
        }
        let side = SIDE as u32;
        let small = imageops::resize(&view, side, side, imageops::FilterType::Triangle);
        Ok(Self::from_rgb(SIDE, SIDE, small.into_raw()))
    }

    /// A picture from its bytes.
    ///
    /// *Shapes*: `rgb` is `[height, width, 3]`, 8 bits per value.
    pub fn from_rgb(width: usize, height: usize, rgb: Vec<u8>) -> Self {
        debug_assert_eq!(rgb.len(), width * height * 3);
        Self { width, height, rgb }
    }

    /// `(height, width)` in pixels.
    pub fn size(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    pub fn pixel(&self, index: usize) -> [u8; 3] {
        [0, 1, 2].map(|c| self.rgb[index * 3 + c])
    }

    /// The picture after a Gaussian of `sigma` pixels, edges replicated, in grey levels.
    ///
    /// *Shapes*: `[height, width]`, row by row, red, green and blue each.
    pub fn blurred(&self, sigma: f32) -> Vec<[f32; 3]> {
        let radius = (4.0 * sigma).ceil() as isize;
        let mut kernel: Vec<f32> = (-radius..=radius)
            .map(|d| (-0.5 * (d as f32 / sigma.max(1e-6)).powi(2)).exp())
            .collect();
        let sum: f32 = kernel.iter().sum();
        kernel.iter_mut().for_each(|k| *k /= sum);

        let (h, w) = (self.height as isize, self.width as isize);
        let filter = |source: &dyn Fn(isize, isize) -> [f32; 3], dy: isize, dx: isize| {
            let mut out = Vec::with_capacity(self.height * self.width);
            for y in 0..h {
                for x in 0..w {
                    let mut sum = [0.0; 3];
                    for (k, d) in kernel.iter().zip(-radius..) {
                        let value =
                            source((y + d * dy).clamp(0, h - 1), (x + d * dx).clamp(0, w - 1));
                        (0..3).for_each(|c| sum[c] += k * value[c]);
                    }
                    out.push(sum);
                }
            }
            out
        };
        let across = filter(
            &|y, x| self.pixel((y * w + x) as usize).map(f32::from),
            0,
            1,
        );
        filter(&|y, x| across[(y * w + x) as usize], 1, 0)
    }

    /// CIE L*a*b* (D65) of each pixel, shifted so that the median of the picture's border is zero: a change of
    /// lamp or exposure moves all of a picture, and the border is background in most products.
    ///
    /// *Shapes*: `[height, width]`, row by row.
    pub fn balanced_lab(&self) -> Vec<[f32; 3]> {
        const BORDER: usize = 8;
        let mut lab: Vec<[f32; 3]> = (0..self.width * self.height)
            .map(|i| lab_from_srgb(self.pixel(i)))
            .collect();
        let at_border = |i: &usize| {
            let (y, x) = (i / self.width, i % self.width);
            y.min(self.height - 1 - y) < BORDER || x.min(self.width - 1 - x) < BORDER
        };
        let border: Vec<usize> = (0..lab.len()).filter(at_border).collect();
        for c in 0..3 {
            let mut values: Vec<f32> = border.iter().map(|&i| lab[i][c]).collect();
            let middle = values.len() / 2;
            let (_, &mut median, _) = values.select_nth_unstable_by(middle, f32::total_cmp);
            lab.iter_mut().for_each(|p| p[c] -= median);
        }
        lab
    }
}

fn lab_from_srgb(rgb: [u8; 3]) -> [f32; 3] {
    let [r, g, b] = rgb.map(|v| {
        let v = f32::from(v) / 255.0;
        if v <= 0.04045 {
            v / 12.92
        } else {
            ((v + 0.055) / 1.055).powf(2.4)
        }
    });
    let curve = |t: f32| {
        if t > 0.008_856 {
            t.cbrt()
        } else {
            7.787 * t + 16.0 / 116.0
        }
    };
    let x = curve((0.412_4 * r + 0.357_6 * g + 0.180_5 * b) / 0.950_5);
    let y = curve(0.212_6 * r + 0.715_2 * g + 0.072_2 * b);
    let z = curve((0.019_3 * r + 0.119_2 * g + 0.950_5 * b) / 1.089);
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lab_of_known_colours() {
        let close = |a: [f32; 3], b: [f32; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 0.5);
        assert!(close(lab_from_srgb([255, 255, 255]), [100.0, 0.0, 0.0]));
        assert!(close(lab_from_srgb([255, 0, 0]), [53.2, 80.1, 67.2]));
        assert!(close(lab_from_srgb([0, 0, 0]), [0.0, 0.0, 0.0]));
    }

    #[test]
    fn a_colour_cast_on_the_whole_picture_is_taken_out() {
        let grey = SquareImage::from_rgb(40, 40, vec![128; 40 * 40 * 3]);
        let warm = SquareImage::from_rgb(40, 40, [140, 128, 110].repeat(40 * 40));
        assert_eq!(grey.balanced_lab(), warm.balanced_lab());
    }
}
