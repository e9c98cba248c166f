//! Defects painted over a finished scene, each as a coverage and what it does to the surface below it.

use super::canvas::{Canvas, Texel};
use super::coverage::Coverage;

/// A defect painted over the scene.
#[derive(Clone, Debug)]
pub struct Overlay {
    pub cover: Coverage,
    pub effect: Effect,
}

#[derive(Clone, Debug)]
pub enum Effect {
    /// Multiplies the colour.
    Tint([f32; 3]),
    /// Lies on top, with a shadow of this reach in pixels.
    Thread { rgb: [f32; 3], height_px: f32 },
    /// Scratched open: bright on the side facing the lamp, dark on the other.
    Groove { width_px: f32, depth: f32 },
    /// A hollow whose depth is the coverage.
    Hollow { depth_px: f32 },
    /// Washes the colour out.
    Fade,
}

impl Overlay {
    pub fn paint(&self, canvas: &mut Canvas) {
        let size = canvas.size;
        let light = canvas.light.clone();
        if let Effect::Thread { height_px, .. } = self.effect {
            let [dx, dy] = light.shadow_shift(height_px);
            let shadow = self.cover.blurred(0.8);
            let (dx, dy) = (dx.round() as isize, dy.round() as isize);
            for (x, y, i) in shadow.pixels() {
                let to = (x.checked_add_signed(dx), y.checked_add_signed(dy));
                if let (Some(x), Some(y)) = to
                    && x < size
                    && y < size
                {
                    let factor = 1.0 - light.shadow * shadow.alpha[i];
                    canvas.rgb[y * size + x]
                        .iter_mut()
                        .for_each(|v| *v *= factor);
                }
            }
        }
        for (x, y, i) in self.cover.pixels() {
            let alpha = self.cover.alpha[i];
            let slope = || {
                [
                    self.cover.at(x + 1, y) - self.cover.at(x.wrapping_sub(1), y),
                    self.cover.at(x, y + 1) - self.cover.at(x, y.wrapping_sub(1)),
                ]
            };
            let pixel = &mut canvas.rgb[y * size + x];
            match self.effect {
                Effect::Tint(tint) => {
                    for (value, tint) in pixel.iter_mut().zip(tint) {
                        *value *= 1.0 + (tint - 1.0) * alpha;
                    }
                }
                Effect::Fade => {
                    let grey = (pixel[0] + pixel[1] + pixel[2]) / 3.0;
                    for value in pixel {
                        let pale = 0.75 * grey + 0.25 * *value + 0.16;
                        *value += (pale - *value) * alpha;
                    }
                }
                Effect::Groove { width_px, depth } => {
                    let slope = slope().map(|s| s * 0.5 * width_px * depth);
                    let (diffuse, highlight) = light.shade(slope);
                    let open = 1.0 + 0.45 * depth * alpha;
                    for value in pixel {
                        *value = *value * diffuse * open + (0.25 * highlight).max(0.0) * alpha;
                    }
                }
                Effect::Hollow { depth_px } => {
                    let slope = slope().map(|s| s * 0.5 * depth_px);
                    let (diffuse, highlight) = light.shade(slope);
                    for value in pixel {
                        *value = *value * diffuse + (0.2 * highlight).max(0.0);
                    }
                }
                Effect::Thread { rgb, .. } => {
                    let tilt = slope().map(|s| -1.2 * s);
                    canvas.lay(x, y, &Texel::matt(rgb), tilt, alpha);
                }
            }
        }
    }
}
