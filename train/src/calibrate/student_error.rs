//! How large a student's error usually is at each position.

use super::statistics::Fitter;
use super::way::FitBranch;
use aecsad_inspect::branches::shared::aligned_part::through_pose;
use aecsad_inspect::branches::student_error::ErrorScale;
use aecsad_inspect::branches::student_error::StudentError;
use aecsad_inspect::branches::{Branch, BranchModel};
use aecsad_inspect::network::MAP_SIDE;
use aecsad_inspect::network::Percept;
use ndarray::Array2;

/// From registered error maps (64×64, row by row) of good parts. A position's deviation is never taken smaller than
/// half the median over all positions: a calm corner must not shout.
pub fn fit(maps: &[Vec<f32>]) -> ErrorScale {
    let count = maps.len().max(1) as f32;
    let mut mean = Array2::<f32>::zeros((MAP_SIDE, MAP_SIDE));
    let mut square = mean.clone();
    for map in maps {
        for ((m, q), error) in mean.iter_mut().zip(square.iter_mut()).zip(map) {
            let root = error.max(0.0).sqrt();
            *m += root / count;
            *q += root * root / count;
        }
    }
    let mut std = square - &mean * &mean;
    std.mapv_inplace(|v| v.max(0.0).sqrt());
    let mut sorted: Vec<f32> = std.iter().copied().collect();
    sorted.sort_by(f32::total_cmp);
    let floor = (sorted[sorted.len() / 2] / 2.0).max(1e-6);
    std.mapv_inplace(|v| v.max(floor));
    ErrorScale { mean, std }
}

/// Whose errors are read; there is one way for each.
#[derive(Clone, Copy, Debug)]
pub enum StudentErrorWay {
    Local,
    Global,
}

impl StudentErrorWay {
    fn errors(self, percept: &Percept) -> &[f32] {
        match self {
            StudentErrorWay::Local => &percept.local,
            StudentErrorWay::Global => &percept.global,
        }
    }
}

impl FitBranch for StudentErrorWay {
    fn branch(&self) -> Branch {
        match self {
            StudentErrorWay::Local => Branch::Local,
            StudentErrorWay::Global => Branch::Global,
        }
    }

    fn fit(&self, parts: &Fitter<'_>) -> Option<Box<dyn BranchModel>> {
        let good = parts.good();
        if !good.students {
            return None;
        }
        let aligned = good.train.iter().zip(parts.poses());
        let maps: Vec<Vec<f32>> = aligned
            .map(|(percept, pose)| {
                let errors = self.errors(percept);
                let mut seen = vec![0.0; errors.len()];
                through_pose(errors, pose, &mut seen);
                seen
            })
            .collect();
        let scale = fit(&maps);
        Some(Box::new(match self {
            StudentErrorWay::Local => StudentError::local(scale),
            StudentErrorWay::Global => StudentError::global(scale),
        }))
    }
}
