//! Where the part lies: a small shift and turn against the mean good part, found on stride-4 features, so that
//! scores bound to positions see each part in the same place.
//!
//! Inverse-compositional Lucas–Kanade (Baker & Matthews, IJCV 2004): gradients and Hessian belong to the template
//! and are computed once; a frame costs a coarse search over shifts and a few warps of a 64×64 map.

use ndarray::{Array2, Array3, ArrayView3};

use super::packed::dot;

/// A rigid motion in the plane, in units of the image's side, about the image's centre: what stands at `p` in the
/// template stands at `R(turn)·(p − c) + c + shift` in the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pose {
    pub shift_x: f32,
    pub shift_y: f32,
    /// Radians, clockwise on the screen.
    pub turn: f32,
}

impl Pose {
    /// Template coordinates in [0, 1]² to frame coordinates.
    pub fn to_frame(&self, x: f32, y: f32) -> (f32, f32) {
        let (sin, cos) = self.turn.sin_cos();
        let (dx, dy) = (x - 0.5, y - 0.5);
        (
            cos * dx - sin * dy + 0.5 + self.shift_x,
            sin * dx + cos * dy + 0.5 + self.shift_y,
        )
    }

    /// The other way: frame coordinates to template coordinates.
    pub fn to_template(&self, x: f32, y: f32) -> (f32, f32) {
        let (sin, cos) = self.turn.sin_cos();
        let (dx, dy) = (x - 0.5 - self.shift_x, y - 0.5 - self.shift_y);
        (cos * dx + sin * dy + 0.5, -sin * dx + cos * dy + 0.5)
    }

    /// This pose after the inverse of a small step found in the template's own coordinates.
    fn minus(&self, step: [f32; 3]) -> Pose {
        let turn = self.turn - step[2];
        let (sin, cos) = turn.sin_cos();
        Pose {
            turn,
            shift_x: self.shift_x - (cos * step[0] - sin * step[1]),
            shift_y: self.shift_y - (sin * step[0] + cos * step[1]),
        }
    }
}

/// Side of the map on which poses are refined.
pub const SIDE: usize = 64;
const COARSE: usize = 16;
/// The coarse search tries shifts up to this many coarse cells (1/16 of the image each) either way.
const REACH: i32 = 2;
const MAX_SHIFT: f32 = 0.16;
const MAX_TURN: f32 = 0.18;
const ITERATIONS: usize = 12;

/// The mean good part and what Lucas–Kanade needs of it.
#[derive(Clone, Debug)]
pub struct Registration {
    /// `[channels, 24]`: from stride-4 features to the few channels that are compared.
    projection: Array2<f32>,
    /// `[channels, SIDE, SIDE]`, each channel of mean 0 and deviation 1.
    template: Array3<f32>,
    coarse: Array3<f32>,
    /// `[3, channels·SIDE²]`: how the template changes with shift x, shift y and turn.
    steepest: Array2<f32>,
    inverse_hessian: nalgebra::Matrix3<f32>,
    margin: Option<f32>,
}

/// Buffers for [`Registration::find`].
#[derive(Clone, Debug)]
pub struct RegistrationScratch {
    fine: Array3<f32>,
    coarse: Array3<f32>,
}

impl Registration {
    /// `projection` is `[channels, 24]`, `template` `[channels, SIDE, SIDE]`. None where the template is too plain
    /// to say where anything is.
    pub fn new(projection: Array2<f32>, mut template: Array3<f32>) -> Option<Self> {
        standardise(&mut template);
        let steepest = steepest_descent(&template);
        let hessian = nalgebra::Matrix3::from_fn(|i, j| steepest.row(i).dot(&steepest.row(j)));
        let inverse_hessian = hessian.try_inverse()?;
        if !inverse_hessian.iter().all(|v| v.is_finite()) {
            return None;
        }
        let mut coarse = Array3::zeros((template.dim().0, COARSE, COARSE));
        pool(template.view(), &mut coarse);
        Some(Registration {
            projection,
            coarse,
            template,
            steepest,
            inverse_hessian,
            margin: None,
        })
    }

    /// The same, and so many cells of a map along the frame's edges don't count where the part has moved: beyond the edge
    /// nothing is seen, and near it the padding of the convolutions moves with the frame and not with the part.
    pub fn with_margin(self, margin: Option<f32>) -> Self {
        Registration { margin, ..self }
    }

    /// None in bundles of earlier versions.
    pub fn margin(&self) -> Option<f32> {
        self.margin
    }

    /// *Shapes*: `[channels, 24]`.
    pub fn projection(&self) -> &Array2<f32> {
        &self.projection
    }

    /// *Shapes*: `[channels, SIDE, SIDE]`.
    pub fn template(&self) -> &Array3<f32> {
        &self.template
    }

    pub fn scratch(&self) -> RegistrationScratch {
        RegistrationScratch {
            fine: Array3::zeros(self.template.raw_dim()),
            coarse: Array3::zeros(self.coarse.raw_dim()),
        }
    }

    /// The pose of the part in a frame with these stride-4 features (`[24, 64, 64]`). The identity where nothing
    /// better is found within reach.
    pub fn find(&self, stride4: ArrayView3<'_, f32>, scratch: &mut RegistrationScratch) -> Pose {
        project(&self.projection, stride4, &mut scratch.fine);
        pool(scratch.fine.view(), &mut scratch.coarse);
        let mut pose = self.coarse_shift(scratch.coarse.view());
        let mut best = (
            self.mismatch(scratch.fine.view(), &Pose::default()),
            Pose::default(),
        );
        for _ in 0..ITERATIONS {
            let (mismatch, gradient) = self.residual(scratch.fine.view(), &pose);
            if mismatch < best.0 {
                best = (mismatch, pose);
            }
            let step = self.inverse_hessian * gradient;
            pose = pose.minus([step[0], step[1], step[2]]);
            let outside = pose.shift_x.abs().max(pose.shift_y.abs()) > MAX_SHIFT;
            if outside || pose.turn.abs() > MAX_TURN || step.amax() < 1e-5 {
                break;
            }
        }
        best.1
    }

    /// Mean squared difference between the template and the frame seen through `pose`.
    fn mismatch(&self, frame: ArrayView3<'_, f32>, pose: &Pose) -> f32 {
        self.residual(frame, pose).0
    }

    fn coarse_shift(&self, frame: ArrayView3<'_, f32>) -> Pose {
        let mut best = (f32::INFINITY, Pose::default());
        for dy in -REACH..=REACH {
            for dx in -REACH..=REACH {
                let (mut sum, mut count) = (0.0, 0u32);
                for ((c, y, x), t) in self.coarse.indexed_iter() {
                    let (fy, fx) = (y as i32 + dy, x as i32 + dx);
                    let inside = 0..COARSE as i32;
                    if inside.contains(&fy) && inside.contains(&fx) {
                        sum += (frame[[c, fy as usize, fx as usize]] - t).powi(2);
                        count += 1;
                    }
                }
                let mean = sum / count.max(1) as f32;
                if mean < best.0 {
                    let cell = 1.0 / COARSE as f32;
                    let pose = Pose {
                        shift_x: dx as f32 * cell,
                        shift_y: dy as f32 * cell,
                        turn: 0.0,
                    };
                    best = (mean, pose);
                }
            }
        }
        best.1
    }

    /// Mean squared difference and the gradient that the next step needs.
    fn residual(&self, frame: ArrayView3<'_, f32>, pose: &Pose) -> (f32, nalgebra::Vector3<f32>) {
        let mut gradient = nalgebra::Vector3::zeros();
        let mut sum = 0.0;
        let frame = frame.as_standard_layout();
        let planes = frame.as_slice().unwrap_or_default();
        let template = self.template.as_slice().unwrap_or_default();
        let centre = |i: usize| (i as f32 + 0.5) / SIDE as f32;
        for y in 0..SIDE {
            let row: [Bilinear; SIDE] = std::array::from_fn(|x| {
                let (x, y) = pose.to_frame(centre(x), centre(y));
                Bilinear::new(x, y, SIDE)
            });
            for (c, plane) in planes.chunks_exact(SIDE * SIDE).enumerate() {
                let first = (c * SIDE + y) * SIDE;
                let expected = &template[first..first + SIDE];
                let difference: [f32; SIDE] =
                    std::array::from_fn(|x| row[x].sample(plane) - expected[x]);
                sum += dot(&difference, &difference);
                for (slopes, gradient) in self.steepest.rows().into_iter().zip(&mut gradient) {
                    let slopes = slopes.to_slice().unwrap_or_default();
                    *gradient += dot(&slopes[first..first + SIDE], &difference);
                }
            }
        }
        (sum / self.template.len() as f32, gradient)
    }
}

/// The four cells around a point given in [0, 1]², and their shares; beyond the edge the edge repeats.
pub struct Bilinear {
    /// In a plane, row by row: top left, top right, bottom left, bottom right.
    cells: [usize; 4],
    /// Of the lower and of the right ones.
    share: (f32, f32),
}

impl Bilinear {
    /// In a square plane.
    pub fn new(x: f32, y: f32, side: usize) -> Self {
        Self::on(x, y, (side, side))
    }

    /// In a plane of so many rows and columns.
    pub fn on(x: f32, y: f32, (rows, columns): (usize, usize)) -> Self {
        let axis = |v: f32, cells: usize| {
            let at = (v * cells as f32 - 0.5).clamp(0.0, (cells - 1) as f32);
            let low = (at as usize).min(cells - 1);
            (low, (low + 1).min(cells - 1), at - low as f32)
        };
        let ((x0, x1, tx), (y0, y1, ty)) = (axis(x, columns), axis(y, rows));
        Bilinear {
            cells: [(y0, x0), (y0, x1), (y1, x0), (y1, x1)].map(|(y, x)| y * columns + x),
            share: (ty, tx),
        }
    }

    /// Each cell with its share of the point.
    pub fn weighted(&self) -> [(usize, f32); 4] {
        let ([a, b, c, d], (ty, tx)) = (self.cells, self.share);
        [
            (a, (1.0 - ty) * (1.0 - tx)),
            (b, (1.0 - ty) * tx),
            (c, ty * (1.0 - tx)),
            (d, ty * tx),
        ]
    }

    /// The value at the point, interpolated bilinearly.
    ///
    /// *Shapes*: `plane` is `[rows, columns]`, row by row.
    ///
    /// # Panics
    /// If it has fewer cells.
    pub fn sample(&self, plane: &[f32]) -> f32 {
        let [a, b, c, d] = self.cells.map(|cell| plane[cell]);
        let (ty, tx) = self.share;
        let top = a * (1.0 - tx) + b * tx;
        let bottom = c * (1.0 - tx) + d * tx;
        top * (1.0 - ty) + bottom * ty
    }
}

/// The channels that are compared, of one frame: projected, then each brought to mean 0 and deviation 1, so that
/// light does not look like motion.
///
/// *Shapes*: `projection` is `[channels, 24]`, `stride4` `[24, SIDE, SIDE]` and `out` `[channels, SIDE, SIDE]`.
pub fn project(projection: &Array2<f32>, stride4: ArrayView3<'_, f32>, out: &mut Array3<f32>) {
    for (mut channel, weights) in out.outer_iter_mut().zip(projection.rows()) {
        channel.fill(0.0);
        for (plane, weight) in stride4.outer_iter().zip(weights) {
            channel.scaled_add(*weight, &plane);
        }
    }
    standardise(out);
}

fn standardise(map: &mut Array3<f32>) {
    for mut channel in map.outer_iter_mut() {
        let count = channel.len() as f32;
        let mean = channel.sum() / count;
        channel -= mean;
        let deviation = (channel.iter().map(|v| v * v).sum::<f32>() / count).sqrt();
        channel /= deviation.max(1e-6);
    }
}

fn pool(fine: ArrayView3<'_, f32>, coarse: &mut Array3<f32>) {
    let step = SIDE / COARSE;
    for ((c, y, x), cell) in coarse.indexed_iter_mut() {
        let block = fine.slice(ndarray::s![
            c,
            y * step..(y + 1) * step,
            x * step..(x + 1) * step
        ]);
        *cell = block.sum() / (step * step) as f32;
    }
}

fn steepest_descent(template: &Array3<f32>) -> Array2<f32> {
    let mut steepest = Array2::zeros((3, template.len()));
    for (pixel, ((c, y, x), _)) in template.indexed_iter().enumerate() {
        let slope = |low: f32, high: f32| (high - low) * SIDE as f32 / 2.0;
        let (left, right) = (x.saturating_sub(1), (x + 1).min(SIDE - 1));
        let (up, down) = (y.saturating_sub(1), (y + 1).min(SIDE - 1));
        let by_x = slope(template[[c, y, left]], template[[c, y, right]]);
        let by_y = slope(template[[c, up, x]], template[[c, down, x]]);
        let arm = |i: usize| (i as f32 + 0.5) / SIDE as f32 - 0.5;
        steepest[[0, pixel]] = by_x;
        steepest[[1, pixel]] = by_y;
        steepest[[2, pixel]] = by_y * arm(x) - by_x * arm(y);
    }
    steepest
}

/// `[channels, 64, 64]` of zeros, for a template in the making.
pub fn empty_template(channels: usize) -> Array3<f32> {
    Array3::zeros((channels, SIDE, SIDE))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A smooth picture without symmetry, seen through `pose`.
    fn picture(pose: Pose) -> Array3<f32> {
        Array3::from_shape_fn((24, SIDE, SIDE), |(c, y, x)| {
            let centre = |i: usize| (i as f32 + 0.5) / SIDE as f32;
            let (u, v) = pose.to_template(centre(x), centre(y));
            let bump =
                |cx: f32, cy: f32, w: f32| (-((u - cx).powi(2) + (v - cy).powi(2)) / (w * w)).exp();
            match c {
                0 => bump(0.3, 0.4, 0.15) - bump(0.7, 0.6, 0.1),
                1 => bump(0.6, 0.3, 0.2) + 0.5 * bump(0.3, 0.75, 0.1),
                _ => 0.0,
            }
        })
    }

    fn registration() -> Registration {
        let projection = Array2::from_shape_fn((2, 24), |(i, j)| (i == j) as u8 as f32);
        let mut template = Array3::zeros((2, SIDE, SIDE));
        project(&projection, picture(Pose::default()).view(), &mut template);
        Registration::new(projection, template).unwrap()
    }

    #[test]
    fn finds_shift_and_turn() {
        let registration = registration();
        let mut scratch = registration.scratch();
        for (shift_x, shift_y, turn) in [(0.05, -0.03, 0.06), (-0.11, 0.09, -0.04), (0.0, 0.0, 0.0)]
        {
            let expected = Pose {
                shift_x,
                shift_y,
                turn,
            };
            let found = registration.find(picture(expected).view(), &mut scratch);
            let worst = (found.shift_x - shift_x)
                .abs()
                .max((found.shift_y - shift_y).abs())
                .max((found.turn - turn).abs());
            assert!(worst < 0.004, "{found:?} is not {expected:?}");
        }
    }

    #[test]
    fn light_is_not_motion() {
        let registration = registration();
        let bright = picture(Pose::default()) * 3.0 + 0.5;
        let found = registration.find(bright.view(), &mut registration.scratch());
        assert!(
            found
                .shift_x
                .abs()
                .max(found.shift_y.abs())
                .max(found.turn.abs())
                < 1e-3
        );
    }

    #[test]
    fn frame_and_template_coordinates_are_inverse() {
        let pose = Pose {
            shift_x: 0.1,
            shift_y: -0.2,
            turn: 0.3,
        };
        let (x, y) = pose.to_frame(0.2, 0.9);
        let (u, v) = pose.to_template(x, y);
        assert!((u - 0.2).abs() < 1e-6 && (v - 0.9).abs() < 1e-6);
    }

    #[test]
    fn a_plain_template_says_nothing() {
        let projection = Array2::zeros((2, 24));
        assert!(Registration::new(projection, Array3::zeros((2, SIDE, SIDE))).is_none());
    }
}
