//! The light over the scene and the camera that looks at it: what makes two pictures of the same good part
//! differ. Works in linear light; the camera ends with the usual gamma and 8 bits.

use image::RgbImage;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

/// Sharpness of highlights; the same for every material, which differ in how strong theirs are.
const HIGHLIGHT_POWER: i32 = 24;
/// Share of stray light in the lens, which keeps black from being black and colours from being pure.
const FLARE: f32 = 0.07;

/// One lamp above the picture, and how evenly it lights.
#[derive(Clone, Debug)]
pub struct Light {
    /// Unit vector from the scene to the lamp; x right, y down, z towards the camera.
    pub to_lamp: [f32; 3],
    /// Share of the light that comes from all around.
    pub ambient: f32,
    /// Relative change of light across the picture, in x and y.
    pub gradient: [f32; 2],
    pub vignette: f32,
    /// Factor of each colour: exposure and white balance.
    pub cast: [f32; 3],
    /// How much darker a full shadow is, 0 to 1.
    pub shadow: f32,
    /// Width of a shadow's edge as a share of the height that throws it.
    pub softness: f32,
}

impl Light {
    /// A lamp about the direction `azimuth` (radians in the picture), as it varies from shift to shift.
    pub fn around(azimuth: f32, rng: &mut impl Rng) -> Self {
        let azimuth = azimuth + spread(rng, 0.3);
        let height: f32 = rng.random_range(0.75..1.05);
        let exposure = rng.random_range(0.86..1.14);
        let warmth = spread(rng, 0.035);
        let tint = spread(rng, 0.015);
        Self {
            to_lamp: [
                azimuth.cos() * height.cos(),
                azimuth.sin() * height.cos(),
                height.sin(),
            ],
            ambient: rng.random_range(0.42..0.58),
            gradient: [spread(rng, 0.16), spread(rng, 0.16)],
            vignette: rng.random_range(0.05..0.22),
            cast: [
                exposure * (1.0 + warmth),
                exposure * (1.0 + tint),
                exposure * (1.0 - warmth),
            ],
            shadow: rng.random_range(0.45..0.65),
            softness: rng.random_range(0.25..0.5),
        }
    }

    /// Light that a surface tilted by `tilt` sends to the camera, 1 for a level one, and its highlight.
    pub fn shade(&self, tilt: [f32; 2]) -> (f32, f32) {
        let length = (tilt[0] * tilt[0] + tilt[1] * tilt[1] + 1.0).sqrt();
        let normal = [tilt[0] / length, tilt[1] / length, 1.0 / length];
        let [x, y, z] = self.to_lamp;
        let facing = (normal[0] * x + normal[1] * y + normal[2] * z).max(0.0) / z;
        // Half way between lamp and camera, where a mirror would have to face.
        let half = (x * x + y * y + (z + 1.0) * (z + 1.0)).sqrt();
        let mirror = ((normal[0] * x + normal[1] * y + normal[2] * (z + 1.0)) / half).max(0.0);
        let level = ((z + 1.0) / half).powi(HIGHLIGHT_POWER);
        (
            self.ambient + (1.0 - self.ambient) * facing,
            mirror.powi(HIGHLIGHT_POWER) - level,
        )
    }

    /// Where the shadow of something `height` above the ground falls, relative to it.
    pub fn shadow_shift(&self, height: f32) -> [f32; 2] {
        let [x, y, z] = self.to_lamp;
        [-x / z * height, -y / z * height]
    }
}

/// Focus and noise of one exposure.
#[derive(Clone, Debug)]
pub struct Exposure {
    pub blur_px: f32,
    pub read_noise: f32,
    pub shot_noise: f32,
}

impl Exposure {
    /// For a picture `size` pixels wide.
    pub fn new(size: usize, rng: &mut impl Rng) -> Self {
        Self {
            blur_px: rng.random_range(0.45..0.85) * size as f32 / 320.0,
            read_noise: rng.random_range(0.0015..0.003),
            shot_noise: rng.random_range(0.008..0.016),
        }
    }

    /// Exposes `scene` under `light`.
    ///
    /// *Shapes*: `scene` is `[size, size, 3]` in linear light.
    pub fn expose(
        &self,
        mut scene: Vec<[f32; 3]>,
        size: usize,
        light: &Light,
        rng: &mut impl Rng,
    ) -> RgbImage {
        for (i, pixel) in scene.iter_mut().enumerate() {
            let x = (i % size) as f32 / size as f32 - 0.5;
            let y = (i / size) as f32 / size as f32 - 0.5;
            let even = 1.0 + light.gradient[0] * x + light.gradient[1] * y;
            let lit = even * (1.0 - light.vignette * 2.0 * (x * x + y * y));
            let grey = (pixel[0] + pixel[1] + pixel[2]) / 3.0;
            for (value, cast) in pixel.iter_mut().zip(light.cast) {
                let hazy = *value + FLARE * (0.7 * grey - *value + 0.12);
                *value = hazy * lit * cast;
            }
        }
        blur(&mut scene, size, self.blur_px);
        let mut picture = RgbImage::new(size as u32, size as u32);
        for (out, pixel) in picture.pixels_mut().zip(&scene) {
            let luma: f32 = rng.sample(StandardNormal);
            for (byte, &value) in out.0.iter_mut().zip(pixel) {
                let value = value.max(0.0);
                let own: f32 = rng.sample(StandardNormal);
                let sigma = (self.read_noise.powi(2) + self.shot_noise.powi(2) * value).sqrt();
                *byte = encode(value + sigma * (0.6 * luma + 0.8 * own));
            }
        }
        picture
    }
}

/// sRGB's bytes to linear light.
pub fn linear(bytes: [u8; 3]) -> [f32; 3] {
    bytes.map(|byte| (f32::from(byte) / 255.0).powf(2.2))
}

fn encode(linear: f32) -> u8 {
    // A shoulder instead of a hard clip keeps highlights from burning out in one step.
    let value = if linear > 0.8 {
        0.8 + 0.2 * ((linear - 0.8) / 0.2).tanh()
    } else {
        linear.max(0.0)
    };
    (value.powf(1.0 / 2.2) * 255.0).round() as u8
}

/// A value evenly within ±`by`.
pub fn spread(rng: &mut impl Rng, by: f32) -> f32 {
    rng.random_range(-by..=by)
}

/// Gaussian blur, edges repeated.
fn blur(scene: &mut [[f32; 3]], size: usize, sigma_px: f32) {
    let radius = (3.0 * sigma_px).ceil() as usize;
    let mut kernel: Vec<f32> = (0..=2 * radius)
        .map(|i| {
            let d = i as f32 - radius as f32;
            (-d * d / (2.0 * sigma_px * sigma_px)).exp()
        })
        .collect();
    let total: f32 = kernel.iter().sum();
    kernel.iter_mut().for_each(|weight| *weight /= total);
    let mut line = vec![[0.0; 3]; size + 2 * radius];
    for (lines, step) in [(size, 1), (1, size)] {
        for n in 0..size {
            let start = n * lines;
            for (i, pixel) in line.iter_mut().enumerate() {
                *pixel = scene[start + (i.saturating_sub(radius)).min(size - 1) * step];
            }
            for i in 0..size {
                let mut sum = [0.0; 3];
                for (weight, pixel) in kernel.iter().zip(&line[i..]) {
                    for (sum, value) in sum.iter_mut().zip(pixel) {
                        *sum += weight * value;
                    }
                }
                scene[start + i * step] = sum;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn a_surface_facing_the_lamp_is_brighter() {
        let light = Light::around(0.0, &mut ChaCha8Rng::seed_from_u64(1));
        let (towards, _) = light.shade([0.5, 0.0]);
        let (level, highlight) = light.shade([0.0, 0.0]);
        let (away, _) = light.shade([-0.5, 0.0]);
        assert!((level - 1.0).abs() < 1e-5 && highlight.abs() < 1e-6);
        assert!(towards > level && level > away);
    }

    #[test]
    fn a_blur_keeps_an_even_picture_even() {
        let mut scene = vec![[0.4, 0.5, 0.6]; 32 * 32];
        blur(&mut scene, 32, 1.3);
        assert!(scene.iter().all(|p| (p[1] - 0.5).abs() < 1e-5));
    }

    #[test]
    fn bytes_survive_linear_light() {
        for byte in [0_u8, 17, 128, 200] {
            assert_eq!(encode(linear([byte; 3])[0]), byte);
        }
    }
}
