//! Outlines of parts as polygons, and the similarity that places them. Curves are flattened when they are made,
//! so that an outline can be bent, cut and measured point by point.

use std::f32::consts::{PI, TAU};

/// Points closer than this (in product units) are enough for a smooth deformation.
const BEND_STEP: f32 = 0.012;

/// A rotation, a scale and a shift, applied in that order. Angles in radians, lengths in product units: the
/// product's picture is 1 wide and 1 high, y grows downwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transform {
    pub at: [f32; 2],
    pub angle: f32,
    pub scale: f32,
}

impl Transform {
    pub fn new(at: [f32; 2], angle: f32, scale: f32) -> Self {
        Self { at, angle, scale }
    }

    pub fn apply(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let [x, y] = self.turn([x * self.scale, y * self.scale]);
        [x + self.at[0], y + self.at[1]]
    }

    pub fn apply_inverse(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let (sin, cos) = self.angle.sin_cos();
        let (x, y) = (x - self.at[0], y - self.at[1]);
        [
            (cos * x + sin * y) / self.scale,
            (cos * y - sin * x) / self.scale,
        ]
    }

    /// The rotation alone, for directions and surface normals.
    pub fn turn(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let (sin, cos) = self.angle.sin_cos();
        [cos * x - sin * y, sin * x + cos * y]
    }

    /// The pose that applies `inner` first and then this one.
    pub fn after(&self, inner: &Transform) -> Transform {
        Transform {
            at: self.apply(inner.at),
            angle: self.angle + inner.angle,
            scale: self.scale * inner.scale,
        }
    }
}

/// One end of a part bent sideways: x grows with the square of the way past `from` along y.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deformation {
    pub strength: f32,
    pub from: f32,
    /// 1 bends the end towards +y, -1 the one towards -y.
    pub end: f32,
}

impl Deformation {
    pub fn shift(&self, y: f32) -> f32 {
        let past = ((y - self.from) * self.end).max(0.0);
        self.strength * past * past
    }
}

/// One or more closed contours, filled by the even-odd rule: a contour inside another is a hole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    /// `[corners]` each, as x and y: in product units, or in pixels once the shape is placed on a picture.
    pub contours: Vec<Vec<[f32; 2]>>,
}

impl Shape {
    /// One contour through `points`.
    ///
    /// *Shapes*: `points` is `[corners]`.
    pub fn polygon(points: Vec<[f32; 2]>) -> Self {
        Self {
            contours: vec![points],
        }
    }

    pub fn rect(half: [f32; 2]) -> Self {
        let [x, y] = half;
        Self::polygon(vec![[-x, -y], [x, -y], [x, y], [-x, y]])
    }

    pub fn rounded(half: [f32; 2], radius: f32) -> Self {
        let radius = radius.min(half[0]).min(half[1]);
        let corners = [(1.0, -1.0), (1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0)];
        let mut points = Vec::with_capacity(32);
        for (corner, (sx, sy)) in corners.into_iter().enumerate() {
            let centre = [sx * (half[0] - radius), sy * (half[1] - radius)];
            for step in 0..=6 {
                let turn = (corner as f32 - 1.0 + step as f32 / 6.0) * PI / 2.0;
                points.push([
                    centre[0] + radius * turn.cos(),
                    centre[1] + radius * turn.sin(),
                ]);
            }
        }
        Self::polygon(points)
    }

    pub fn regular(sides: usize, radius: f32) -> Self {
        Self::polygon(
            (0..sides)
                .map(|i| {
                    let turn = TAU * i as f32 / sides as f32;
                    [radius * turn.cos(), radius * turn.sin()]
                })
                .collect(),
        )
    }

    pub fn circle(radius: f32) -> Self {
        Self::regular(40, radius)
    }

    /// A line of changing width: `width(t)` is the full width at the fraction `t` of the way.
    ///
    /// *Shapes*: `points` is `[points]`.
    pub fn stroke(points: &[[f32; 2]], width: impl Fn(f32) -> f32) -> Self {
        let count = points.len();
        let mut left = Vec::with_capacity(2 * count);
        let mut right = Vec::with_capacity(count);
        for (i, &[x, y]) in points.iter().enumerate() {
            let before = points[i.saturating_sub(1)];
            let after = points[(i + 1).min(count - 1)];
            let (dx, dy) = (after[0] - before[0], after[1] - before[1]);
            let length = dx.hypot(dy).max(1e-9);
            let half = width(i as f32 / (count.max(2) - 1) as f32) / 2.0;
            let (nx, ny) = (-dy / length * half, dx / length * half);
            left.push([x + nx, y + ny]);
            right.push([x - nx, y - ny]);
        }
        left.extend(right.into_iter().rev());
        Self::polygon(left)
    }

    pub fn with(mut self, other: Shape) -> Self {
        self.contours.extend(other.contours);
        self
    }

    pub fn moved(&self, [dx, dy]: [f32; 2]) -> Self {
        self.map(|[x, y]| [x + dx, y + dy])
    }

    pub fn turned(&self, angle: f32) -> Self {
        self.placed(&Transform::new([0.0, 0.0], angle, 1.0))
    }

    pub fn placed(&self, pose: &Transform) -> Self {
        self.map(|point| pose.apply(point))
    }

    pub fn bent(&self, deformation: &Deformation) -> Self {
        let mut fine = Shape::default();
        for contour in &self.contours {
            let mut points = Vec::with_capacity(contour.len() * 4);
            for (i, &[x, y]) in contour.iter().enumerate() {
                let [to_x, to_y] = contour[(i + 1) % contour.len()];
                let steps = ((to_x - x).hypot(to_y - y) / BEND_STEP).ceil().max(1.0) as usize;
                for step in 0..steps {
                    let t = step as f32 / steps as f32;
                    points.push([x + (to_x - x) * t, y + (to_y - y) * t]);
                }
            }
            fine.contours.push(points);
        }
        fine.map(|[x, y]| [x + deformation.shift(y), y])
    }

    /// Smallest and largest x and y: `[x0, y0, x1, y1]`; an empty shape gives an inverted box.
    pub fn bounds(&self) -> [f32; 4] {
        self.contours.iter().flatten().fold(
            [f32::MAX, f32::MAX, f32::MIN, f32::MIN],
            |[x0, y0, x1, y1], &[x, y]| [x0.min(x), y0.min(y), x1.max(x), y1.max(y)],
        )
    }

    /// Area of the first contour less that of its holes.
    pub fn area(&self) -> f32 {
        let mut areas = self.contours.iter().map(|points| {
            let twice: f32 = (0..points.len())
                .map(|i| {
                    let ([x, y], [u, v]) = (points[i], points[(i + 1) % points.len()]);
                    x * v - u * y
                })
                .sum();
            twice.abs() / 2.0
        });
        let outer = areas.next().unwrap_or(0.0);
        outer - areas.sum::<f32>()
    }

    fn map(&self, f: impl Fn([f32; 2]) -> [f32; 2]) -> Self {
        Self {
            contours: self
                .contours
                .iter()
                .map(|points| points.iter().map(|&p| f(p)).collect())
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pose_and_its_inverse_cancel() {
        let pose =
            Transform::new([0.3, -0.2], 0.7, 1.4).after(&Transform::new([0.1, 0.05], -2.0, 0.5));
        let [x, y] = pose.apply_inverse(pose.apply([0.21, 0.37]));
        assert!((x - 0.21).abs() < 1e-5 && (y - 0.37).abs() < 1e-5);
    }

    #[test]
    fn a_ring_has_the_area_between_its_circles() {
        let ring = Shape::circle(0.2).with(Shape::circle(0.1));
        assert!((ring.area() - PI * 0.03).abs() < 2e-3);
    }

    #[test]
    fn a_bend_moves_one_end_only() {
        let deformation = Deformation {
            strength: 2.0,
            from: 0.0,
            end: 1.0,
        };
        let [x0, _, x1, _] = Shape::rect([0.01, 0.2]).bent(&deformation).bounds();
        assert!((x0 + 0.01).abs() < 1e-6);
        assert!((x1 - 0.01 - 0.08).abs() < 1e-5);
    }
}
