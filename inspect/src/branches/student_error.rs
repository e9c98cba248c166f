//! Student errors on one scale, as bundles of earlier versions read them: some positions are hard for a student on every
//! good part, and they would dominate the raw squared error. So each position is compared with the same position of good
//! parts. Bundles since then read [residuals](super::student_residual), which tell anomalies apart better.

use super::shared::aligned_part::{AlignedPart, through_pose};
use super::shared::map::{AnomalyMap, MapBuffer};
use super::statistics::{ArraySource, StatisticsError};
use super::{Branch, BranchModel};
use crate::arrays::Arrays;
use crate::network::{MAP_SIDE, Percept};
use ndarray::Array2;

/// Mean and deviation of the root error at each position, over good parts.
#[derive(Clone, Debug)]
pub struct ErrorScale {
    /// `[side, side]`
    pub mean: Array2<f32>,
    /// `[side, side]`, bounded from below.
    pub std: Array2<f32>,
}

impl ErrorScale {
    /// `(√error − mean) / std` at each position, in place.
    ///
    /// *Shapes*: `map` is `[side, side]`, row by row.
    pub fn apply(&self, map: &mut [f32]) {
        for ((value, mean), std) in map.iter_mut().zip(&self.mean).zip(&self.std) {
            *value = (value.max(0.0).sqrt() - mean) / std;
        }
    }
}

/// A branch that reads one student's error map.
#[derive(Clone, Debug)]
pub struct StudentError {
    branch: Branch,
    scale: ErrorScale,
    map: MapBuffer,
}

impl StudentError {
    fn new(branch: Branch, scale: ErrorScale) -> Self {
        StudentError {
            branch,
            scale,
            map: MapBuffer::new(MAP_SIDE),
        }
    }

    fn errors<'a>(&self, percept: &'a Percept) -> &'a [f32] {
        match self.branch {
            Branch::Local => &percept.students.local,
            _ => &percept.students.global,
        }
    }
}

impl BranchModel for StudentError {
    fn branch(&self) -> Branch {
        self.branch
    }

    fn score(&mut self, part: &mut AlignedPart<'_>) -> f32 {
        part.place(&mut self.map);
        let errors = self.errors(part.percept);
        through_pose(errors, &part.pose(), &mut self.map.values);
        self.scale.apply(&mut self.map.values);
        self.map.score()
    }

    fn map(&self) -> Option<AnomalyMap<'_>> {
        Some(self.map.map())
    }

    fn write(&self, arrays: &mut Arrays) {
        arrays.insert(format!("{}.mean", self.branch), self.scale.mean.clone());
        arrays.insert(format!("{}.std", self.branch), self.scale.std.clone());
    }

    fn boxed(&self) -> Box<dyn BranchModel> {
        Box::new(self.clone())
    }
}

/// Of `branch`, which is one of the two students'.
///
/// # Errors
/// If the arrays are there and can't be used.
pub fn read(
    source: &ArraySource<'_>,
    branch: Branch,
) -> Result<Option<Box<dyn BranchModel>>, StatisticsError> {
    let (mean, std) = (format!("{branch}.mean"), format!("{branch}.std"));
    source.branch(&mean, || {
        source.with_student_errors()?;
        let scale = ErrorScale {
            mean: source.exact(&mean, &[MAP_SIDE, MAP_SIDE])?,
            std: source.exact(&std, &[MAP_SIDE, MAP_SIDE])?,
        };
        Ok(StudentError::new(branch, scale))
    })
}
