//! The part counts of good images as named arrays, for the bundle.

use ndarray::Array2;

use super::{Component, Inventory, PartKind};
use crate::arrays::Arrays;

/// Names of the arrays: classes `[components, classes]` of zeros and ones, weights `[components]`, kinds
/// `[kinds, component + shape + spread]`, counts of good images `[images, kinds]`.
pub const CLASSES: &str = "inventory.classes";
pub const WEIGHTS: &str = "inventory.weights";
pub const KINDS: &str = "inventory.kinds";
pub const GOOD: &str = "inventory.good";
/// Columns of [`KINDS`].
pub const KIND_COLUMNS: usize = 7;

impl Inventory {
    pub fn to_arrays(&self, arrays: &mut Arrays) {
        let components = self.components.len();
        let classes = Array2::from_shape_fn((components, self.classes()), |(i, class)| {
            f32::from(u8::from(self.components[i].classes[class]))
        });
        let kinds: Vec<[f32; KIND_COLUMNS]> = self
            .components
            .iter()
            .enumerate()
            .flat_map(|(i, component)| component.kinds.iter().map(move |kind| (i, kind)))
            .map(|(i, PartKind { shape, spread })| {
                let [mass, length, width] = *shape;
                let [mass_spread, length_spread, width_spread] = *spread;
                [
                    i as f32,
                    mass,
                    length,
                    width,
                    mass_spread,
                    length_spread,
                    width_spread,
                ]
            })
            .collect();
        let weights: ndarray::Array1<f32> = self.components.iter().map(|c| c.weight).collect();
        arrays.insert(CLASSES, classes);
        arrays.insert(WEIGHTS, weights);
        arrays.insert(KINDS, ndarray::arr2(&kinds));
        arrays.insert(GOOD, self.good.clone());
    }

    /// None where the arrays contradict each other.
    ///
    /// *Shapes*: `classes` is `[components, classes]`, `weights` `[components]`, `kinds` `[kinds, KIND_COLUMNS]`
    /// and `good` `[good images, kinds]`.
    pub fn from_arrays(
        classes: &Array2<f32>,
        weights: &[f32],
        kinds: &Array2<f32>,
        good: Array2<f32>,
    ) -> Option<Inventory> {
        let mut components: Vec<Component> = classes
            .rows()
            .into_iter()
            .zip(weights)
            .map(|(row, weight)| Component {
                classes: row.iter().map(|here| *here != 0.0).collect(),
                kinds: Vec::new(),
                weight: *weight,
            })
            .collect();
        let mut latest = 0;
        for row in kinds.rows() {
            let of = row[0] as usize;
            let spread = [row[4], row[5], row[6]];
            // Counts lie component by component, so the kinds must as well.
            if of < latest || spread.iter().any(|s| *s <= 0.0) {
                return None;
            }
            latest = of;
            let shape = [row[1], row[2], row[3]];
            components
                .get_mut(of)?
                .kinds
                .push(PartKind { shape, spread });
        }
        let whole = components.iter().all(|c| !c.kinds.is_empty())
            && weights.len() == components.len()
            && !components.is_empty()
            && good.nrows() > 0
            && good.ncols() == kinds.nrows();
        whole.then_some(Inventory { components, good })
    }
}
