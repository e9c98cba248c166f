//! How much of each pixel a shape covers: the one form in which parts, shadows, defects and ground-truth masks
//! meet. A coverage holds only the pixels around its shape, to keep small parts cheap.

use image::GrayImage;
use tiny_skia::{FillRule, Mask, PathBuilder, Transform};

use super::shape::Shape;

/// Coverage from which a pixel belongs to a ground-truth region.
pub const IN_REGION: f32 = 0.35;

/// Alpha of a window of the picture, 0 to 1; zero outside the window.
///
/// *Shapes*: `alpha` is `[height, width]`.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    pub x0: usize,
    pub y0: usize,
    pub width: usize,
    pub height: usize,
    pub alpha: Vec<f32>,
}

impl Coverage {
    /// Covers `shape`, in pixels, on a picture `size` wide and high, with `margin_px` of empty space around it
    /// for later blurring.
    pub fn of(shape: &Shape, size: usize, margin_px: f32) -> Self {
        let [x0, y0, x1, y1] = shape.bounds();
        let low = |v: f32| (v - margin_px - 1.0).floor().clamp(0.0, size as f32) as usize;
        let high = |v: f32| (v + margin_px + 1.0).ceil().clamp(0.0, size as f32) as usize;
        let mut window = Self::empty([low(x0), low(y0)], [high(x1), high(y1)]);
        let mut path = PathBuilder::new();
        for contour in &shape.contours {
            for (i, &[x, y]) in contour.iter().enumerate() {
                if i == 0 {
                    path.move_to(x, y);
                } else {
                    path.line_to(x, y);
                }
            }
            path.close();
        }
        let mask = Mask::new(window.width as u32, window.height as u32);
        if let (Some(path), Some(mut mask)) = (path.finish(), mask) {
            let shift = Transform::from_translate(-(window.x0 as f32), -(window.y0 as f32));
            mask.fill_path(&path, FillRule::EvenOdd, true, shift);
            for (alpha, &byte) in window.alpha.iter_mut().zip(mask.data()) {
                *alpha = f32::from(byte) / 255.0;
            }
        }
        window
    }

    /// The window from `from` to just before `to`, with nothing covered.
    pub fn empty(from: [usize; 2], to: [usize; 2]) -> Self {
        let width = to[0].saturating_sub(from[0]);
        let height = to[1].saturating_sub(from[1]);
        Self {
            x0: from[0],
            y0: from[1],
            width,
            height,
            alpha: vec![0.0; width * height],
        }
    }

    /// A whole picture covered.
    pub fn full(size: usize) -> Self {
        let mut all = Self::empty([0, 0], [size, size]);
        all.alpha.fill(1.0);
        all
    }

    pub fn at(&self, x: usize, y: usize) -> f32 {
        if x < self.x0 || y < self.y0 || x >= self.x0 + self.width || y >= self.y0 + self.height {
            return 0.0;
        }
        self.alpha[(y - self.y0) * self.width + x - self.x0]
    }

    /// Each pixel of the window with its picture coordinates and its index in `alpha`.
    pub fn pixels(&self) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        let (x0, y0, width) = (self.x0, self.y0, self.width);
        (0..self.alpha.len()).map(move |i| (x0 + i % width, y0 + i / width, i))
    }

    /// Multiplies each pixel's alpha by `f(x, y)`.
    pub fn scaled_by(mut self, f: impl Fn(usize, usize) -> f32) -> Self {
        for (x, y, i) in self.pixels() {
            if self.alpha[i] > 0.0 {
                self.alpha[i] *= f(x, y);
            }
        }
        self
    }

    pub fn within(self, other: &Coverage) -> Self {
        self.scaled_by(|x, y| other.at(x, y))
    }

    pub fn without(self, other: &Coverage) -> Self {
        self.scaled_by(|x, y| 1.0 - other.at(x, y))
    }

    /// The pixels of either, each with the larger alpha.
    pub fn joined(&self, other: &Coverage) -> Self {
        if self.alpha.is_empty() {
            return other.clone();
        }
        if other.alpha.is_empty() {
            return self.clone();
        }
        let from = [self.x0.min(other.x0), self.y0.min(other.y0)];
        let to = [
            (self.x0 + self.width).max(other.x0 + other.width),
            (self.y0 + self.height).max(other.y0 + other.height),
        ];
        let mut union = Self::empty(from, to);
        for (x, y, i) in union.pixels() {
            union.alpha[i] = self.at(x, y).max(other.at(x, y));
        }
        union
    }

    /// Blurred within its window by three box passes, near enough a Gaussian of `sigma_px`.
    pub fn blurred(&self, sigma_px: f32) -> Self {
        let radius = ((sigma_px * sigma_px * 4.0 + 1.0).sqrt() / 2.0 - 0.5).round() as usize;
        let mut out = self.clone();
        if radius == 0 || self.alpha.is_empty() {
            return out;
        }
        let mut line = Vec::new();
        for _ in 0..3 {
            for row in 0..out.height {
                box_pass(
                    &mut out.alpha,
                    row * out.width,
                    1,
                    self.width,
                    radius,
                    &mut line,
                );
            }
            for column in 0..out.width {
                box_pass(
                    &mut out.alpha,
                    column,
                    self.width,
                    self.height,
                    radius,
                    &mut line,
                );
            }
        }
        out
    }

    /// Covered area in pixels.
    pub fn area_px(&self) -> f32 {
        self.alpha.iter().sum()
    }

    /// The centre of a pixel that is well covered, the `pick`-th (0..1) of them; none when no pixel is.
    pub fn point(&self, pick: f32) -> Option<[f32; 2]> {
        let inside: Vec<_> = self
            .pixels()
            .filter(|&(_, _, i)| self.alpha[i] > 0.9)
            .collect();
        let chosen = (pick * inside.len() as f32) as usize;
        inside
            .get(chosen.min(inside.len().checked_sub(1)?))
            .map(|&(x, y, _)| [x as f32 + 0.5, y as f32 + 0.5])
    }

    /// A ground-truth picture: `value` where the region is, 0 elsewhere.
    pub fn mask(&self, size: usize, value: u8) -> GrayImage {
        GrayImage::from_fn(size as u32, size as u32, |x, y| {
            let inside = self.at(x as usize, y as usize) >= IN_REGION;
            image::Luma([if inside { value } else { 0 }])
        })
    }
}

/// Averages `count` samples, `stride` apart from `start` on, over ±`radius` with zeros beyond the ends.
fn box_pass(
    samples: &mut [f32],
    start: usize,
    stride: usize,
    count: usize,
    radius: usize,
    line: &mut Vec<f32>,
) {
    line.clear();
    line.extend((0..count).map(|i| samples[start + i * stride]));
    let scale = 1.0 / (2 * radius + 1) as f32;
    let mut sum: f32 = line.iter().take(radius).sum();
    for i in 0..count {
        sum += line.get(i + radius).copied().unwrap_or(0.0);
        if i > radius {
            sum -= line[i - radius - 1];
        }
        samples[start + i * stride] = sum.max(0.0) * scale;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covers_the_area_of_the_shape() {
        let disc = Shape::circle(10.0).moved([20.0, 20.0]);
        let coverage = Coverage::of(&disc, 64, 4.0);
        assert!((coverage.area_px() - disc.area()).abs() < 2.0);
        assert_eq!(coverage.at(20, 20), 1.0);
        assert_eq!(coverage.at(40, 20), 0.0);
    }

    #[test]
    fn a_blur_keeps_the_area() {
        let disc = Shape::circle(6.0).moved([32.0, 32.0]);
        let sharp = Coverage::of(&disc, 64, 12.0);
        let soft = sharp.blurred(2.5);
        assert!((soft.area_px() - sharp.area_px()).abs() < 0.5);
        assert!(soft.at(32 + 8, 32) > 0.02);
    }

    #[test]
    fn a_shape_off_the_picture_covers_nothing() {
        let far = Shape::circle(5.0).moved([-50.0, 300.0]);
        let coverage = Coverage::of(&far, 64, 3.0);
        assert_eq!(coverage.area_px(), 0.0);
        assert_eq!(coverage.blurred(2.0).area_px(), 0.0);
        assert!(coverage.point(0.5).is_none());
    }
}
