//! What a product lies on or stands in front of.

use rand::{Rng, RngExt};

use super::canvas::{Canvas, Texel};
use super::light::{linear, spread};
use super::noise;
use super::shape::Transform;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Material {
    BrushedMetal,
    Wood,
    /// A dark woven mat.
    Cloth,
    /// A plain wall above a worn conveyor belt.
    Conveyor,
}

/// A surface over the whole picture, its texture's place and seed drawn anew for each picture.
#[derive(Clone, Debug)]
pub struct Ground {
    pub material: Material,
    pub seed: u32,
    pub pose: Transform,
    /// Factor of its colour.
    pub tint: [f32; 3],
}

impl Ground {
    pub fn new(material: Material, rng: &mut impl Rng) -> Self {
        let brightness = 1.0 + spread(rng, 0.07);
        Self {
            material,
            seed: rng.random(),
            pose: Transform::new(
                [spread(rng, 0.01), spread(rng, 0.01)],
                spread(rng, 0.03),
                1.0 + spread(rng, 0.03),
            ),
            tint: [
                brightness * (1.0 + spread(rng, 0.02)),
                brightness,
                brightness * (1.0 + spread(rng, 0.02)),
            ],
        }
    }

    pub fn paint(&self, canvas: &mut Canvas) {
        let seed = self.seed;
        let tinted = |rgb: [f32; 3]| [0, 1, 2].map(|c| rgb[c] * self.tint[c]);
        match self.material {
            Material::BrushedMetal => {
                let base = tinted(linear([148, 151, 154]));
                canvas.fill(|at| {
                    let [x, y] = self.pose.apply_inverse(at);
                    let grain = noise::brushed(x, y, seed);
                    let worn = noise::fractal(x * 3.0, y * 3.0, 3, seed ^ 9);
                    Texel::matt(base).brighter(1.0 + 0.16 * grain + 0.07 * worn)
                });
            }
            Material::Wood => {
                let light = tinted(linear([186, 143, 98]));
                let dark = tinted(linear([139, 96, 58]));
                canvas.fill(|at| {
                    let [x, y] = self.pose.apply_inverse(at);
                    let t = 0.5 + 0.5 * noise::wood(x, y, seed);
                    Texel::matt([0, 1, 2].map(|c| noise::mix(light[c], dark[c], t)))
                });
            }
            Material::Cloth => {
                let base = tinted(linear([108, 122, 134]));
                canvas.fill(|at| {
                    let [x, y] = self.pose.apply_inverse(at);
                    let (shade, tilt) = noise::weave(x, y, 40.0, seed);
                    let cloud = noise::fractal(x * 3.0, y * 3.0, 3, seed ^ 5);
                    let mut texel = Texel::matt(base).brighter(1.0 + 0.32 * shade + 0.06 * cloud);
                    texel.tilt = tilt.map(|t| t * 0.5);
                    texel
                });
            }
            Material::Conveyor => {
                let wall = tinted(linear([196, 200, 203]));
                let belt = tinted(linear([70, 74, 76]));
                canvas.fill(|at| {
                    let [x, y] = self.pose.apply_inverse(at);
                    let cloud = noise::fractal(x * 2.5, y * 2.5, 3, seed);
                    let grain = noise::fractal(x * 60.0, y * 60.0, 2, seed ^ 3);
                    let edge = noise::smooth_step(0.855, 0.865, y);
                    let above = 1.04 - 0.22 * y + 0.04 * cloud;
                    let below = 1.0 + 0.12 * grain + 0.9 * (y - 0.86);
                    let rgb = [0, 1, 2].map(|c| noise::mix(wall[c] * above, belt[c] * below, edge));
                    Texel::matt(rgb)
                });
            }
        }
    }
}
