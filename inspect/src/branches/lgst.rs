//! The paper's reading of both students: each error map is brought to the scale of good parts, the two are added,
//! and the largest value is the score (CSAD, BMVC 2024; the paper keeps it).

use super::shared::aligned_part::AlignedPart;
use super::shared::heat::Range;
use super::shared::map::{AnomalyMap, MapBuffer};
use super::statistics::{ArraySource, StatisticsError};
use super::{Branch, BranchModel};
use crate::arrays::Arrays;
use crate::network::MAP_SIDE;

/// How the maps of good calibration parts spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LgstScale {
    pub local: Range,
    pub global: Range,
}

impl LgstScale {
    /// `local` is the mean over channels of (F_T − F_L)², `global` that of (F_G − F_LG)², both of one size. Writes
    /// their scaled sum into `sum` and gives its largest value.
    ///
    /// *Shapes*: `local`, `global` and `sum` are `[rows, columns]` of one size, row by row.
    pub fn apply(&self, local: &[f32], global: &[f32], sum: &mut [f32]) -> f32 {
        let mut largest = f32::NEG_INFINITY;
        for ((local, global), sum) in local.iter().zip(global).zip(sum) {
            *sum = self.local.apply(*local) + self.global.apply(*global);
            largest = largest.max(*sum);
        }
        largest
    }
}

/// The branch: the scale of both maps and their sum on the latest part.
#[derive(Clone, Debug)]
pub struct Lgst {
    scale: LgstScale,
    sum: MapBuffer,
}

impl Lgst {
    pub fn new(scale: LgstScale) -> Self {
        Lgst {
            scale,
            sum: MapBuffer::new(MAP_SIDE),
        }
    }
}

impl BranchModel for Lgst {
    fn branch(&self) -> Branch {
        Branch::Lgst
    }

    fn score(&mut self, part: &mut AlignedPart<'_>) -> f32 {
        part.place(&mut self.sum);
        let students = &part.percept.students;
        self.scale
            .apply(&students.local, &students.global, &mut self.sum.values)
    }

    fn map(&self) -> Option<AnomalyMap<'_>> {
        Some(self.sum.map())
    }

    fn write(&self, arrays: &mut Arrays) {
        let LgstScale { local, global } = &self.scale;
        let scale = ndarray::array![local.q900, local.q995, global.q900, global.q995];
        arrays.insert("lgst.scale", scale);
    }

    fn boxed(&self) -> Box<dyn BranchModel> {
        Box::new(self.clone())
    }
}

/// # Errors
/// If the arrays are there and can't be used.
pub fn read(source: &ArraySource<'_>) -> Result<Option<Box<dyn BranchModel>>, StatisticsError> {
    source.branch("lgst.scale", || {
        source.with_student_errors()?;
        let scale: ndarray::Array1<f32> = source.exact("lgst.scale", &[4])?;
        let range = |at: usize| Range {
            q900: scale[at],
            q995: scale[at + 1],
        };
        Ok(Lgst::new(LgstScale {
            local: range(0),
            global: range(2),
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_scaled_then_added() {
        let range = |q900, q995| Range { q900, q995 };
        let scale = LgstScale {
            local: range(1.0, 3.0),
            global: range(0.0, 1.0),
        };
        let mut sum = [0.0; 2];
        let score = scale.apply(&[1.0, 5.0], &[1.0, 0.0], &mut sum);
        // 0.1·(1−1)/2 + 0.1·1/1 and 0.1·(5−1)/2 + 0
        assert!((sum[0] - 0.1).abs() < 1e-6 && (sum[1] - 0.2).abs() < 1e-6);
        assert_eq!(score, sum[1]);
    }
}
