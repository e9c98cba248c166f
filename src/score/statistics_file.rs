//! The statistics of good parts as named arrays, for the bundle.

use ndarray::{Array, Array1, Array2, Dimension, Ix1, Ix3, array};

use super::Branch;
use super::context::Context;
use super::error_scale::ErrorScale;
use super::heat::Range;
use super::inventory::{Inventory, arrays as inventory};
use super::lgst::LgstScale;
use super::low_rank::{GRID, LowRank, STACKED};
use super::patch_memory::{COARSE, PatchMemory};
use super::pooled;
use super::position_gaussian::{MAX_RANK, PositionGaussian};
use super::reference::Reference;
use super::registration::{self, Registration};
use super::scorer::{HistogramModel, LayoutModel, Statistics, histogram_length};
use super::shrunk_gaussian::ShrunkGaussian;
use crate::bundle::Arrays;
use crate::network::{Features, MAP_SIDE};

/// Largest number of classes, and cells a side of the layout grid, that a bundle may ask for.
const MAX_CLASSES: usize = 64;
const MAX_GRID: usize = 16;
/// Largest number of kinds of parts.
const MAX_KINDS: usize = 256;

#[derive(Debug, thiserror::Error)]
pub enum StatisticsError {
    #[error("the statistics lack the array `{0}`: the bundle was not written by this product")]
    Missing(String),
    #[error("the array `{name}` has shape {found:?} instead of {wanted}")]
    Shape {
        name: String,
        found: Vec<usize>,
        wanted: String,
    },
    #[error(
        "the statistics count {statistics} classes and the bundle's segmentation {segmentation}: it was not written \
         by this product"
    )]
    Classes {
        statistics: usize,
        segmentation: usize,
    },
    #[error(
        "the statistics are of EfficientNet-Lite0's features and the bundle's encoder gives {channels:?} channels: it was \
         not written by this product"
    )]
    Encoder { channels: [usize; 3] },
    #[error(
        "the arrays of the inventory contradict each other: the bundle was not written by this product"
    )]
    Inventory,
    #[error("the array `{0}` holds values that are not numbers")]
    NotFinite(String),
}

impl Statistics {
    /// Whether something here reads an encoder's features as they are; what does is made for EfficientNet-Lite0's.
    pub fn read_features(&self) -> bool {
        self.registration.is_some() || self.low_rank.is_some() || self.pooled.is_some()
    }

    pub fn to_arrays(&self) -> Arrays {
        let mut arrays = Arrays::new();
        if let Some(low_rank) = &self.low_rank {
            arrays.insert("low_rank.matrix", low_rank.matrix.clone());
            arrays.insert("low_rank.offset", low_rank.offset.clone());
        }
        if let Some(registration) = &self.registration {
            arrays.insert("registration.projection", registration.projection().clone());
            arrays.insert("registration.template", registration.template().clone());
        }
        if let Some(position) = &self.position {
            arrays.insert("position.mean", position.mean.clone());
            arrays.insert("position.whitening", position.whitening.clone());
        }
        if let Some(patch) = &self.patch {
            arrays.insert("patch.directions", patch.directions().clone());
            arrays.insert("patch.patches", patch.patches().clone());
        }
        if let Some(context) = &self.context {
            arrays.insert("context.mean", context.mean.clone());
            arrays.insert("context.basis", context.basis.clone());
            arrays.insert("context.residual.mean", context.residual.mean.clone());
            arrays.insert(
                "context.residual.whitening",
                context.residual.whitening.clone(),
            );
        }
        if let Some(reference) = &self.pooled {
            write_reference(&mut arrays, "pooled", reference);
        }
        if let Some(model) = &self.histogram {
            let pieces = model.pieces as u8 as f32;
            let sizes = array![model.classes as f32, model.grid as f32, pieces];
            arrays.insert("histogram.sizes", sizes);
            write_reference(&mut arrays, "histogram", &model.reference);
        }
        if let Some(model) = &self.layout {
            arrays.insert(
                "layout.sizes",
                array![model.classes as f32, model.grid as f32, 0.0],
            );
            arrays.insert("layout.mean", model.mean.clone());
        }
        for (branch, scale) in [(Branch::Local, &self.local), (Branch::Global, &self.global)] {
            if let Some(scale) = scale {
                arrays.insert(format!("{branch}.mean"), scale.mean.clone());
                arrays.insert(format!("{branch}.std"), scale.std.clone());
            }
        }
        if let Some(LgstScale { local, global }) = &self.lgst {
            let scale = array![local.q900, local.q995, global.q900, global.q995];
            arrays.insert("lgst.scale", scale);
        }
        if let Some(inventory) = &self.inventory {
            inventory.to_arrays(&mut arrays);
        }
        for (branch, range) in &self.ranges {
            arrays.insert(format!("{branch}.range"), array![range.q900, range.q995]);
        }
        arrays
    }

    pub fn from_arrays(arrays: &Arrays) -> Result<Self, StatisticsError> {
        let source = Source(arrays);
        let low_rank = source.when("low_rank.matrix", || source.low_rank())?;
        let rank = low_rank.as_ref().map_or(0, LowRank::rank);
        let vectors = ["position.mean", "context.mean", "patch.patches"];
        if low_rank.is_none() && arrays.names().any(|name| vectors.contains(&name)) {
            return Err(StatisticsError::Missing("low_rank.matrix".into()));
        }
        let cells = GRID * GRID;
        let packed = rank * (rank + 1) / 2;
        let registration = source.when("registration.template", || {
            let projection: Array2<f32> = source.get("registration.projection")?;
            let channels = projection.nrows();
            source.check(
                "registration.projection",
                &projection,
                &[channels, Features::STRIDE4.0],
            )?;
            let shape = [channels, registration::SIDE, registration::SIDE];
            let template = source.exact::<Ix3>("registration.template", &shape)?;
            Registration::new(projection, template)
                .ok_or_else(|| StatisticsError::NotFinite("registration.template".into()))
        })?;
        let position = source.when("position.mean", || {
            Ok(PositionGaussian {
                mean: source.exact("position.mean", &[cells, rank])?,
                whitening: source.exact("position.whitening", &[cells, packed])?,
            })
        })?;
        let context = source.when("context.mean", || {
            let basis: Array2<f32> = source.get("context.basis")?;
            source.check("context.basis", &basis, &[basis.nrows(), cells * rank])?;
            Ok(Context {
                mean: source.exact("context.mean", &[cells * rank])?,
                basis,
                residual: PositionGaussian {
                    mean: source.exact("context.residual.mean", &[cells, rank])?,
                    whitening: source.exact("context.residual.whitening", &[cells, packed])?,
                },
            })
        })?;
        let patch = source.when("patch.patches", || {
            let patches: Array2<f32> = source.get("patch.patches")?;
            let described = patches.ncols();
            source.check(
                "patch.patches",
                &patches,
                &[patches.nrows().max(1), described],
            )?;
            let directions = source.exact("patch.directions", &[COARSE, described])?;
            Ok(PatchMemory::new(directions, patches))
        })?;
        let pooled = source.when("pooled.mean", || source.reference("pooled", pooled::LENGTH))?;
        let histogram = source.when("histogram.sizes", || {
            let (classes, grid, pieces) = source.sizes("histogram.sizes")?;
            let length = histogram_length(classes, grid, pieces);
            let reference = source.reference("histogram", length)?;
            Ok(HistogramModel {
                classes,
                grid,
                pieces,
                reference,
            })
        })?;
        let layout = source.when("layout.sizes", || {
            let (classes, grid, _) = source.sizes("layout.sizes")?;
            let length = super::class_histogram::length(classes, grid);
            let mean = source.exact::<Ix1>("layout.mean", &[length - (classes - 1)])?;
            Ok(LayoutModel {
                classes,
                grid,
                mean,
            })
        })?;
        let error_scale = |branch: Branch| {
            let (mean, std) = (format!("{branch}.mean"), format!("{branch}.std"));
            source.when(&mean, || {
                Ok(ErrorScale {
                    mean: source.exact(&mean, &[MAP_SIDE, MAP_SIDE])?,
                    std: source.exact(&std, &[MAP_SIDE, MAP_SIDE])?,
                })
            })
        };
        let mut ranges = Vec::new();
        for branch in Branch::ALL {
            let name = format!("{branch}.range");
            if let Some(range) = source.when(&name, || source.exact::<Ix1>(&name, &[2]))? {
                ranges.push((
                    branch,
                    Range {
                        q900: range[0],
                        q995: range[1],
                    },
                ));
            }
        }
        Ok(Statistics {
            registration,
            low_rank,
            position,
            patch,
            pooled,
            context,
            histogram,
            layout,
            local: error_scale(Branch::Local)?,
            global: error_scale(Branch::Global)?,
            lgst: source.when("lgst.scale", || source.lgst())?,
            inventory: source.when(inventory::KINDS, || source.inventory())?,
            ranges,
        })
    }
}

fn write_reference(arrays: &mut Arrays, name: &str, reference: &Reference) {
    let space = match reference {
        Reference::Gaussian(gaussian) => gaussian,
        Reference::Nearest { space, good } => {
            arrays.insert(format!("{name}.good"), good.clone());
            space
        }
    };
    arrays.insert(format!("{name}.mean"), space.mean.clone());
    arrays.insert(format!("{name}.whitening"), space.whitening.clone());
}

/// Arrays from a file that may be anything.
struct Source<'a>(&'a Arrays);

impl Source<'_> {
    fn get<D: Dimension>(&self, name: &str) -> Result<Array<f32, D>, StatisticsError> {
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
                wanted: format!("{:?} dimensions", D::NDIM),
            })
    }

    fn exact<D: Dimension>(
        &self,
        name: &str,
        shape: &[usize],
    ) -> Result<Array<f32, D>, StatisticsError> {
        let array = self.get::<D>(name)?;
        self.check(name, &array, shape)?;
        Ok(array)
    }

    fn check<D: Dimension>(
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

    fn shape<D: Dimension>(
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

    fn when<T>(
        &self,
        name: &str,
        read: impl FnOnce() -> Result<T, StatisticsError>,
    ) -> Result<Option<T>, StatisticsError> {
        let there = self.0.names().any(|n| n == name);
        there.then(read).transpose()
    }

    /// Classes, cells a side of the grid, and whether pieces count.
    fn sizes(&self, name: &str) -> Result<(usize, usize, bool), StatisticsError> {
        let sizes: Array1<f32> = self.exact(name, &[3])?;
        let (classes, grid) = (sizes[0] as usize, sizes[1] as usize);
        if !(2..=MAX_CLASSES).contains(&classes) || !(1..=MAX_GRID).contains(&grid) {
            return Err(self.shape(
                name,
                &sizes,
                format!("2 to {MAX_CLASSES} classes and 1 to {MAX_GRID} cells"),
            ));
        }
        Ok((classes, grid, sizes[2] != 0.0))
    }

    fn low_rank(&self) -> Result<LowRank, StatisticsError> {
        let matrix: Array2<f32> = self.get("low_rank.matrix")?;
        let rank = matrix.ncols();
        self.check("low_rank.matrix", &matrix, &[STACKED, rank])?;
        if rank == 0 || rank > MAX_RANK {
            let wanted = format!("1 to {MAX_RANK} columns");
            return Err(self.shape("low_rank.matrix", &matrix, wanted));
        }
        Ok(LowRank {
            matrix,
            offset: self.exact("low_rank.offset", &[rank])?,
        })
    }

    fn lgst(&self) -> Result<LgstScale, StatisticsError> {
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

    fn inventory(&self) -> Result<Inventory, StatisticsError> {
        let classes: Array2<f32> = self.get(inventory::CLASSES)?;
        if classes.nrows() > MAX_CLASSES || !(2..=MAX_CLASSES).contains(&classes.ncols()) {
            let wanted = format!("2 to {MAX_CLASSES} classes, in as many components at most");
            return Err(self.shape(inventory::CLASSES, &classes, wanted));
        }
        let weights: Array1<f32> = self.exact(inventory::WEIGHTS, &[classes.nrows()])?;
        let kinds: Array2<f32> = self.get(inventory::KINDS)?;
        let count = kinds.nrows().min(MAX_KINDS);
        self.check(inventory::KINDS, &kinds, &[count, inventory::KIND_COLUMNS])?;
        let good = self.get(inventory::GOOD)?;
        Inventory::from_arrays(&classes, &weights.to_vec(), &kinds, good)
            .ok_or(StatisticsError::Inventory)
    }

    fn reference(&self, name: &str, length: usize) -> Result<Reference, StatisticsError> {
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
            self.check(&good_name, &good, &[good.nrows().max(1), kept])?;
            Ok(good)
        })?;
        Ok(match good {
            Some(good) => Reference::Nearest { space, good },
            None => Reference::Gaussian(space),
        })
    }
}
