//! Pillow's bilinear filter, to the bit. The models were trained on pictures that went through it, and GroundingDINO chooses
//! among its queries by scores so close that one grey level in a few pixels gives other boxes. No crate rounds alike.

use image::{Rgb, RgbImage};

/// Weights are whole numbers of so many bits behind the point.
const BITS: u32 = 22;

/// What one new pixel is made of: the first of some neighbours, and their weights.
struct Taps {
    first: u32,
    weights: Vec<i64>,
}

/// The picture with another width.
pub fn resized_across(picture: &RgbImage, width: u32) -> RgbImage {
    if width == picture.width() {
        return picture.clone();
    }
    let taps = taps(picture.width(), width);
    RgbImage::from_fn(width, picture.height(), |x, y| {
        let taps = &taps[x as usize];
        taps.sum(|neighbour| picture.get_pixel(neighbour, y))
    })
}

/// The picture with another height.
pub fn resized_down(picture: &RgbImage, height: u32) -> RgbImage {
    if height == picture.height() {
        return picture.clone();
    }
    let taps = taps(picture.height(), height);
    RgbImage::from_fn(picture.width(), height, |x, y| {
        let taps = &taps[y as usize];
        taps.sum(|neighbour| picture.get_pixel(x, neighbour))
    })
}

/// Triangles around the middle of each new pixel, as wide as it is, but no narrower than an old one.
fn taps(from: u32, to: u32) -> Vec<Taps> {
    let scale = f64::from(from) / f64::from(to);
    let support = scale.max(1.0);
    let of = |pixel: u32| {
        let middle = (f64::from(pixel) + 0.5) * scale;
        let first = (middle - support + 0.5).max(0.0) as u32;
        let last = ((middle + support + 0.5) as u32).min(from);
        let weight = |old: u32| (1.0 - ((f64::from(old) - middle + 0.5) / support).abs()).max(0.0);
        let weights: Vec<f64> = (first..last).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        let whole = |weight: &f64| (weight / sum * f64::from(1 << BITS) + 0.5) as i64;
        Taps {
            first,
            weights: weights.iter().map(whole).collect(),
        }
    };
    (0..to).map(of).collect()
}

impl Taps {
    fn sum<'p>(&self, neighbour: impl Fn(u32) -> &'p Rgb<u8>) -> Rgb<u8> {
        let mut sums = [1 << (BITS - 1); 3];
        for (index, weight) in (self.first..).zip(&self.weights) {
            for (sum, value) in sums.iter_mut().zip(neighbour(index).0) {
                *sum += weight * i64::from(value);
            }
        }
        Rgb(sums.map(|sum| (sum >> BITS).clamp(0, 255) as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Image.fromarray(np.uint8([[0, 10, 200, 255, 7]])).resize((3, 1), Image.Resampling.BILINEAR)`, and to 8 pixels.
    #[test]
    fn values_are_those_of_pillow() {
        let row = [0, 10, 200, 255, 7];
        let picture = RgbImage::from_fn(5, 1, |x, _| Rgb([row[x as usize]; 3]));
        let reds = |picture: RgbImage| -> Vec<u8> { picture.pixels().map(|p| p.0[0]).collect() };
        assert_eq!(reds(resized_across(&picture, 3)), [4, 170, 113]);
        assert_eq!(
            reds(resized_across(&picture, 8)),
            [0, 4, 22, 141, 217, 252, 116, 7]
        );
        let upright = image::imageops::rotate90(&picture);
        assert_eq!(reds(resized_down(&upright, 3)), [4, 170, 113]);
    }
}
