//! A linear autoencoder over the whole registered part: it predicts each place from the rest of the part. It is a
//! closed-form relative of the paper's global student. It detects parts that are each ordinary but do not belong
//! together, such as the label of one variant on the bottle of another: no single code rebuilds both.

use super::shared::aligned_part::AlignedPart;
use super::shared::low_rank::GRID;
use super::shared::map::{AnomalyMap, MapBuffer};
use super::statistics::{ArraySource, StatisticsError};
use super::{Branch, BranchModel};
use crate::arrays::Arrays;
use ndarray::{Array1, Array2, ArrayViewMut1};

use super::shared::position_gaussian::{PositionGaussian, Positions};

/// Mean part, the directions in which parts differ as a whole, and a Gaussian a position of what they leave over.
#[derive(Clone, Debug)]
pub struct Context {
    /// `[GRID²·rank]`
    pub mean: Array1<f32>,
    /// `[codes, GRID²·rank]`, orthonormal rows.
    pub basis: Array2<f32>,
    pub residual: PositionGaussian,
}

impl Context {
    /// Mahalanobis distance of what the code of the part leaves over, at each position. `vectors` is `[GRID², rank]`;
    /// `rebuilt`, of the same shape, and `map`, of GRID² values, are written.
    pub fn map(&self, vectors: &Array2<f32>, rebuilt: &mut Array2<f32>, map: &mut [f32]) {
        rebuilt.assign(vectors);
        let Some(left) = rebuilt.as_slice_mut() else {
            return;
        };
        let mut left = ArrayViewMut1::from(left);
        left -= &self.mean;
        for direction in self.basis.rows() {
            // What the directions before took away is at right angles to this one.
            let code = direction.dot(&left);
            left.scaled_add(-code, &direction);
        }
        self.residual.map(rebuilt, map);
    }
}

/// The branch: the autoencoder and what it made of the latest part.
#[derive(Clone, Debug)]
pub struct ContextBranch {
    context: Context,
    rebuilt: Array2<f32>,
    map: MapBuffer,
}

impl ContextBranch {
    pub fn new(context: Context) -> Self {
        ContextBranch {
            rebuilt: Array2::zeros(context.residual.shape()),
            map: MapBuffer::new(GRID),
            context,
        }
    }
}

impl BranchModel for ContextBranch {
    fn branch(&self) -> Branch {
        Branch::Context
    }

    fn score(&mut self, part: &mut AlignedPart<'_>) -> f32 {
        part.place(&mut self.map);
        let vectors = part.vectors();
        self.context
            .map(vectors, &mut self.rebuilt, &mut self.map.values);
        self.map.score()
    }

    fn map(&self) -> Option<AnomalyMap<'_>> {
        Some(self.map.map())
    }

    fn write(&self, arrays: &mut Arrays) {
        let Context {
            mean,
            basis,
            residual,
        } = &self.context;
        arrays.insert("context.mean", mean.clone());
        arrays.insert("context.basis", basis.clone());
        residual.write(arrays, "context.residual");
    }

    fn boxed(&self) -> Box<dyn BranchModel> {
        Box::new(self.clone())
    }
}

/// # Errors
/// If the arrays are there and can't be used.
pub fn read(source: &ArraySource<'_>) -> Result<Option<Box<dyn BranchModel>>, StatisticsError> {
    source.branch("context.mean", || {
        let length = GRID * GRID * source.rank();
        let basis: Array2<f32> = source.get("context.basis")?;
        source.check("context.basis", &basis, &[basis.nrows(), length])?;
        Ok(ContextBranch::new(Context {
            mean: source.exact("context.mean", &[length])?,
            basis,
            residual: source.position_gaussian(
                "context.residual",
                Positions::WHOLE,
                source.rank(),
            )?,
        }))
    })
}
