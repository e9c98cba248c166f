//! The heat map a person looks at: the maps of the branches, brought to one scale and to the frame's coordinates.

use super::map::{AnomalyMap, resize};
use super::registration::Bilinear;
use crate::network::MAP_SIDE;
use crate::optics::Region;

/// Two quantiles of a map over good calibration parts (paper's normalisation, as CSAD): 0 at the 90 % quantile, 0.1
/// at the 99.5 % quantile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    pub q900: f32,
    pub q995: f32,
}

impl Range {
    pub fn apply(&self, value: f32) -> f32 {
        0.1 * (value - self.q900) / (self.q995 - self.q900).max(1e-6)
    }
}

/// At least 64×64, and no coarser than any map in it.
#[derive(Clone, Debug)]
pub struct HeatMap {
    pub rows: usize,
    pub columns: usize,
    /// `[rows·columns]`, row by row.
    pub values: Vec<f32>,
    /// The part of the frame that it covers; all of it if none.
    pub region: Option<Region>,
    /// `[64, 64]`: marks, before they are brought to its size.
    marks: Vec<f32>,
    resized: Vec<f32>,
}

impl Default for HeatMap {
    fn default() -> Self {
        Self::new()
    }
}

impl HeatMap {
    /// Side of what [`add_marks`](Self::add_marks) takes.
    pub const MARKS: usize = MAP_SIDE;

    /// Of 64×64 cells, as the whole view needs it.
    pub fn new() -> Self {
        Self::of_view((MAP_SIDE, MAP_SIDE))
    }

    /// For maps of so many rows and columns.
    pub fn of_view((rows, columns): (usize, usize)) -> Self {
        let (rows, columns) = (rows.max(MAP_SIDE), columns.max(MAP_SIDE));
        HeatMap {
            rows,
            columns,
            values: vec![0.0; rows * columns],
            region: None,
            marks: vec![0.0; MAP_SIDE * MAP_SIDE],
            resized: Vec::with_capacity(rows * columns),
        }
    }

    pub fn clear(&mut self) {
        self.values.fill(0.0);
    }

    /// Adds a map that stands in the template's coordinates.
    pub fn add(&mut self, map: &AnomalyMap<'_>, range: Range) {
        let centre = |i: usize, cells: usize| (i as f32 + 0.5) / cells as f32;
        let (rows, columns) = (self.rows, self.columns);
        for (cell, heat) in self.values.iter_mut().enumerate() {
            let (x, y) = (
                centre(cell % columns, columns),
                centre(cell / columns, rows),
            );
            let (x, y) = map.pose.to_template(x, y);
            let at = Bilinear::on(x, y, (map.rows, map.columns));
            *heat += range.apply(at.sample(map.values));
        }
    }

    /// Adds what `mark` writes into a map of 64×64 cells that is all 0.
    ///
    /// *Shapes*: `mark` gets `[64, 64]`, row by row.
    pub fn add_marks(&mut self, mark: impl FnOnce(&mut [f32])) {
        self.marks.fill(0.0);
        mark(&mut self.marks);
        resize(
            &self.marks,
            MAP_SIDE,
            self.columns,
            self.rows,
            &mut self.resized,
        );
        for (heat, mark) in self.values.iter_mut().zip(&self.resized) {
            *heat += mark;
        }
    }
}
