//! Part counts as a branch.

use ndarray::{Array1, Array2};

use super::arrays::{CLASSES, GOOD, KIND_COLUMNS, KINDS, WEIGHTS};
use super::{Counts, Inventory, InventoryScratch};
use crate::arrays::Arrays;
use crate::branches::shared::aligned_part::AlignedPart;
use crate::branches::statistics::{ArraySource, MAX_CLASSES, MAX_GOOD, StatisticsError};
use crate::branches::{Branch, BranchModel};
use crate::network::Percept;

/// Largest number of kinds of parts.
const MAX_KINDS: usize = 256;

/// The inventory of good parts and what the latest part holds.
#[derive(Clone, Debug)]
pub struct InventoryBranch {
    inventory: Inventory,
    scratch: InventoryScratch,
}

impl InventoryBranch {
    pub fn new(inventory: Inventory) -> Self {
        InventoryBranch {
            inventory,
            scratch: InventoryScratch::default(),
        }
    }

    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }
}

impl BranchModel for InventoryBranch {
    fn branch(&self) -> Branch {
        Branch::Inventory
    }

    fn score(&mut self, part: &mut AlignedPart<'_>) -> f32 {
        let probabilities = part.percept.probabilities.view();
        self.inventory.miscount(probabilities, &mut self.scratch)
    }

    fn mark(&mut self, percept: &Percept, heat: &mut [f32]) {
        let probabilities = percept.probabilities.view();
        self.inventory.mark(probabilities, &mut self.scratch, heat);
    }

    fn unusual_counts(&self) -> Counts {
        self.inventory.unusual(&self.scratch).collect()
    }

    fn classes(&self) -> Option<usize> {
        Some(self.inventory.classes())
    }

    fn write(&self, arrays: &mut Arrays) {
        self.inventory.to_arrays(arrays);
    }

    fn boxed(&self) -> Box<dyn BranchModel> {
        Box::new(self.clone())
    }
}

/// # Errors
/// If the arrays are there and can't be used.
pub fn read(source: &ArraySource<'_>) -> Result<Option<Box<dyn BranchModel>>, StatisticsError> {
    source.branch(KINDS, || {
        let classes: Array2<f32> = source.get(CLASSES)?;
        if classes.nrows() > MAX_CLASSES || !(2..=MAX_CLASSES).contains(&classes.ncols()) {
            let expected = format!("2 to {MAX_CLASSES} classes, in as many components at most");
            return Err(source.shape(CLASSES, &classes, expected));
        }
        let weights: Array1<f32> = source.exact(WEIGHTS, &[classes.nrows()])?;
        let kinds: Array2<f32> = source.get(KINDS)?;
        let count = kinds.nrows().min(MAX_KINDS);
        source.check(KINDS, &kinds, &[count, KIND_COLUMNS])?;
        let good: Array2<f32> = source.get(GOOD)?;
        let parts = good.nrows().min(MAX_GOOD);
        source.check(GOOD, &good, &[parts, kinds.nrows()])?;
        Inventory::from_arrays(&classes, &weights.to_vec(), &kinds, good)
            .map(InventoryBranch::new)
            .ok_or(StatisticsError::Inventory)
    })
}
