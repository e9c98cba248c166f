//! The geometry of a convolution: its taps along each axis, and the padding that they read.

use std::cell::RefCell;

use crate::team;

/// The approximate cost of copying a byte, in multiplications.
const COPIED: usize = 4;

/// Along one axis, in cells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    pub input: usize,
    pub output: usize,
    pub kernel: usize,
    pub stride: usize,
    pub dilation: usize,
    /// Before the first cell.
    pub padding: usize,
}

impl Axis {
    /// The taps that ever read a cell of the map, each with the place it reads for output 0; negative in the padding.
    /// Where a kernel is dilated far, most of its taps only ever read padding.
    pub(crate) fn taps(&self) -> impl Iterator<Item = (usize, isize)> + '_ {
        let reach = ((self.output - 1) * self.stride) as isize;
        (0..self.kernel).filter_map(move |tap| {
            let first = (tap * self.dilation) as isize - self.padding as isize;
            // With strides a tap may step over a short map; it then reads padding that is there for it.
            (first < self.input as isize && first + reach >= 0).then_some((tap, first))
        })
    }

    /// Whether output `output` finds a cell of the map under the tap that reads `first` for output 0.
    pub(crate) fn reads(&self, output: usize, first: isize) -> bool {
        let place = (output * self.stride) as isize + first;
        (0..self.input as isize).contains(&place)
    }

    /// Cells of padding before and after the map that those taps read.
    fn margins(&self) -> [usize; 2] {
        let reach = ((self.output - 1) * self.stride) as isize;
        let (least, most) = self.taps().fold((0, 0), |(least, most), (_, first)| {
            (
                first.min(least),
                most.max(first + reach + 1 - self.input as isize),
            )
        });
        [-least, most].map(|cells| cells.max(0) as usize)
    }
}

/// A map with room around it.
#[derive(Clone, Debug)]
pub(crate) struct Padded {
    input: [usize; 2],
    before: [usize; 2],
    /// Height and width with the padding.
    pub size: [usize; 2],
}

impl Padded {
    pub(crate) fn new(axes: &[Axis; 2]) -> Self {
        let [rows, columns] = axes.map(|axis| axis.margins());
        let input = axes.map(|axis| axis.input);
        Padded {
            input,
            before: [rows[0], columns[0]],
            size: [
                input[0] + rows[0] + rows[1],
                input[1] + columns[0] + columns[1],
            ],
        }
    }

    pub(crate) fn is_needed(&self) -> bool {
        self.size != self.input
    }

    /// The cell of the padded map that is cell (`row`, `column`) of the map.
    pub(crate) fn cell(&self, row: isize, column: isize) -> usize {
        let [before_row, before_column] = self.before.map(|cells| cells as isize);
        ((row + before_row) * self.size[1] as isize + column + before_column) as usize
    }

    /// Copies whole maps of `length` values, each to its own padded one.
    pub(crate) fn copy<T: Copy + Send + Sync>(
        &self,
        maps: &[T],
        length: usize,
        lanes: usize,
        fill: T,
        padded: &mut [T],
    ) {
        let [height, width] = self.size;
        let cost = size_of_val(padded) * COPIED;
        team::each_chunk(padded, height * width * lanes, cost, |index, padded| {
            let map = &maps[index * length..][..length];
            self.copy_rows(map, lanes, 0..height, fill, padded);
        });
    }

    /// Copies `rows` of the padded map; `lanes` values a cell, all `fill` in the padding.
    pub(crate) fn copy_rows<T: Copy>(
        &self,
        map: &[T],
        lanes: usize,
        rows: std::ops::Range<usize>,
        fill: T,
        padded: &mut [T],
    ) {
        let [height, width] = self.input;
        let (from, to) = (self.before[1] * lanes, (self.before[1] + width) * lanes);
        for (row, line) in rows.zip(padded.chunks_exact_mut(self.size[1] * lanes)) {
            match row.checked_sub(self.before[0]).filter(|row| *row < height) {
                Some(row) => {
                    line[..from].fill(fill);
                    line[from..to].copy_from_slice(&map[row * width * lanes..][..width * lanes]);
                    line[to..].fill(fill);
                }
                None => line.fill(fill),
            }
        }
    }
}

/// Room for `length` values on this thread. It grows to the largest of all networks and then stays: a frame allocates
/// nothing here.
pub(crate) fn with_scratch<T>(length: usize, work: impl FnOnce(&mut [f32]) -> T) -> T {
    thread_local! {
        static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    }
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.len() < length {
            scratch.resize(length, 0.0);
        }
        work(&mut scratch[..length])
    })
}
