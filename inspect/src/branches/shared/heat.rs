//! The heat map a person looks at: the maps of the branches, brought to one scale and to the frame's coordinates.

use super::registration::{Bilinear, Pose};
use crate::network::MAP_SIDE;

/// Two quantiles of a map over good calibration parts (paper's normalisation, as CSAD): 0 at the 90 % quantile, 0.1
/// at the 99.5 % quantile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    pub q900: f32,
    pub q995: f32,
}

impl Range {
    pub fn apply(&self, value: f32) -> f32 {
        0.1 * (value - self.q900) / (self.q995 - self.q900).max(1e-6)
    }
}

/// 64×64, row by row.
#[derive(Clone, Debug, Default)]
pub struct HeatMap {
    pub values: Vec<f32>,
}

impl HeatMap {
    pub const SIDE: usize = MAP_SIDE;

    pub fn new() -> Self {
        HeatMap {
            values: vec![0.0; MAP_SIDE * MAP_SIDE],
        }
    }

    pub fn clear(&mut self) {
        self.values.fill(0.0);
    }

    /// Adds a `side`×`side` map that stands in the template's coordinates.
    pub fn add(&mut self, map: &[f32], side: usize, range: Range, pose: &Pose) {
        let centre = |i: usize| (i as f32 + 0.5) / MAP_SIDE as f32;
        for (cell, heat) in self.values.iter_mut().enumerate() {
            let (x, y) = pose.to_template(centre(cell % MAP_SIDE), centre(cell / MAP_SIDE));
            *heat += range.apply(Bilinear::new(x, y, side).sample(map));
        }
    }
}
