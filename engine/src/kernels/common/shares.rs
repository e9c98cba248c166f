//! Divides a convolution's output among threads.

use std::ops::Range;

use super::geometry::Axis;
use crate::team;

/// A share begins at a multiple of this many cells, so that each tile contains the same cells for any number of threads.
pub(crate) const CELLS_TOGETHER: usize = 24;

/// The output of a convolution, and what its shares read again and again.
pub(crate) struct Shares<'a> {
    pub axes: &'a [Axis; 2],
    pub blocks: usize,
    /// Most blocks of a tile; a share begins at a multiple of it.
    pub widest: usize,
    pub weights: usize,
    /// Values with their padding.
    pub input: usize,
}

impl Shares<'_> {
    /// `work` gets cells and blocks of each share. `cost` is that of all multiplications of one cell.
    pub(crate) fn each(&self, cost: usize, work: impl Fn(Range<usize>, Range<usize>) + Sync) {
        let [rows, columns] = self.axes;
        let cells = rows.output * columns.output;
        let tiles = self.blocks.div_ceil(self.widest);
        // Shares of blocks each read the whole input, shares of cells all weights. The larger of the two is read once.
        if self.weights > self.input && tiles >= 2 * team::hands() {
            return team::each(tiles, cost * cells, |tiles| {
                let [from, to] = [tiles.start, tiles.end].map(|tile| tile * self.widest);
                work(0..cells, from..to.min(self.blocks));
            });
        }
        team::each(cells.div_ceil(CELLS_TOGETHER), cost * cells, |together| {
            let [from, to] = [together.start, together.end].map(|at| at * CELLS_TOGETHER);
            work(from..to.min(cells), 0..self.blocks);
        });
    }
}
