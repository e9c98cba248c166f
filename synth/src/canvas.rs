//! The picture while it is painted. A part is painted shape by shape: each throws a shadow, has rounded edges that
//! catch the light, and a surface that gives colour and tilt point by point in the part's own coordinates.

use super::coverage::Coverage;
use super::light::Light;
use super::shape::{Deformation, Shape, Transform};

/// What a surface is at one point.
#[derive(Clone, Copy, Debug)]
pub struct Texel {
    /// Reflectance, linear.
    pub rgb: [f32; 3],
    /// Slope of the surface towards +x and +y of the part.
    pub tilt: [f32; 2],
    /// Strength of its highlight.
    pub gloss: f32,
    pub alpha: f32,
}

impl Texel {
    pub fn matt(rgb: [f32; 3]) -> Self {
        Self {
            rgb,
            tilt: [0.0, 0.0],
            gloss: 0.0,
            alpha: 1.0,
        }
    }

    pub fn brighter(mut self, factor: f32) -> Self {
        self.rgb = self.rgb.map(|v| v * factor.max(0.0));
        self
    }
}

/// How a shape stands out of what it lies on. Lengths in product units.
#[derive(Clone, Copy, Debug, Default)]
pub struct Relief {
    /// How high it stands: the reach of its shadow. 0 throws none.
    pub height: f32,
    /// Width of its rounded edge. 0 is a print, with no edge.
    pub bevel: f32,
    /// Slope of that edge; negative for a recess.
    pub slope: f32,
}

impl Relief {
    pub const PRINT: Relief = Relief {
        height: 0.0,
        bevel: 0.0,
        slope: 0.0,
    };

    pub fn raised(height: f32, bevel: f32) -> Self {
        Self {
            height,
            bevel,
            slope: 1.0,
        }
    }

    pub fn recess(bevel: f32) -> Self {
        Self {
            height: 0.0,
            bevel,
            slope: -0.8,
        }
    }
}

/// Linear light, `size` × `size`, with the lamp that everything on it is shaded by.
pub struct Canvas {
    pub size: usize,
    /// `[size, size]`, row by row.
    pub rgb: Vec<[f32; 3]>,
    pub light: Light,
}

impl Canvas {
    pub fn new(size: usize, light: Light) -> Self {
        Self {
            size,
            rgb: vec![[0.0; 3]; size * size],
            light,
        }
    }

    /// Fills the picture with a surface given in picture coordinates, 0 to 1.
    pub fn fill(&mut self, surface: impl Fn([f32; 2]) -> Texel) {
        let size = self.size as f32;
        for i in 0..self.rgb.len() {
            let (x, y) = (i % self.size, i / self.size);
            let texel = surface([(x as f32 + 0.5) / size, (y as f32 + 0.5) / size]);
            self.lay(x, y, &texel, texel.tilt, 1.0);
        }
    }

    /// Multiplies what is there by `1 - strength · alpha`.
    pub fn darken(&mut self, by: &Coverage, strength: f32) {
        for (x, y, i) in by.pixels() {
            let factor = 1.0 - strength * by.alpha[i];
            for value in &mut self.rgb[y * self.size + x] {
                *value *= factor;
            }
        }
    }

    /// Puts a texel over a pixel; `tilt` is its slope in picture coordinates.
    pub fn lay(&mut self, x: usize, y: usize, texel: &Texel, tilt: [f32; 2], alpha: f32) {
        let (diffuse, highlight) = self.light.shade(tilt);
        let alpha = alpha * texel.alpha;
        let pixel = &mut self.rgb[y * self.size + x];
        for (value, colour) in pixel.iter_mut().zip(texel.rgb) {
            let lit = (colour * diffuse + texel.gloss * highlight).max(0.0);
            *value += (lit - *value) * alpha;
        }
    }
}

/// Paints one part: knows where it lies, how it is bent and what is broken off it.
pub struct Brush<'c> {
    canvas: &'c mut Canvas,
    pose: Transform,
    deformation: Option<Deformation>,
    missing: Option<&'c Coverage>,
}

impl<'c> Brush<'c> {
    /// `pose` takes the part's coordinates to pixels.
    pub fn new(
        canvas: &'c mut Canvas,
        pose: Transform,
        deformation: Option<Deformation>,
        missing: Option<&'c Coverage>,
    ) -> Self {
        Self {
            canvas,
            pose,
            deformation,
            missing,
        }
    }

    /// Paints `shape` (part coordinates) with a surface that is evaluated at each point (part coordinates too).
    pub fn paint(&mut self, shape: &Shape, relief: Relief, surface: impl Fn([f32; 2]) -> Texel) {
        let size = self.canvas.size;
        let scale = self.pose.scale;
        let bent = match &self.deformation {
            Some(deformation) => shape.bent(deformation),
            None => shape.clone(),
        };
        let outline = bent.placed(&self.pose);
        let bevel_px = relief.bevel * scale;
        let mut cover = Coverage::of(&outline, size, 3.0 * bevel_px);
        if let Some(missing) = self.missing {
            cover = cover.without(missing);
        }
        if relief.height > 0.0 {
            self.throw_shadow(&outline, relief.height * scale);
        }
        let edge = (bevel_px > 0.3).then(|| cover.blurred(bevel_px / 2.0));
        for (x, y, i) in cover.pixels() {
            let alpha = cover.alpha[i];
            if alpha <= 0.0 {
                continue;
            }
            let [u, v] = self.pose.apply_inverse([x as f32 + 0.5, y as f32 + 0.5]);
            let u = u - self
                .deformation
                .map_or(0.0, |deformation| deformation.shift(v));
            let texel = surface([u, v]);
            let mut tilt = self.pose.turn(texel.tilt);
            if let Some(edge) = &edge {
                let gain = relief.slope * bevel_px / 2.0;
                tilt[0] -= gain * (edge.at(x + 1, y) - edge.at(x.wrapping_sub(1), y));
                tilt[1] -= gain * (edge.at(x, y + 1) - edge.at(x, y.wrapping_sub(1)));
            }
            self.canvas.lay(x, y, &texel, tilt, alpha);
        }
    }

    fn throw_shadow(&mut self, outline: &Shape, height_px: f32) {
        let light = &self.canvas.light;
        let (softness, strength) = (light.softness, light.shadow);
        let shift = light.shadow_shift(height_px);
        let size = self.canvas.size;
        let sigma = (softness * height_px).max(0.7);
        let mut cast = Coverage::of(&outline.moved(shift), size, 3.0 * sigma);
        // Where the part touches the ground little light of any direction gets in.
        let mut contact = Coverage::of(outline, size, 3.0 * sigma);
        if let Some(missing) = self.missing {
            cast = cast.without(missing);
            contact = contact.without(missing);
        }
        self.canvas.darken(&cast.blurred(sigma), strength);
        self.canvas
            .darken(&contact.blurred(0.5 * sigma + 0.6), 0.35 * strength);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn scene() -> Canvas {
        let mut canvas = Canvas::new(64, Light::around(-2.3, &mut ChaCha8Rng::seed_from_u64(3)));
        canvas.fill(|_| Texel::matt([0.5; 3]));
        canvas
    }

    fn square(canvas: &mut Canvas, relief: Relief, missing: Option<&Coverage>) {
        let pose = Transform::new([32.0, 32.0], 0.0, 64.0);
        Brush::new(canvas, pose, None, missing).paint(&Shape::rect([0.15, 0.15]), relief, |_| {
            Texel::matt([0.5; 3])
        });
    }

    #[test]
    fn a_print_changes_only_its_own_place() {
        let mut canvas = scene();
        square(&mut canvas, Relief::PRINT, None);
        assert!(canvas.rgb.iter().all(|p| (p[0] - 0.5).abs() < 1e-4));
    }

    #[test]
    fn a_raised_part_throws_its_shadow_away_from_the_lamp() {
        let mut canvas = scene();
        square(&mut canvas, Relief::raised(0.08, 0.0), None);
        // The lamp stands at the upper left.
        let (lower_right, upper_left) = (canvas.rgb[44 * 64 + 44][0], canvas.rgb[19 * 64 + 19][0]);
        assert!(lower_right < 0.48, "{lower_right}");
        assert!(
            upper_left > lower_right + 0.02,
            "{upper_left} {lower_right}"
        );
    }

    #[test]
    fn nothing_is_painted_where_the_part_is_broken_off() {
        let mut canvas = scene();
        let missing = Coverage::of(&Shape::rect([8.0, 8.0]).moved([22.0, 22.0]), 64, 0.0);
        let pose = Transform::new([32.0, 32.0], 0.0, 64.0);
        Brush::new(&mut canvas, pose, None, Some(&missing)).paint(
            &Shape::rect([0.15, 0.15]),
            Relief::PRINT,
            |_| Texel::matt([0.9; 3]),
        );
        assert!((canvas.rgb[25 * 64 + 25][0] - 0.5).abs() < 1e-4);
        assert!((canvas.rgb[36 * 64 + 36][0] - 0.9).abs() < 1e-4);
    }
}
