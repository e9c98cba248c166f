//! Changes of light to which the global student should be invariant. Only its input is changed: the teacher map that it
//! must reproduce stays that of the unchanged image.

use ndarray::{Array3, Axis};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

/// One of brightness, contrast and saturation is changed for each image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Jitter {
    /// The factor is drawn from 1 ± this.
    pub strength: f32,
    /// What a black pixel is after normalisation, in each channel.
    pub black: [f32; 3],
}

impl Default for Jitter {
    /// For EfficientNet-Lite0's normalisation, (x · 255 − 127) / 128.
    fn default() -> Self {
        Self {
            strength: 0.2,
            black: [-127.0 / 128.0; 3],
        }
    }
}

impl Jitter {
    /// For images normalised by `mean` and `std`, as [`aecsad_inspect::optics::InputGeometry`] has them.
    pub fn normalised(mean: [f32; 3], std: [f32; 3]) -> Self {
        Self {
            black: std::array::from_fn(|channel| -mean[channel] / std[channel]),
            ..Self::default()
        }
    }

    /// `image` is `[3, H, W]`, normalised.
    pub fn apply(&self, image: &Array3<f32>, noise: &mut impl Rng) -> Array3<f32> {
        let factor = noise.random_range(1.0 - self.strength..=1.0 + self.strength);
        let towards = |origin: f32| move |value: f32| origin + factor * (value - origin);
        match noise.random_range(0..3) {
            0 => {
                let mut out = image.clone();
                for (mut channel, black) in out.outer_iter_mut().zip(self.black) {
                    channel.mapv_inplace(towards(black));
                }
                out
            }
            1 => image.mapv(towards(image.mean().unwrap_or(0.0))),
            _ => {
                let Some(grey) = image.mean_axis(Axis(0)) else {
                    return image.clone();
                };
                let mut out = image.clone();
                for mut channel in out.outer_iter_mut() {
                    channel.zip_mut_with(&grey, |value, &grey| *value = towards(grey)(*value));
                }
                out
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::noise_source;

    #[test]
    fn changes_light_and_keeps_structure() {
        let image =
            Array3::from_shape_fn((3, 8, 8), |(c, y, x)| (c * 64 + y * 8 + x) as f32 / 100.0);
        let jitter = Jitter::default();
        let mut noise = noise_source(5, 0, 0);
        for _ in 0..20 {
            let changed = jitter.apply(&image, &mut noise);
            let largest = (&changed - &image)
                .iter()
                .fold(0.0f32, |most, d| most.max(d.abs()));
            assert!(largest < 0.2 * 4.0, "changed by {largest}");
            // Order along a row is kept: a jitter is no shuffle.
            assert!(changed.rows().into_iter().all(|row| row[0] < row[7]));
        }
    }

    #[test]
    fn no_strength_changes_nothing() {
        let image = Array3::from_shape_fn((3, 4, 4), |(c, y, x)| (c + y * x) as f32);
        let jitter = Jitter {
            strength: 0.0,
            ..Jitter::default()
        };
        let changed = jitter.apply(&image, &mut noise_source(1, 0, 0));
        assert!(
            (&changed - &image)
                .iter()
                .all(|difference| difference.abs() < 1e-5)
        );
    }
}
