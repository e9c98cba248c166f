//! The taps of a convolution's kernel.

use super::geometry::{Axis, Padded};

/// Only kernels of up to so many taps look for those that a tile of cells doesn't need.
const MOST_SKIPPED: usize = 16;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tap {
    /// Of the value in a padded plane that it reads for the first output cell.
    pub offset: usize,
    /// Of its weights, in taps.
    pub index: usize,
    /// The cell it reads for the first output cell, without the padding.
    row: isize,
    column: isize,
}

/// Room for the taps that a tile of cells needs.
pub(crate) type Needed = [Tap; MOST_SKIPPED];

/// The taps of a layer that ever read a cell of the map.
#[derive(Debug)]
pub(crate) struct Taps {
    axes: [Axis; 2],
    /// Of each, its place in the kernel, row-major.
    pub places: Vec<usize>,
    all: Vec<Tap>,
    /// A kernel is dilated so far that many cells find only padding under some of its taps.
    skips: bool,
}

impl Taps {
    /// With `lanes` values in a cell of a plane.
    pub(crate) fn new(axes: &[Axis; 2], padded: &Padded, lanes: usize) -> Self {
        let [rows, columns] = axes;
        let (mut all, mut places) = (Vec::new(), Vec::new());
        for (kernel_row, row) in rows.taps() {
            for (kernel_column, column) in columns.taps() {
                places.push(kernel_row * columns.kernel + kernel_column);
                all.push(Tap {
                    offset: padded.cell(row, column) * lanes,
                    index: all.len(),
                    row,
                    column,
                });
            }
        }
        Taps {
            skips: all.len() <= MOST_SKIPPED && (rows.dilation > 1 || columns.dilation > 1),
            axes: *axes,
            places,
            all,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Every tap counts, for a layer that wants padding to be multiplied as well.
    pub(crate) fn never_skip(&mut self) {
        self.skips = false;
    }

    /// Those under which at least one of `count` cells from `first` (row, column) on has a cell of the map, or all where
    /// looking for them doesn't pay.
    #[inline(always)]
    pub(crate) fn needed<'a>(
        &'a self,
        first: [usize; 2],
        count: usize,
        room: &'a mut Needed,
    ) -> &'a [Tap] {
        match self.skips {
            true => self.find(first, count, room),
            false => &self.all,
        }
    }

    fn find<'a>(&self, first: [usize; 2], count: usize, room: &'a mut Needed) -> &'a [Tap] {
        let [rows, columns] = &self.axes;
        let [row, column] = first;
        let mut found = 0;
        for tap in &self.all {
            let is_needed = (column..column + count).any(|at| {
                rows.reads(row + at / columns.output, tap.row)
                    && columns.reads(at % columns.output, tap.column)
            });
            if is_needed {
                room[found] = *tap;
                found += 1;
            }
        }
        &room[..found]
    }
}
