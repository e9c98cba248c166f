//! Fits the Gaussian of a student's residual at each position.

use aecsad_inspect::branches::student_residual::{Student, StudentResidual};
use aecsad_inspect::branches::{Branch, BranchModel};
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::position::{self, RIDGE};
use super::statistics::Fitter;
use super::way::FitBranch;

/// A position's statistics are also learnt from neighbours up to `reach` cells away.
#[derive(Clone, Copy, Debug)]
pub struct ResidualWay {
    pub student: Student,
    pub reach: usize,
}

impl FitBranch for ResidualWay {
    fn branch(&self) -> Branch {
        self.student.branch()
    }

    fn fit(&self, parts: &Fitter<'_>) -> Option<Box<dyn BranchModel>> {
        let train = parts.good().train;
        let first = self.student.residual(&train.first()?.students.residuals);
        if first.is_empty() {
            return None;
        }
        let aligned = train.par_iter().zip(parts.poses());
        let registered: Vec<Array2<f32>> = aligned
            .map(|(part, pose)| {
                let mut registered = Array2::zeros((0, 0));
                self.student.registered(part, pose, &mut registered);
                registered
            })
            .collect();
        let registered: Vec<ArrayView2<'_, f32>> = registered.iter().map(|r| r.view()).collect();
        let gaussian = position::fit(&registered, self.reach, RIDGE)?;
        Some(Box::new(StudentResidual::new(self.student, gaussian)))
    }

    fn how(&self) -> String {
        format!("neighbours up to {} cells away", self.reach)
    }

    fn record(&self) -> String {
        format!("residual, reach {}", self.reach)
    }
}
