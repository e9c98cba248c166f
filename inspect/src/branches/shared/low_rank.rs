//! The three feature scales as one map of short vectors: stacked on a common grid, standardised and projected onto
//! the directions in which good parts vary. Position, patch and pooled scores all read this map.

use ndarray::Array2;

use super::registration::{Bilinear, Pose};
use crate::network::Features;
pub use crate::network::{LowRank, STACKED};

/// Side of the common grid; stride 8 sees it natively.
pub const GRID: usize = 32;

/// Writes the stack as `[GRID², STACKED]`, position-major, seen through `pose`. The outermost cells of the frame,
/// which the padding of the convolutions reaches most, repeat their inner neighbours.
pub fn stack(features: &Features, pose: &Pose, out: &mut Array2<f32>) {
    let inner = |v: f32| v.clamp(1.5 / GRID as f32, 1.0 - 1.5 / GRID as f32);
    let scales = features.scales();
    let scales = scales.each_ref().map(|scale| scale.as_standard_layout());
    for (cell, mut vector) in out.rows_mut().into_iter().enumerate() {
        let centre = |i: usize| (i as f32 + 0.5) / GRID as f32;
        let (x, y) = pose.to_frame(centre(cell % GRID), centre(cell / GRID));
        let mut values = vector.iter_mut();
        for scale in &scales {
            let (_, side, _) = scale.dim();
            let at = Bilinear::new(inner(x), inner(y), side);
            let planes = scale
                .as_slice()
                .unwrap_or_default()
                .chunks_exact(side * side);
            for (plane, value) in planes.zip(&mut values) {
                *value = at.sample(plane);
            }
        }
    }
}
