//! One array, or the arrays of one statistic, out of a file that may be anything.

use ndarray::{Array, Array1, Array2, Dimension, Ix1};

use super::StatisticsError;
use crate::arrays::Arrays;
use crate::score::Branch;
use crate::score::heat::Range;
use crate::score::inventory::{Inventory, arrays as inventory};
use crate::score::lgst::LgstScale;
use crate::score::low_rank::{LowRank, STACKED};
use crate::score::packed;
use crate::score::patch_mixture::PatchMixture;
use crate::score::position_gaussian::MAX_RANK;
use crate::score::reference::Reference;
use crate::score::shrunk_gaussian::ShrunkGaussian;

/// Largest number of classes, and cells a side of the layout grid, that a bundle may ask for.
const MAX_CLASSES: usize = 64;
const MAX_GRID: usize = 16;
/// Largest number of kinds of parts.
const MAX_KINDS: usize = 256;
/// Largest number of good parts that each part is compared with.
const MAX_GOOD: usize = 16_384;
/// Largest number of kinds of patches.
const MAX_PATCH_KINDS: usize = 4096;

/// Arrays from a file that may be anything.
pub(super) struct Source<'a>(pub(super) &'a Arrays);

impl Source<'_> {
    pub(super) fn get<D: Dimension>(&self, name: &str) -> Result<Array<f32, D>, StatisticsError> {
        let array = self
            .0
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
                wanted: match D::NDIM {
                    Some(count) => format!("{count} dimensions"),
                    None => "other dimensions".into(),
                },
            })
    }

    pub(super) fn exact<D: Dimension>(
        &self,
        name: &str,
        shape: &[usize],
    ) -> Result<Array<f32, D>, StatisticsError> {
        let array = self.get::<D>(name)?;
        self.check(name, &array, shape)?;
        Ok(array)
    }

    pub(super) fn check<D: Dimension>(
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

    pub(super) fn shape<D: Dimension>(
        &self,
        name: &str,
        array: &Array<f32, D>,
        wanted: String,
    ) -> StatisticsError {
        StatisticsError::Shape {
            name: name.into(),
            found: array.shape().to_vec(),
            wanted,
        }
    }

    pub(super) fn when<T>(
        &self,
        name: &str,
        read: impl FnOnce() -> Result<T, StatisticsError>,
    ) -> Result<Option<T>, StatisticsError> {
        let there = self.0.names().any(|n| n == name);
        there.then(read).transpose()
    }

    /// Classes and cells a side of the grid. A third number is 0; in older bundles it said that pieces were counted as well.
    pub(super) fn sizes(&self, name: &str) -> Result<(usize, usize), StatisticsError> {
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

    pub(super) fn low_rank(&self, name: &str) -> Result<LowRank, StatisticsError> {
        let (matrix_name, offset) = (format!("{name}.matrix"), format!("{name}.offset"));
        let matrix: Array2<f32> = self.get(&matrix_name)?;
        let rank = matrix.ncols();
        self.check(&matrix_name, &matrix, &[STACKED, rank])?;
        if rank == 0 || rank > MAX_RANK {
            let wanted = format!("1 to {MAX_RANK} columns");
            return Err(self.shape(&matrix_name, &matrix, wanted));
        }
        Ok(LowRank {
            matrix,
            offset: self.exact(&offset, &[rank])?,
        })
    }

    pub(super) fn patch(&self) -> Result<PatchMixture, StatisticsError> {
        let low_rank = self.low_rank("patch")?;
        let rank = low_rank.rank();
        let means: Array2<f32> = self.get("patch.means")?;
        let kinds = means.nrows();
        if !(1..=MAX_PATCH_KINDS).contains(&kinds) || means.ncols() != rank {
            let wanted = format!("1 to {MAX_PATCH_KINDS} rows of {rank}");
            return Err(self.shape("patch.means", &means, wanted));
        }
        let whitening = self.exact("patch.whitening", &[kinds, packed::length(rank)])?;
        let rarity = self.exact("patch.rarity", &[kinds])?;
        PatchMixture::new(low_rank, means, whitening, rarity)
            .ok_or_else(|| StatisticsError::Missing("patch.means".into()))
    }

    pub(super) fn lgst(&self) -> Result<LgstScale, StatisticsError> {
        let scale = self.exact::<Ix1>("lgst.scale", &[4])?;
        let range = |at: usize| Range {
            q900: scale[at],
            q995: scale[at + 1],
        };
        Ok(LgstScale {
            local: range(0),
            global: range(2),
        })
    }

    pub(super) fn inventory(&self) -> Result<Inventory, StatisticsError> {
        let classes: Array2<f32> = self.get(inventory::CLASSES)?;
        if classes.nrows() > MAX_CLASSES || !(2..=MAX_CLASSES).contains(&classes.ncols()) {
            let wanted = format!("2 to {MAX_CLASSES} classes, in as many components at most");
            return Err(self.shape(inventory::CLASSES, &classes, wanted));
        }
        let weights: Array1<f32> = self.exact(inventory::WEIGHTS, &[classes.nrows()])?;
        let kinds: Array2<f32> = self.get(inventory::KINDS)?;
        let count = kinds.nrows().min(MAX_KINDS);
        self.check(inventory::KINDS, &kinds, &[count, inventory::KIND_COLUMNS])?;
        let good: Array2<f32> = self.get(inventory::GOOD)?;
        let parts = good.nrows().min(MAX_GOOD);
        self.check(inventory::GOOD, &good, &[parts, kinds.nrows()])?;
        Inventory::from_arrays(&classes, &weights.to_vec(), &kinds, good)
            .ok_or(StatisticsError::Inventory)
    }

    pub(super) fn reference(
        &self,
        name: &str,
        length: usize,
    ) -> Result<Reference, StatisticsError> {
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
