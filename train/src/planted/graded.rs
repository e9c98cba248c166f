//! Damage of an exact size and contrast: what a product's detectability is measured with.

use aecsad_inspect::frame::Frame;
use ndarray::Array2;
use rand::{Rng, RngExt};

use super::structural::{pixel, place};

/// What the damage looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A straight line, twenty times as long as wide.
    Scratch,
    /// A disc.
    Spot,
    /// A curved line, thirty times as long as wide.
    Fibre,
}

impl Damage {
    pub const ALL: [Damage; 3] = [Damage::Scratch, Damage::Spot, Damage::Fibre];

    pub fn name(self) -> &'static str {
        match self {
            Damage::Scratch => "scratch",
            Damage::Spot => "spot",
            Damage::Fibre => "fibre",
        }
    }

    /// Length in widths, and how far it turns on the way, in radians.
    fn line(self) -> (f32, f32) {
        match self {
            Damage::Scratch => (20.0, 0.0),
            Damage::Spot => (0.0, 0.0),
            Damage::Fibre => (30.0, 2.5),
        }
    }
}

/// Puts damage of `width` pixels on a part, lighter or darker than what it lies on by `contrast` of the full range. `classes`
/// (`[64, 64]`) say where the product is.
pub fn damage(
    frame: &mut Frame,
    classes: &Array2<u8>,
    (damage, width, contrast): (Damage, f32, f32),
    random: &mut impl Rng,
) {
    let centre = place(classes, frame, random);
    let [r, g, b] = pixel(frame, centre.0 as i32, centre.1 as i32).map(f32::from);
    let sign = if r + g + b < 3.0 * 128.0 { 1.0 } else { -1.0 };
    let (length, turn) = damage.line();
    let path = path(centre, length * width, turn, random);
    let radius = width / 2.0;
    let reach = radius.ceil() as i32 + 1;
    let corner = |pick: fn(f32, f32) -> f32, of: fn(&(f32, f32)) -> f32, from: f32| {
        path.iter().map(of).fold(from, pick) as i32
    };
    let (left, right) = (
        corner(f32::min, |p| p.0, f32::MAX) - reach,
        corner(f32::max, |p| p.0, f32::MIN) + reach,
    );
    let (top, bottom) = (
        corner(f32::min, |p| p.1, f32::MAX) - reach,
        corner(f32::max, |p| p.1, f32::MIN) + reach,
    );
    for y in top.max(0)..bottom.min(frame.height as i32) {
        for x in left.max(0)..right.min(frame.width as i32) {
            let at = (x as f32 + 0.5, y as f32 + 0.5);
            let cover = (radius + 0.5 - distance(&path, at)).clamp(0.0, 1.0);
            if cover == 0.0 {
                continue;
            }
            let index = (y as usize * frame.width as usize + x as usize) * 3;
            for value in &mut frame.rgb[index..index + 3] {
                let changed = f32::from(*value) + sign * contrast * 255.0 * cover;
                *value = changed.round().clamp(0.0, 255.0) as u8;
            }
        }
    }
}

/// A line through `centre` in any direction, as points a few pixels apart.
fn path(centre: (f32, f32), length: f32, turn: f32, random: &mut impl Rng) -> Vec<(f32, f32)> {
    const STEPS: usize = 24;
    let mut heading = random.random_range(0.0..std::f32::consts::TAU);
    let mut points = vec![(0.0, 0.0)];
    for _ in 0..STEPS {
        let (x, y) = points[points.len() - 1];
        let step = length / STEPS as f32;
        points.push((x + step * heading.cos(), y + step * heading.sin()));
        heading += turn / STEPS as f32;
    }
    let (mx, my) = points[STEPS / 2];
    points
        .into_iter()
        .map(|(x, y)| (centre.0 + x - mx, centre.1 + y - my))
        .collect()
}

/// From a point to the nearest of a path.
fn distance(path: &[(f32, f32)], (x, y): (f32, f32)) -> f32 {
    path.windows(2)
        .map(|ends| {
            let ((ax, ay), (bx, by)) = (ends[0], ends[1]);
            let (dx, dy) = (bx - ax, by - ay);
            let along = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy).max(1e-9);
            let along = along.clamp(0.0, 1.0);
            (x - ax - along * dx).hypot(y - ay - along * dy)
        })
        .fold(f32::INFINITY, f32::min)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn covers_what_its_size_says() {
        let grey = Frame {
            width: 400,
            height: 300,
            rgb: vec![100; 400 * 300 * 3],
            captured: std::time::Instant::now(),
        };
        let classes = Array2::zeros((64, 64));
        for (kind, width, area) in [
            (Damage::Spot, 10.0, 78.5),
            (Damage::Scratch, 3.0, 180.0),
            (Damage::Fibre, 2.0, 120.0),
        ] {
            let mut frame = grey.clone();
            let mut random = ChaCha8Rng::seed_from_u64(4);
            damage(&mut frame, &classes, (kind, width, 0.2), &mut random);
            let changed: f32 = frame
                .rgb
                .iter()
                .map(|v| (f32::from(*v) - 100.0) / 51.0)
                .sum();
            let found = changed / 3.0;
            assert!((found / area - 1.0).abs() < 0.2, "{kind:?}: {found}");
            assert!(frame.rgb.iter().all(|v| (100..=151).contains(v)));
        }
    }
}
