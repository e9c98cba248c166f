//! The statistics of good parts: those of each branch and what branches share, as named arrays for the bundle.

mod source;

use std::any::Any;

use ndarray::{Array2, Ix1, Ix3, array};

pub use source::{ArraySource, MAX_CLASSES, MAX_GOOD};

/// Most rows, and columns, of a fine view.
const MAX_FINE_CELLS: usize = 512;

/// Most cells along the frame's edges that may not count: a wider margin would make branches blind.
const MAX_MARGIN: f32 = 4.0;

use super::shared::heat::Range;
use super::shared::low_rank::LowRank;
use super::shared::registration::{self, Registration};
use super::{Branch, BranchModel, READERS, Reads};
use crate::arrays::Arrays;
use crate::network::{Features, ResidualDirections};

#[derive(Debug, thiserror::Error)]
pub enum StatisticsError {
    #[error("the statistics lack the array `{0}`: the bundle was not written by this product")]
    Missing(String),
    #[error("the array `{name}` has shape {found:?} instead of {expected}")]
    Shape {
        name: String,
        found: Vec<usize>,
        expected: String,
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
        "the statistics of the fine view and the size of its images contradict each other: the bundle was not written by \
         this product"
    )]
    Fine,
    #[error(
        "the statistics of the students' residuals and the bundle's students contradict each other: the bundle was not \
         written by this product"
    )]
    Students,
    #[error(
        "the array `registration.margin` is not a number of cells from 0 to 4: the bundle was not written by this product"
    )]
    Margin,
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

/// What the branches of the fine view share.
#[derive(Clone, Debug)]
pub struct FineStatistics {
    /// Rows and columns.
    pub cells: (usize, usize),
    pub low_rank: LowRank,
}

/// What good parts look like; a branch without its model has no score.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    pub registration: Option<Registration>,
    /// What position and context compare; none in a bundle without these branches.
    pub low_rank: Option<LowRank>,
    /// None in a bundle whose branches read only the whole view.
    pub fine: Option<FineStatistics>,
    /// Onto which the students' residuals are projected; none where no branch reads them.
    pub residuals: Option<ResidualDirections>,
    /// In the order of [`Branch::ALL`], each at most once.
    pub models: Vec<Box<dyn BranchModel>>,
    /// How each map-making branch enters the heat map.
    pub ranges: Vec<(Branch, Range)>,
}

impl Statistics {
    /// With this model too, in the place of one of the same branch.
    pub fn with(mut self, model: Box<dyn BranchModel>) -> Self {
        self.models.retain(|other| other.branch() != model.branch());
        self.models.push(model);
        self.models.sort_by_key(|model| model.branch());
        self
    }

    /// Whether `branch` has a score.
    pub fn has(&self, branch: Branch) -> bool {
        self.models.iter().any(|model| model.branch() == branch)
    }

    /// Without the fine view and the students' residuals if no branch reads them: a part should not wait for what nothing
    /// needs.
    pub fn without_idle_views(mut self) -> Self {
        let branches = self.models.iter().map(|model| model.branch());
        let reads = |what| branches.clone().any(|branch| branch.reads() == what);
        if !reads(Reads::FineFeatures) {
            self.fine = None;
        }
        if !reads(Reads::Students) {
            self.residuals = None;
        }
        self
    }

    /// The model of this branch, if there is one and it is of this type.
    pub fn of<M: BranchModel>(&self, branch: Branch) -> Option<&M> {
        let model = self.models.iter().find(|model| model.branch() == branch)?;
        (&**model as &dyn Any).downcast_ref()
    }

    /// Whether something here reads an encoder's features as they are; what does is made for EfficientNet-Lite0's.
    pub fn read_features(&self) -> bool {
        let mut branches = self.models.iter().map(|model| model.branch());
        self.registration.is_some()
            || self.low_rank.is_some()
            || self.fine.is_some()
            || branches.any(|branch| branch.reads() == Reads::Features)
    }

    pub fn to_arrays(&self) -> Arrays {
        let mut arrays = Arrays::new();
        if let Some(low_rank) = &self.low_rank {
            low_rank.write(&mut arrays, "low_rank");
        }
        if let Some(fine) = &self.fine {
            fine.low_rank.write(&mut arrays, "fine");
            let (rows, columns) = fine.cells;
            arrays.insert("fine.cells", array![rows as f32, columns as f32]);
        }
        if let Some(residuals) = &self.residuals {
            residuals.local.write(&mut arrays, "residual.local");
            residuals.global.write(&mut arrays, "residual.global");
        }
        if let Some(registration) = &self.registration {
            arrays.insert("registration.projection", registration.projection().clone());
            arrays.insert("registration.template", registration.template().clone());
            if let Some(margin) = registration.margin() {
                arrays.insert("registration.margin", array![margin]);
            }
        }
        for model in &self.models {
            model.write(&mut arrays);
        }
        for (branch, range) in &self.ranges {
            arrays.insert(format!("{branch}.range"), array![range.q900, range.q995]);
        }
        arrays
    }

    /// # Errors
    /// If arrays are there that can't be used, or one lacks that another needs.
    pub fn from_arrays(arrays: &Arrays) -> Result<Self, StatisticsError> {
        let unranked = ArraySource::new(arrays, 0, None, None);
        let low_rank = unranked.when("low_rank.matrix", || unranked.low_rank("low_rank"))?;
        let vectors = ["position.mean", "context.mean"];
        if low_rank.is_none() && arrays.names().any(|name| vectors.contains(&name)) {
            return Err(StatisticsError::Missing("low_rank.matrix".into()));
        }
        let fine = unranked.when("fine.matrix", || fine(&unranked))?;
        let rank = low_rank.as_ref().map_or(0, LowRank::rank);
        let residuals = unranked.when("residual.local.matrix", || unranked.residuals())?;
        let source = ArraySource::new(arrays, rank, fine.as_ref(), residuals.as_ref());
        let mut statistics = Statistics {
            registration: source.when("registration.template", || registration(&source))?,
            low_rank,
            fine: fine.clone(),
            residuals: residuals.clone(),
            ..Statistics::default()
        };
        for read in READERS {
            statistics.models.extend(read(&source)?);
        }
        statistics.models.sort_by_key(|model| model.branch());
        for branch in Branch::ALL {
            let name = format!("{branch}.range");
            if let Some(range) = source.when(&name, || source.exact::<Ix1>(&name, &[2]))? {
                let (q900, q995) = (range[0], range[1]);
                statistics.ranges.push((branch, Range { q900, q995 }));
            }
        }
        Ok(statistics)
    }
}

fn fine(source: &ArraySource<'_>) -> Result<FineStatistics, StatisticsError> {
    let cells = source.exact::<Ix1>("fine.cells", &[2])?;
    let sides = 1..=MAX_FINE_CELLS;
    let (rows, columns) = (cells[0] as usize, cells[1] as usize);
    if !sides.contains(&rows) || !sides.contains(&columns) {
        let expected = format!("1 to {MAX_FINE_CELLS} rows and columns");
        return Err(source.shape("fine.cells", &cells, expected));
    }
    Ok(FineStatistics {
        cells: (rows, columns),
        low_rank: source.low_rank("fine")?,
    })
}

fn registration(source: &ArraySource<'_>) -> Result<Registration, StatisticsError> {
    let projection: Array2<f32> = source.get("registration.projection")?;
    let channels = projection.nrows();
    let shape = [channels, Features::STRIDE4.0];
    source.check("registration.projection", &projection, &shape)?;
    let shape = [channels, registration::SIDE, registration::SIDE];
    let template = source.exact::<Ix3>("registration.template", &shape)?;
    let margin = source.when("registration.margin", || {
        source.exact::<Ix1>("registration.margin", &[1])
    })?;
    let margin = margin.map(|margin| margin[0]);
    if margin.is_some_and(|margin| !(0.0..=MAX_MARGIN).contains(&margin)) {
        return Err(StatisticsError::Margin);
    }
    let registration = Registration::new(projection, template)
        .ok_or_else(|| StatisticsError::NotFinite("registration.template".into()))?;
    Ok(registration.with_margin(margin))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2, arr1};

    use super::super::histogram::{Histogram, HistogramModel};
    use super::super::inventory::{Inventory, InventoryBranch};
    use super::super::patch::{Patch, PatchMixture};
    use super::super::shared::low_rank::STACKED;
    use super::super::shared::position_gaussian::{PositionGaussian, Positions};
    use super::super::shared::reference::Reference;
    use super::super::shared::shrunk_gaussian::ShrunkGaussian;
    use super::super::student_error::StudentError;
    use super::super::student_residual::{Student, StudentResidual};
    use super::*;
    use crate::network::MAP_SIDE;

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
        Statistics::default()
            .with(Box::new(InventoryBranch::new(inventory(parts))))
            .with(Box::new(Histogram::new(histogram(parts))))
    }

    #[test]
    fn what_is_written_is_read() {
        let read = Statistics::from_arrays(&statistics(3).to_arrays()).unwrap();
        let counted = read.of::<InventoryBranch>(Branch::Inventory).unwrap();
        assert_eq!(counted.inventory(), &inventory(3));
        assert!(read.has(Branch::Histogram) && !read.has(Branch::Position));
        assert_eq!(read.to_arrays(), statistics(3).to_arrays());
    }

    fn with_fine_view(statistics: Statistics) -> Statistics {
        Statistics {
            fine: Some(FineStatistics {
                cells: (4, 4),
                low_rank: LowRank {
                    matrix: Array2::zeros((STACKED, 1)),
                    offset: Array1::zeros(1),
                },
            }),
            ..statistics
        }
    }

    /// Three kinds of patches in these groups, in the fine view.
    fn kinds(groups: &[usize]) -> Patch {
        let (means, whitening) = (Array2::zeros((3, 1)), Array2::ones((3, 1)));
        let mixture = PatchMixture::new(means, whitening, Array1::zeros(3), groups);
        Patch::fine(mixture.unwrap(), (4, 4))
    }

    #[test]
    fn a_view_that_no_branch_reads_goes() {
        let idle = with_fine_view(statistics(3)).without_idle_views();
        assert!(idle.fine.is_none() && idle.has(Branch::Histogram));
        let read = statistics(3).with(Box::new(kinds(&[3])));
        assert!(with_fine_view(read).without_idle_views().fine.is_some());
    }

    #[test]
    fn groups_of_kinds_are_read_as_they_were_written() {
        let written = |groups: &[usize]| {
            with_fine_view(statistics(3).with(Box::new(kinds(groups)))).to_arrays()
        };
        for groups in [&[3][..], &[1, 2]] {
            let read = Statistics::from_arrays(&written(groups)).unwrap();
            let patch = read.of::<Patch>(Branch::FinePatch).unwrap();
            assert_eq!(patch.mixture().groups(), groups);
        }
        assert!(
            !written(&[3])
                .names()
                .any(|name| name == "fine.patch.groups")
        );
        for wrong in [[1.0f32, 1.0], [0.0, 3.0], [1e30, 2.0], [-1.0, 4.0]] {
            let mut arrays = written(&[1, 2]);
            arrays.insert("fine.patch.groups", arr1(&wrong));
            let refused = Statistics::from_arrays(&arrays).unwrap_err().to_string();
            assert!(refused.contains("3 in all"), "{wrong:?}: {refused}");
        }
    }

    /// With a residual of the local student in three of four channels.
    fn with_residuals(statistics: Statistics) -> Statistics {
        let directions = || LowRank {
            matrix: Array2::from_shape_fn((4, 3), |(i, j)| (i + 2 * j) as f32),
            offset: Array1::zeros(3),
        };
        let cells = Positions::WHOLE.count();
        let (mean, whitening) = (Array2::zeros((cells, 3)), Array2::ones((cells, 6)));
        let gaussian = PositionGaussian::new(Positions::WHOLE, mean, whitening).unwrap();
        let statistics = Statistics {
            residuals: Some(ResidualDirections {
                local: directions(),
                global: directions(),
            }),
            ..statistics
        };
        statistics.with(Box::new(StudentResidual::new(Student::Local, gaussian)))
    }

    #[test]
    fn residuals_are_read_as_they_were_written() {
        let written = with_residuals(Statistics::default()).without_idle_views();
        let read = Statistics::from_arrays(&written.to_arrays()).unwrap();
        assert!(read.of::<StudentResidual>(Branch::Local).is_some());
        assert_eq!(read.to_arrays(), written.to_arrays());
        let idle = Statistics {
            models: Vec::new(),
            ..read
        };
        assert!(idle.without_idle_views().residuals.is_none());
    }

    #[test]
    fn a_student_is_read_in_one_way() {
        let residuals = with_residuals(Statistics::default()).to_arrays();
        let errors = Array2::<f32>::ones((MAP_SIDE, MAP_SIDE));
        for (names, expected) in [
            (&["global.mean", "global.std"][..], "contradict each other"),
            (&["lgst.scale"], "contradict each other"),
        ] {
            let mut both = residuals.clone();
            for name in names {
                match *name {
                    "lgst.scale" => both.insert(*name, arr1(&[0.0f32, 1.0, 0.0, 1.0])),
                    name => both.insert(name, errors.clone()),
                }
            }
            let error = Statistics::from_arrays(&both).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let mut alone = Arrays::new();
        for name in ["local.mean", "local.std"] {
            alone.insert(name, errors.clone());
        }
        let before = Statistics::from_arrays(&alone).unwrap();
        assert!(before.of::<StudentError>(Branch::Local).is_some());
    }

    #[test]
    fn more_good_parts_than_time_allows_are_refused() {
        let none = Statistics::default();
        let neighbours = none
            .clone()
            .with(Box::new(Histogram::new(histogram(20_000))));
        let counted = none.with(Box::new(InventoryBranch::new(inventory(20_000))));
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

    #[test]
    fn a_margin_that_makes_branches_blind_is_refused() {
        let channels = 2;
        let projection = Array2::from_elem((channels, Features::STRIDE4.0), 0.1);
        let side = registration::SIDE;
        let template = ndarray::Array3::from_shape_fn((channels, side, side), |(c, y, x)| {
            ((c + y * y / 9 + x * x / 5 + x * y / 7) % 23) as f32
        });
        let with = |margin| {
            let registration = Registration::new(projection.clone(), template.clone()).unwrap();
            let registration = Some(registration.with_margin(margin));
            let arrays = Statistics {
                registration,
                ..Statistics::default()
            };
            let read = Statistics::from_arrays(&arrays.to_arrays());
            read.map(|read| read.registration.and_then(|r| r.margin()))
        };
        assert_eq!(with(None).unwrap(), None);
        assert_eq!(with(Some(1.5)).unwrap(), Some(1.5));
        for margin in [-1.0, 40.0] {
            let refused = with(Some(margin)).unwrap_err();
            assert!(matches!(refused, StatisticsError::Margin), "{refused}");
        }
    }
}
