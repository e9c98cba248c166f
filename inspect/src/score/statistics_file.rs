//! The statistics of good parts as named arrays, for the bundle.

mod source;

use ndarray::{Array2, Ix1, Ix3, array};
use source::Source;

use super::Branch;
use super::context::Context;
use super::error_scale::ErrorScale;
use super::heat::Range;
use super::inventory::arrays as inventory;
use super::lgst::LgstScale;
use super::low_rank::{GRID, LowRank};
use super::position_gaussian::PositionGaussian;
use super::reference::Reference;
use super::registration::{self, Registration};
use super::scorer::{HistogramModel, LayoutModel, Statistics};
use super::{packed, pooled};
use crate::arrays::Arrays;
use crate::network::{Features, MAP_SIDE};

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
    #[error(
        "the bundle's verdicts count on `{0}` and its statistics lack it: it was written by another version of this product, \
         train it again with `aecsad-train fit`"
    )]
    Branch(Branch),
    #[error("the array `{0}` holds values that are not numbers")]
    NotFinite(String),
}

impl Statistics {
    /// Whether something here reads an encoder's features as they are; what does is made for EfficientNet-Lite0's.
    pub fn read_features(&self) -> bool {
        self.registration.is_some()
            || self.low_rank.is_some()
            || self.patch.is_some()
            || self.pooled.is_some()
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
            arrays.insert("patch.matrix", patch.low_rank().matrix.clone());
            arrays.insert("patch.offset", patch.low_rank().offset.clone());
            arrays.insert("patch.means", patch.means().clone());
            arrays.insert("patch.whitening", patch.whitening().clone());
            arrays.insert("patch.rarity", patch.rarity().clone());
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
            let sizes = array![model.classes as f32, model.grid as f32, 0.0];
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
        let low_rank = source.when("low_rank.matrix", || source.low_rank("low_rank"))?;
        let rank = low_rank.as_ref().map_or(0, LowRank::rank);
        let vectors = ["position.mean", "context.mean"];
        if low_rank.is_none() && arrays.names().any(|name| vectors.contains(&name)) {
            return Err(StatisticsError::Missing("low_rank.matrix".into()));
        }
        let cells = GRID * GRID;
        let packed = packed::length(rank);
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
        let patch = source.when("patch.means", || source.patch())?;
        let pooled = source.when("pooled.mean", || source.reference("pooled", pooled::LENGTH))?;
        let histogram = source.when("histogram.sizes", || {
            let (classes, grid) = source.sizes("histogram.sizes")?;
            let length = super::class_histogram::length(classes, grid);
            let reference = source.reference("histogram", length)?;
            Ok(HistogramModel {
                classes,
                grid,
                reference,
            })
        })?;
        let layout = source.when("layout.sizes", || {
            let (classes, grid) = source.sizes("layout.sizes")?;
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

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2, arr1};

    use super::super::inventory::Inventory;
    use super::super::shrunk_gaussian::ShrunkGaussian;
    use super::*;

    /// Shares of two classes, compared with so many good parts.
    fn histogram(parts: usize) -> HistogramModel {
        let space = ShrunkGaussian {
            mean: Array1::zeros(1),
            whitening: Array2::eye(1),
        };
        HistogramModel {
            classes: 2,
            grid: 1,
            reference: Reference::Nearest {
                space,
                good: Array2::zeros((parts, 1)),
            },
        }
    }

    /// One kind of parts, as so many good parts hold it.
    fn inventory(parts: usize) -> Inventory {
        let kinds = ndarray::arr2(&[[0.0, 2.0, 1.0, 1.0, 0.1, 0.1, 0.1]]);
        let good = Array2::ones((parts, 1));
        Inventory::from_arrays(&ndarray::arr2(&[[0.0, 1.0]]), &[1.0], &kinds, good).unwrap()
    }

    fn statistics(parts: usize) -> Statistics {
        Statistics {
            histogram: Some(histogram(parts)),
            inventory: Some(inventory(parts)),
            ..Statistics::default()
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let read = Statistics::from_arrays(&statistics(3).to_arrays()).unwrap();
        assert_eq!(read.inventory, Some(inventory(3)));
        let Reference::Nearest { good, .. } = read.histogram.unwrap().reference else {
            panic!("it was written as neighbours")
        };
        assert_eq!(good.nrows(), 3);
    }

    #[test]
    fn more_good_parts_than_time_allows_are_refused() {
        let neighbours = Statistics {
            histogram: Some(histogram(20_000)),
            ..Statistics::default()
        };
        let counted = Statistics {
            inventory: Some(inventory(20_000)),
            ..Statistics::default()
        };
        for (many, name) in [(neighbours, "histogram.good"), (counted, "inventory.good")] {
            let error = Statistics::from_arrays(&many.to_arrays()).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn a_bundle_that_counts_pieces_in_its_histogram_is_to_be_trained_again() {
        let mut arrays = statistics(3).to_arrays();
        arrays.insert("histogram.sizes", arr1(&[2.0f32, 1.0, 1.0]));
        let error = Statistics::from_arrays(&arrays).unwrap_err();
        assert!(error.to_string().contains("train it again"), "{error}");
    }
}
