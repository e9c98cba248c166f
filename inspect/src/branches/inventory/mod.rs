//! Part counts: the parts of each component are distinguished by size and shape, counted, and compared with the counts
//! of good images. Their places and angles don't matter. Of parts that touch, are bent or are cut short, only the mass
//! counts.

pub mod arrays;
mod branch;
mod counting;
mod marks;
mod tree;

pub use branch::{InventoryBranch, read};
pub use counting::{CountResidual, CountingScratch, PartKind, count_parts};
pub use marks::{Count, Counts, in_words};
pub use tree::{LEVELS, Node, PieceShape, Tree};

use ndarray::{Array2, ArrayView3};

use super::shared::reference::insert;
use crate::network::MAP_SIDE;

/// What a piece of no kind costs, in miscounted pieces, where its mass explains what is missing.
const UNKNOWN: f32 = 0.1;
/// What such a piece costs where there are exactly as many as are missing: they don't touch, each has a wrong shape.
const MISSHAPEN: f32 = 0.7;
/// What known pieces cost that are as far from their kinds as may be, in miscounted pieces, the mean over components.
const DEVIATION: f32 = 0.5;
/// Share of the good images, the nearest ones, that a part is compared with; not fewer than three.
const NEAREST_SHARE: usize = 20;
const MIN_NEAREST: usize = 3;

/// Classes that show the same parts, and the kinds that these are of.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// Of each class of the segmentation, whether it belongs here: `[classes]`.
    pub classes: Vec<bool>,
    pub kinds: Vec<PartKind>,
    /// Weight of a miscounted piece, less where good images disagree.
    pub weight: f32,
}

/// All components, and what good images hold of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Inventory {
    pub components: Vec<Component>,
    /// How many of each kind, component by component: `[good images, kinds]`.
    pub good: Array2<f32>,
}

/// Buffers that are reused between frames.
#[derive(Clone, Debug)]
pub struct InventoryScratch {
    certainty: Vec<f32>,
    tree: Tree,
    counting: CountingScratch,
    counts: Vec<f32>,
    residuals: Vec<CountResidual>,
    nearest: Vec<f32>,
    /// The good image that is nearest to the latest part.
    most_alike: usize,
}

impl Default for InventoryScratch {
    fn default() -> Self {
        InventoryScratch {
            certainty: vec![0.0; MAP_SIDE * MAP_SIDE],
            tree: Tree::default(),
            counting: CountingScratch::default(),
            counts: Vec::new(),
            residuals: Vec::new(),
            nearest: Vec::new(),
            most_alike: 0,
        }
    }
}

impl Inventory {
    /// Classes of the segmentation that it reads, background included.
    pub fn classes(&self) -> usize {
        self.components.first().map_or(0, |c| c.classes.len())
    }

    /// How many pieces are too many, missing or of no kind. `probabilities` is `[classes, 64, 64]`.
    pub fn miscount(
        &self,
        probabilities: ArrayView3<'_, f32>,
        scratch: &mut InventoryScratch,
    ) -> f32 {
        scratch.counts.resize(self.good.ncols(), 0.0);
        scratch.residuals.clear();
        let mut at = 0;
        for component in &self.components {
            component.certainty(probabilities, &mut scratch.certainty);
            let nodes = scratch.tree.of(&scratch.certainty);
            let counts = &mut scratch.counts[at..at + component.kinds.len()];
            at += component.kinds.len();
            scratch.residuals.push(count_parts(
                nodes,
                &component.kinds,
                &mut scratch.counting,
                counts,
            ));
        }
        let neighbours = nearest_count(self.good.nrows());
        scratch.nearest.clear();
        scratch.nearest.resize(neighbours, f32::INFINITY);
        for (image, good) in self.good.rows().into_iter().enumerate() {
            let mut at = 0;
            let mut miscount = 0.0;
            for (component, residual) in self.components.iter().zip(&scratch.residuals) {
                let kinds = at..at + component.kinds.len();
                at = kinds.end;
                let pairs = kinds.map(|kind| (scratch.counts[kind], good[kind]));
                miscount +=
                    component.weight * difference(pairs, residual, &component.kinds).total();
            }
            if miscount < scratch.nearest[0] {
                scratch.most_alike = image;
            }
            insert(&mut scratch.nearest, miscount);
        }
        let deviation: f32 = scratch.residuals.iter().map(|r| r.deviation).sum();
        mean(&scratch.nearest) + DEVIATION * deviation / self.components.len().max(1) as f32
    }
}

impl Component {
    /// Probability that a cell shows this component.
    ///
    /// *Shapes*: `probabilities` is `[classes, 64, 64]`, `out` `[64·64]`, row by row.
    pub fn certainty(&self, probabilities: ArrayView3<'_, f32>, out: &mut [f32]) {
        out.fill(0.0);
        let classes = probabilities.outer_iter().zip(&self.classes);
        for (plane, _) in classes.filter(|(_, here)| **here) {
            for (sum, probability) in out.iter_mut().zip(plane) {
                *sum += probability;
            }
        }
    }
}

/// How far one component is from what it should be, in pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Difference {
    /// Pieces of known kinds.
    pub too_many: f32,
    /// Mass that lacks or is left over, and pieces of no kind.
    pub unexplained: f32,
}

impl Difference {
    pub fn total(self) -> f32 {
        self.too_many + self.unexplained
    }
}

/// `counts` are found and good counts of each kind.
pub fn difference(
    counts: impl Iterator<Item = (f32, f32)>,
    residual: &CountResidual,
    kinds: &[PartKind],
) -> Difference {
    let (mut too_many, mut missing, mut missing_mass, mut usual) = (0.0, 0.0, 0.0, 0.0);
    for ((found, good), kind) in counts.zip(kinds) {
        too_many += (found - good).max(0.0);
        missing += (good - found).max(0.0);
        missing_mass += (good - found).max(0.0) * kind.mass();
        usual += kind.mass() / kinds.len() as f32;
    }
    let unknown = match residual.unknown_pieces as f32 == missing {
        true => MISSHAPEN,
        false => UNKNOWN,
    };
    Difference {
        too_many,
        unexplained: (residual.unknown_mass - missing_mass).abs() / usual
            + unknown * residual.unknown,
    }
}

/// With how many of `good` images, the nearest ones, a part is compared.
pub fn nearest_count(good: usize) -> usize {
    (good / NEAREST_SHARE).max(MIN_NEAREST).min(good)
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len().max(1) as f32
}

#[cfg(test)]
pub(super) mod tests {
    use ndarray::{Array3, array};

    use super::*;

    pub const LONG: f32 = 14.0;
    pub const SHORT: f32 = 8.0;

    fn kind(length: f32) -> PartKind {
        PartKind {
            shape: [length.ln(), length.ln(), 0.0],
            spread: [0.1, 0.04, 0.05],
        }
    }

    /// Two long bars and one short one belong in an image; the third class belongs to no component.
    pub fn inventory() -> Inventory {
        Inventory {
            components: vec![Component {
                classes: vec![false, true, false],
                kinds: vec![kind(LONG), kind(SHORT)],
                weight: 1.0,
            }],
            good: array![[2.0, 1.0], [2.0, 1.0], [2.0, 1.0], [2.0, 1.0]],
        }
    }

    /// Bars of class 1: row, first column, length.
    pub fn map_of(bars: &[(usize, usize, f32)]) -> Array3<f32> {
        let mut probabilities = Array3::zeros((3, MAP_SIDE, MAP_SIDE));
        for (row, column, length) in bars {
            for x in *column..column + *length as usize {
                probabilities[[1, *row, x]] = 1.0;
            }
        }
        probabilities
    }

    fn miscount(bars: &[(usize, usize, f32)]) -> f32 {
        inventory().miscount(map_of(bars).view(), &mut InventoryScratch::default())
    }

    #[test]
    fn a_whole_set_is_in_order_wherever_it_lies() {
        assert!(miscount(&[(3, 3, LONG), (9, 40, LONG), (30, 20, SHORT)]) < 0.05);
        assert!(miscount(&[(50, 7, SHORT), (60, 50, LONG), (40, 1, LONG)]) < 0.05);
    }

    #[test]
    fn what_lacks_is_too_many_or_is_exchanged_counts() {
        let missing = miscount(&[(3, 3, LONG), (30, 20, SHORT)]);
        let extra = miscount(&[
            (3, 3, LONG),
            (9, 40, LONG),
            (30, 20, SHORT),
            (35, 20, SHORT),
        ]);
        let exchanged = miscount(&[(3, 3, LONG), (9, 40, SHORT), (30, 20, SHORT)]);
        let cut_short = miscount(&[(3, 3, LONG), (9, 40, 11.0), (30, 20, SHORT)]);
        for (what, miscount) in [
            ("missing", missing),
            ("extra", extra),
            ("exchanged", exchanged),
            ("cut", cut_short),
        ] {
            assert!(miscount > 0.7, "{what}: {miscount}");
        }
    }

    #[test]
    fn two_that_touch_are_hardly_amiss() {
        let touching = miscount(&[(3, 3, LONG), (3, 17, LONG), (30, 20, SHORT)]);
        assert!(touching < 0.2, "{touching}");
    }

    #[test]
    fn arrays_bring_the_same_inventory_back_and_contradictions_none() {
        let mut arrays = crate::arrays::Arrays::new();
        inventory().to_arrays(&mut arrays);
        let two = |name: &str| -> Array2<f32> {
            let array = arrays.get::<f32>(name).unwrap().to_owned();
            array.into_dimensionality().unwrap()
        };
        let (classes, kinds, good) = (two(arrays::CLASSES), two(arrays::KINDS), two(arrays::GOOD));
        let back = Inventory::from_arrays(&classes, &[1.0], &kinds, good.clone());
        assert_eq!(back, Some(inventory()));
        let fewer = good.slice(ndarray::s![.., ..1]).to_owned();
        assert_eq!(
            Inventory::from_arrays(&classes, &[1.0], &kinds, fewer),
            None
        );
        assert_eq!(
            Inventory::from_arrays(&classes, &[], &kinds, good.clone()),
            None
        );
        for (column, value) in [(0, 7.0), (4, 0.0)] {
            let mut wrong = kinds.clone();
            wrong[[1, column]] = value;
            let read = Inventory::from_arrays(&classes, &[1.0], &wrong, good.clone());
            assert_eq!(read, None);
        }
    }
}
