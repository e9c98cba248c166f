//! Reads the arrays of one statistic out of a file whose content is untrusted.

use ndarray::{Array, Array1, Array2, Dimension};

use super::{FineStatistics, StatisticsError};
use crate::arrays::Arrays;
use crate::branches::shared::low_rank::{LowRank, STACKED};
use crate::branches::shared::packed;
use crate::branches::shared::position_gaussian::{MAX_RANK, PositionGaussian, Positions};
use crate::branches::shared::reference::Reference;
use crate::branches::shared::shrunk_gaussian::ShrunkGaussian;
use crate::branches::student_residual::Student;
use crate::branches::{Branch, BranchModel};
use crate::network::ResidualDirections;

/// Largest number of classes, and cells a side of the layout grid, that a bundle may request.
pub const MAX_CLASSES: usize = 64;
const MAX_GRID: usize = 16;
/// Largest number of good parts that each part is compared with.
pub const MAX_GOOD: usize = 16_384;

/// Arrays from a file that may be anything.
pub struct ArraySource<'a> {
    arrays: &'a Arrays,
    rank: usize,
    fine: Option<&'a FineStatistics>,
    residuals: Option<&'a ResidualDirections>,
}

impl<'a> ArraySource<'a> {
    pub(super) fn new(
        arrays: &'a Arrays,
        rank: usize,
        fine: Option<&'a FineStatistics>,
        residuals: Option<&'a ResidualDirections>,
    ) -> Self {
        ArraySource {
            arrays,
            rank,
            fine,
            residuals,
        }
    }

    /// Rows and columns of the fine view, and the length of its vectors.
    ///
    /// # Errors
    /// If there is no fine view.
    pub fn fine(&self) -> Result<((usize, usize), usize), StatisticsError> {
        let fine = self
            .fine
            .ok_or_else(|| StatisticsError::Missing("fine.matrix".into()))?;
        Ok((fine.cells, fine.low_rank.rank()))
    }

    /// Length of the vectors of a student's residual.
    ///
    /// # Errors
    /// If there are no directions of residuals.
    pub fn residual_rank(&self, student: Student) -> Result<usize, StatisticsError> {
        let residuals = self
            .residuals
            .ok_or_else(|| StatisticsError::Missing("residual.local.matrix".into()))?;
        Ok(match student {
            Student::Local => residuals.local.rank(),
            Student::Global => residuals.global.rank(),
        })
    }

    /// # Errors
    /// If the students' residuals are read: their errors are unknown then.
    pub fn with_student_errors(&self) -> Result<(), StatisticsError> {
        match self.residuals {
            None => Ok(()),
            Some(_) => Err(StatisticsError::Students),
        }
    }

    /// Length of a position's low-rank vector; 0 without them.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// A branch's model, if the array `name` is there.
    pub fn branch<M: BranchModel>(
        &self,
        name: &str,
        read: impl FnOnce() -> Result<M, StatisticsError>,
    ) -> Result<Option<Box<dyn BranchModel>>, StatisticsError> {
        let model = self.when(name, read)?;
        Ok(model.map(|model| Box::new(model) as Box<dyn BranchModel>))
    }

    /// The array `name`, of `D` dimensions and any shape.
    ///
    /// # Errors
    /// If it is missing, has another number of dimensions, or holds a value that is no number.
    pub fn get<D: Dimension>(&self, name: &str) -> Result<Array<f32, D>, StatisticsError> {
        let array = self
            .arrays
            .get::<f32>(name)
            .ok_or_else(|| StatisticsError::Missing(name.into()))?;
        if !array.iter().all(|v| v.is_finite()) {
            return Err(StatisticsError::NotFinite(name.into()));
        }
        array
            .as_standard_layout()
            .into_owned()
            .into_dimensionality()
            .map_err(|_| StatisticsError::Shape {
                name: name.into(),
                found: array.shape().to_vec(),
                expected: match D::NDIM {
                    Some(count) => format!("{count} dimensions"),
                    None => "other dimensions".into(),
                },
            })
    }

    /// The array `name` of exactly this `shape`.
    ///
    /// # Errors
    /// Those of [`get`](Self::get), and if it has another shape.
    pub fn exact<D: Dimension>(
        &self,
        name: &str,
        shape: &[usize],
    ) -> Result<Array<f32, D>, StatisticsError> {
        let array = self.get::<D>(name)?;
        self.check(name, &array, shape)?;
        Ok(array)
    }

    /// # Errors
    /// If `array`, which is that of `name`, has another shape than `shape`.
    pub fn check<D: Dimension>(
        &self,
        name: &str,
        array: &Array<f32, D>,
        shape: &[usize],
    ) -> Result<(), StatisticsError> {
        if array.shape() == shape {
            return Ok(());
        }
        Err(self.shape(name, array, format!("{shape:?}")))
    }

    /// The error that `array`, which is that of `name`, has another shape than the `expected` one.
    pub fn shape<D: Dimension>(
        &self,
        name: &str,
        array: &Array<f32, D>,
        expected: String,
    ) -> StatisticsError {
        StatisticsError::Shape {
            name: name.into(),
            found: array.shape().to_vec(),
            expected,
        }
    }

    pub fn when<T>(
        &self,
        name: &str,
        read: impl FnOnce() -> Result<T, StatisticsError>,
    ) -> Result<Option<T>, StatisticsError> {
        let there = self.arrays.names().any(|n| n == name);
        there.then(read).transpose()
    }

    /// Classes and cells a side of the grid. A third number is 0; in older bundles it said that pieces were counted as
    /// well.
    pub fn sizes(&self, name: &str) -> Result<(usize, usize), StatisticsError> {
        let sizes: Array1<f32> = self.exact(name, &[3])?;
        let (classes, grid) = (sizes[0] as usize, sizes[1] as usize);
        if !(2..=MAX_CLASSES).contains(&classes) || !(1..=MAX_GRID).contains(&grid) {
            return Err(self.shape(
                name,
                &sizes,
                format!("2 to {MAX_CLASSES} classes and 1 to {MAX_GRID} cells"),
            ));
        }
        if sizes[2] != 0.0 {
            return Err(StatisticsError::Branch(Branch::Histogram));
        }
        Ok((classes, grid))
    }

    /// Of the stacked features.
    pub fn low_rank(&self, name: &str) -> Result<LowRank, StatisticsError> {
        let low_rank = self.directions(name)?;
        let stacked = [STACKED, low_rank.rank()];
        self.check(&format!("{name}.matrix"), &low_rank.matrix, &stacked)?;
        Ok(low_rank)
    }

    /// Of the students' residuals.
    pub fn residuals(&self) -> Result<ResidualDirections, StatisticsError> {
        Ok(ResidualDirections {
            local: self.directions("residual.local")?,
            global: self.directions("residual.global")?,
        })
    }

    /// Directions of vectors of any length.
    fn directions(&self, name: &str) -> Result<LowRank, StatisticsError> {
        let matrix_name = format!("{name}.matrix");
        let matrix: Array2<f32> = self.get(&matrix_name)?;
        let rank = matrix.ncols();
        if rank == 0 || rank > MAX_RANK {
            let expected = format!("1 to {MAX_RANK} columns");
            return Err(self.shape(&matrix_name, &matrix, expected));
        }
        Ok(LowRank {
            matrix,
            offset: self.exact(&format!("{name}.offset"), &[rank])?,
        })
    }

    /// One Gaussian a position of the low-rank vectors.
    pub fn position_gaussian(
        &self,
        name: &str,
        positions: Positions,
        rank: usize,
    ) -> Result<PositionGaussian, StatisticsError> {
        let (rows, columns) = positions.blocks();
        let whitening = [rows * columns, packed::length(rank)];
        let mean_name = format!("{name}.mean");
        let mean = self.exact(&mean_name, &[positions.count(), rank])?;
        let whitening = self.exact(&format!("{name}.whitening"), &whitening)?;
        PositionGaussian::new(positions, mean, whitening).ok_or(StatisticsError::Missing(mean_name))
    }

    pub fn reference(&self, name: &str, length: usize) -> Result<Reference, StatisticsError> {
        let whitening_name = format!("{name}.whitening");
        let whitening: Array2<f32> = self.get(&whitening_name)?;
        let kept = whitening.ncols();
        self.check(&whitening_name, &whitening, &[length, kept])?;
        let space = ShrunkGaussian {
            mean: self.exact(&format!("{name}.mean"), &[length])?,
            whitening,
        };
        let good_name = format!("{name}.good");
        let good = self.when(&good_name, || {
            let good: Array2<f32> = self.get(&good_name)?;
            let parts = good.nrows().clamp(1, MAX_GOOD);
            self.check(&good_name, &good, &[parts, kept])?;
            Ok(good)
        })?;
        Ok(match good {
            Some(good) => Reference::Nearest { space, good },
            None => Reference::Gaussian(space),
        })
    }
}
