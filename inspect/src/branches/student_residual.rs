//! What a student leaves over of the teacher, as a Gaussian of the low-rank residual at each position: the direction in
//! which a student fails says more than how far, and some positions are hard for it on every good part.

use ndarray::Array2;

use super::shared::aligned_part::{AlignedPart, cells_through_pose};
use super::shared::map::{AnomalyMap, MapBuffer};
use super::shared::position_gaussian::{PositionGaussian, Positions};
use super::shared::registration::Pose;
use super::statistics::{ArraySource, StatisticsError};
use super::{Branch, BranchModel};
use crate::arrays::Arrays;
use crate::network::Percept;
use crate::network::students::{RESIDUAL_SIDE, Residuals};

/// The student whose residual is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Student {
    Local,
    Global,
}

impl Student {
    pub fn branch(self) -> Branch {
        match self {
            Student::Local => Branch::Local,
            Student::Global => Branch::Global,
        }
    }

    /// `[RESIDUAL_SIDE², rank]`
    pub fn residual(self, residuals: &Residuals) -> &Array2<f32> {
        match self {
            Student::Local => &residuals.local,
            Student::Global => &residuals.global,
        }
    }

    /// The residual as it would be if the part lay as the template does.
    ///
    /// *Shapes*: `out` becomes `[RESIDUAL_SIDE², rank]`.
    pub fn registered(self, percept: &Percept, pose: &Pose, out: &mut Array2<f32>) {
        let residual = self.residual(&percept.students.residuals);
        cells_through_pose(residual, (RESIDUAL_SIDE, RESIDUAL_SIDE), pose, out);
    }
}

/// The branch: the Gaussians and the latest part's map.
#[derive(Clone, Debug)]
pub struct StudentResidual {
    student: Student,
    gaussian: PositionGaussian,
    /// The latest part's residual, registered.
    registered: Array2<f32>,
    map: MapBuffer,
}

impl StudentResidual {
    /// `gaussian` is one of [`Positions::WHOLE`].
    pub fn new(student: Student, gaussian: PositionGaussian) -> Self {
        StudentResidual {
            student,
            registered: Array2::zeros(gaussian.shape()),
            gaussian,
            map: MapBuffer::new(RESIDUAL_SIDE),
        }
    }
}

impl BranchModel for StudentResidual {
    fn branch(&self) -> Branch {
        self.student.branch()
    }

    fn score(&mut self, part: &mut AlignedPart<'_>) -> f32 {
        part.place(&mut self.map);
        let pose = part.pose();
        let residual = match pose == Pose::default() {
            true => self.student.residual(&part.percept.students.residuals),
            false => {
                self.student
                    .registered(part.percept, &pose, &mut self.registered);
                &self.registered
            }
        };
        self.gaussian.map(residual, &mut self.map.values);
        self.map.score()
    }

    fn map(&self) -> Option<AnomalyMap<'_>> {
        Some(self.map.map())
    }

    fn write(&self, arrays: &mut Arrays) {
        self.gaussian.write(arrays, &name(self.student));
    }

    fn boxed(&self) -> Box<dyn BranchModel> {
        Box::new(self.clone())
    }
}

fn name(student: Student) -> String {
    format!("{}.residual", student.branch())
}

/// # Errors
/// If the arrays are there and can't be used.
pub fn read(
    source: &ArraySource<'_>,
    student: Student,
) -> Result<Option<Box<dyn BranchModel>>, StatisticsError> {
    let name = name(student);
    source.branch(&format!("{name}.mean"), || {
        let rank = source.residual_rank(student)?;
        let gaussian = source.position_gaussian(&name, Positions::WHOLE, rank)?;
        Ok(StudentResidual::new(student, gaussian))
    })
}
