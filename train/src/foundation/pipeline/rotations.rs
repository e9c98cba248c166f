//! What a part looks like however it lies: its crop turned to sixty angles through a backbone, averaged. Crops that show
//! the same part give nearly the same numbers.

use std::f32::consts::TAU;

use aecsad_inspect::frame::Size;
use aecsad_inspect::network::{Cpu, Encoder, Features};
use image::RgbImage;
use ndarray::{Array1, Array2, Axis};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use rayon::prelude::*;

use super::FoundationError;
use super::network::{Network, Tensor};
use super::picture;
use crate::networks::ENCODER;
use crate::pseudo_label::square_image::SIDE;

/// Side of a crop, in pixels.
pub const CROP: usize = 64;
/// Angles, evenly spaced over the whole turn.
const ANGLES: usize = 60;
/// Crops that the backbone sees at once.
pub const BATCH: usize = 20;
/// Numbers that describe a part, after the projection.
pub const WIDTH: usize = 512;
/// Of the projection's weights.
const DEVIATION: f64 = 0.01;

/// What looks at the crops.
pub enum Backbone {
    /// The last stage of WideResNet-50-2 as an ONNX graph of [`BATCH`] crops, averaged over space, with the projection to
    /// [`WIDTH`] numbers.
    WideResNet(Box<Network>, Array2<f32>),
    /// EfficientNet-Lite0, which every `aecsad-train` holds, at stride 16: one for each core.
    Lite0(Vec<Encoder>),
}

impl Backbone {
    /// The projection of `channels` numbers is the same for all images of a seed.
    pub fn wide_resnet(network: Network, channels: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let normal = Normal::new(0.0, DEVIATION).expect("a deviation above 0");
        let projection =
            Array2::from_shape_simple_fn((channels, WIDTH), || normal.sample(&mut rng) as f32);
        Self::WideResNet(Box::new(network), projection)
    }

    pub fn lite0() -> Result<Self, FoundationError> {
        let size = Size {
            width: CROP as u32,
            height: CROP as u32,
        };
        let mut encoders = vec![Encoder::load_at(&Cpu, ENCODER, size)?];
        for _ in 1..rayon::current_num_threads() {
            encoders.push(encoders[0].fork()?);
        }
        Ok(Self::Lite0(encoders))
    }

    /// Numbers that [`describe`](Self::describe) gives for a region.
    pub fn width(&self) -> usize {
        match self {
            Self::WideResNet(..) => WIDTH,
            Self::Lite0(encoders) => encoders[0].channels()[2],
        }
    }

    /// One row for each region of the square that labels are found on.
    ///
    /// *Shapes*: `[regions, width]`.
    pub fn describe(
        &mut self,
        picture: &RgbImage,
        regions: &[Vec<u32>],
    ) -> Result<Array2<f32>, FoundationError> {
        let mut rows = Array2::zeros((regions.len(), self.width()));
        let found: Vec<Array1<f32>> = match self {
            // ONNX Runtime has threads of its own.
            Self::WideResNet(network, projection) => {
                let mean = |region: &Vec<u32>| {
                    mean_of_wide_resnet(network, projection, crops(picture, region))
                };
                regions.iter().map(mean).collect::<Result<_, _>>()?
            }
            Self::Lite0(encoders) => {
                let share = regions.len().div_ceil(encoders.len()).max(1);
                let shares = encoders.par_iter_mut().zip(regions.par_chunks(share));
                let means = shares.map(|(encoder, regions)| {
                    let of = |region: &Vec<u32>| mean_of_lite0(encoder, crops(picture, region));
                    regions.iter().map(of).collect::<Result<Vec<_>, _>>()
                });
                let found: Vec<Vec<Array1<f32>>> = means.collect::<Result<_, _>>()?;
                found.concat()
            }
        };
        for (row, mut to) in found.iter().zip(rows.rows_mut()) {
            to.assign(row);
        }
        Ok(rows)
    }
}

/// The region's crop at each angle, normalised.
fn crops(picture: &RgbImage, region: &[u32]) -> Vec<Vec<f32>> {
    let crop = crop(picture, region);
    (0..ANGLES)
        .map(|step| turned(&crop, TAU * step as f32 / ANGLES as f32))
        .collect()
}

fn mean_of_wide_resnet(
    network: &mut Network,
    projection: &Array2<f32>,
    crops: Vec<Vec<f32>>,
) -> Result<Array1<f32>, FoundationError> {
    let mut sum = Array1::<f32>::zeros(projection.nrows());
    for batch in crops.chunks(BATCH) {
        let shape = [batch.len(), 3, CROP, CROP];
        let crops = Tensor::floats(&shape, batch.concat());
        let output = network.run(&[("crops", &crops)], &["features"])?;
        let rows = output[0].as_floats();
        for row in rows.chunks_exact(projection.nrows()) {
            sum += &ndarray::aview1(row);
        }
    }
    sum /= crops.len() as f32;
    Ok(sum.dot(projection))
}

fn mean_of_lite0(
    encoder: &mut Encoder,
    crops: Vec<Vec<f32>>,
) -> Result<Array1<f32>, FoundationError> {
    let mut sum = Array1::<f32>::zeros(encoder.channels()[2]);
    let mut features = Features::empty();
    for crop in &crops {
        encoder.encode(crop, &mut features)?;
        let (_, rows, columns) = features.stride16.dim();
        let over_space = features.stride16.sum_axis(Axis(2)).sum_axis(Axis(1));
        sum.scaled_add(1.0 / (rows * columns) as f32, &over_space);
    }
    Ok(sum / crops.len() as f32)
}

/// The region's own pixels in a square about their middle, everything else black; `[CROP, CROP]`.
///
/// The square holds the part at every angle, so that none of it is cut off when it is turned, and a large part and a small
/// one of the same shape look alike.
fn crop(picture: &RgbImage, region: &[u32]) -> RgbImage {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let mut inside = vec![false; SIDE * SIDE];
    region.iter().for_each(|&p| inside[p as usize] = true);
    // Middles of the region's pixels, in pixels of the picture.
    let place = |&p: &u32| {
        let at = |index: usize, length: usize| (index as f32 + 0.5) * length as f32 / SIDE as f32;
        (at(p as usize % SIDE, width), at(p as usize / SIDE, height))
    };
    let count = region.len().max(1) as f32;
    let sum = region.iter().map(place);
    let (sx, sy) = sum.fold((0.0, 0.0), |sum, at| (sum.0 + at.0, sum.1 + at.1));
    let (cx, cy) = (sx / count, sy / count);
    let farthest = region.iter().map(|p| {
        let (x, y) = place(p);
        (x - cx).hypot(y - cy)
    });
    let radius = farthest.fold(0.0, f32::max) + width.max(height) as f32 / SIDE as f32;
    let side = (2.0 * radius).ceil().max(1.0) as u32;
    let square = RgbImage::from_fn(side, side, |x, y| {
        let (x, y) = (cx - radius + x as f32, cy - radius + y as f32);
        if x < 0.0 || y < 0.0 || x >= width as f32 || y >= height as f32 {
            return image::Rgb([0; 3]);
        }
        let (x, y) = (x as usize, y as usize);
        match inside[y * SIDE / height * SIDE + x * SIDE / width] {
            true => *picture.get_pixel(x as u32, y as u32),
            false => image::Rgb([0; 3]),
        }
    });
    picture::scaled(&square, CROP, CROP)
}

/// The crop turned about its middle, linear between pixels, black outside, then normalised.
///
/// *Shapes*: `[3, CROP, CROP]`.
fn turned(crop: &RgbImage, angle: f32) -> Vec<f32> {
    let (sine, cosine) = angle.sin_cos();
    let middle = (CROP as f32 - 1.0) / 2.0;
    let at = |x: i32, y: i32| -> [f32; 3] {
        let inside = |v: i32| (0..CROP as i32).contains(&v);
        match inside(x) && inside(y) {
            true => crop.get_pixel(x as u32, y as u32).0.map(f32::from),
            false => [0.0; 3],
        }
    };
    let seen = RgbImage::from_fn(CROP as u32, CROP as u32, |x, y| {
        let (x, y) = (x as f32 - middle, y as f32 - middle);
        let from_x = cosine * x + sine * y + middle;
        let from_y = cosine * y - sine * x + middle;
        let (left, top) = (from_x.floor(), from_y.floor());
        let (u, v) = (from_x - left, from_y - top);
        let (left, top) = (left as i32, top as i32);
        let corners = [
            (at(left, top), (1.0 - u) * (1.0 - v)),
            (at(left + 1, top), u * (1.0 - v)),
            (at(left, top + 1), (1.0 - u) * v),
            (at(left + 1, top + 1), u * v),
        ];
        image::Rgb([0, 1, 2].map(|c| {
            let mixed: f32 = corners
                .iter()
                .map(|(pixel, weight)| pixel[c] * weight)
                .sum();
            mixed.round() as u8
        }))
    });
    picture::tensor(&seen, CROP, CROP).as_floats().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A red bar of 60×12 pixels at an angle in a grey picture, and its region of the square.
    fn bar(angle: f32, middle: (f32, f32)) -> (RgbImage, Vec<u32>) {
        let (sine, cosine) = angle.sin_cos();
        let inside = |x: u32, y: u32| {
            let (x, y) = (x as f32 - middle.0, y as f32 - middle.1);
            (cosine * x + sine * y).abs() < 30.0 && (cosine * y - sine * x).abs() < 6.0
        };
        let side = SIDE as u32;
        let picture = RgbImage::from_fn(side, side, |x, y| {
            image::Rgb(if inside(x, y) { [200, 30, 20] } else { [90; 3] })
        });
        let region = (0..side * side).filter(|p| inside(p % side, p / side));
        (picture, region.collect())
    }

    #[test]
    fn a_part_is_described_the_same_however_it_lies() {
        let mut backbone = Backbone::lite0().unwrap();
        let mut row = |angle: f32, at: (f32, f32)| {
            let (picture, region) = bar(angle, at);
            backbone
                .describe(&picture, &[region])
                .unwrap()
                .row(0)
                .to_owned()
        };
        let upright = row(0.0, (100.0, 100.0));
        let turned = row(0.9, (150.0, 120.0));
        let disc: Vec<u32> = (0..(SIDE * SIDE) as u32)
            .filter(|p| {
                let (x, y) = (p % 256, p / 256);
                x.abs_diff(100).pow(2) + y.abs_diff(100).pow(2) < 400
            })
            .collect();
        let picture = RgbImage::from_pixel(SIDE as u32, SIDE as u32, image::Rgb([200, 30, 20]));
        let other = backbone
            .describe(&picture, &[disc])
            .unwrap()
            .row(0)
            .to_owned();
        let distance = |a: &Array1<f32>, b: &Array1<f32>| (a - b).mapv(|v| v * v).sum().sqrt();
        let (same, apart) = (distance(&upright, &turned), distance(&upright, &other));
        assert!(4.0 * same < apart, "{same} against {apart}");
    }

    #[test]
    fn a_crop_shows_nothing_of_what_lies_beside_the_part() {
        let (picture, region) = bar(0.0, (100.0, 100.0));
        let crop = crop(&picture, &region);
        let grey = crop.pixels().filter(|p| p[2] > 60).count();
        assert_eq!(grey, 0);
        assert_eq!(crop.get_pixel(32, 32).0, [200, 30, 20]);
        assert_eq!(crop.get_pixel(32, 4).0, [0, 0, 0]);
    }
}
