//! What a window computes of bytes in each channel by itself: depthwise convolution and mean.

use super::convolution::starts;
use super::dots::{DEPTH, Dots, DotsKernel, LANES, run};
use super::epilogue::{Destination, Epilogue};
use super::scratch::with_bytes;
use crate::kernels::common::geometry::{Axis, Padded};
use crate::team;

/// Rows are padded and worked on a few at a time, which then stay in the cache.
const STRIP_BYTES: usize = 32 << 10;
/// Output cells in a row that are computed at once.
const CELLS: usize = 4;

#[derive(Debug)]
pub(crate) struct Int8Window {
    axes: [Axis; 2],
    padded: Padded,
    /// The value of the padding: the zero point.
    zero: i8,
    /// `[block][row][four of columns][16][4]`
    weights: Vec<i8>,
    /// `[block][16]`
    starts: Vec<i32>,
    pub epilogue: Epilogue,
}

impl Int8Window {
    /// Whether there is a kernel for it.
    pub(crate) fn takes([rows, columns]: &[Axis; 2]) -> bool {
        rows.dilation == 1
            && columns.dilation == 1
            && columns.kernel <= 2 * DEPTH
            && (1..=2).contains(&columns.stride)
            // No tap is left out, so that weights lie as they came.
            && [rows, columns].iter().all(|axis| axis.taps().count() == axis.kernel)
    }

    /// `weights` is `[channels, height, width]`, each from -127 to 127.
    /// Values of the map are above `zero`.
    pub(crate) fn new(axes: [Axis; 2], weights: &[i8], epilogue: Epilogue, zero: i32) -> Self {
        let [rows, columns] = axes.map(|axis| axis.kernel);
        let of_row = columns.div_ceil(DEPTH) * LANES * DEPTH;
        let mut packed = vec![0; epilogue.blocks() * rows * of_row];
        for (channel, kernel) in weights.chunks_exact(rows * columns).enumerate() {
            for (tap, weight) in kernel.iter().enumerate() {
                let (row, column) = (tap / columns, tap % columns);
                let four = (channel / LANES * rows + row) * of_row + column / DEPTH * LANES * DEPTH;
                packed[four + channel % LANES * DEPTH + column % DEPTH] = *weight;
            }
        }
        Int8Window {
            padded: Padded::new(&axes),
            axes,
            zero: zero as i8,
            starts: starts(&packed, epilogue.blocks(), zero),
            weights: packed,
            epilogue,
        }
    }

    /// Height and width of the output.
    pub(crate) fn output_size(&self) -> [usize; 2] {
        self.axes.map(|axis| axis.output)
    }

    pub(crate) fn input_length(&self) -> usize {
        self.epilogue.blocks() * self.axes[0].input * self.axes[1].input * LANES
    }

    /// # Safety
    /// `target` must be good for the output.
    ///
    /// # Panics
    /// If `input` has another length than the shapes say.
    pub(crate) unsafe fn apply(&self, input: &[i8], target: Destination) {
        assert_eq!(input.len(), self.input_length());
        let [rows, columns] = self.axes;
        let pitch = self.padded.size[1] * LANES;
        let length = rows.input * columns.input * LANES;
        let fits = (STRIP_BYTES / pitch).saturating_sub(rows.kernel) / rows.stride;
        let strip = fits.clamp(1, rows.output);
        let height = (strip - 1) * rows.stride + rows.kernel;
        let strips = rows.output.div_ceil(strip);
        let cells = rows.output * columns.output;
        team::each(
            self.epilogue.blocks() * strips,
            self.weights.len() * cells,
            |units| {
                with_bytes(height * pitch, |scratch| {
                    for unit in units {
                        let (block, first) = (unit / strips, unit % strips * strip);
                        let map = &input[block * length..][..length];
                        let results = first..rows.output.min(first + strip);
                        let from = first * rows.stride;
                        let to = from + (results.len() - 1) * rows.stride + rows.kernel;
                        let source = if self.padded.is_needed() {
                            self.padded
                                .copy_rows(map, LANES, from..to, self.zero, scratch);
                            &scratch[..(to - from) * pitch]
                        } else {
                            &map[from * pitch..to * pitch]
                        };
                        run(&Strip::new(self, block, results, source, target));
                    }
                });
            },
        );
    }
}

/// Some rows of one block; `source` has all the cells that they read.
struct Strip<'a> {
    window: &'a Int8Window,
    block: usize,
    rows: std::ops::Range<usize>,
    /// Bytes of a row of `source`.
    pitch: usize,
    source: &'a [i8],
    target: Destination,
}

impl<'a> Strip<'a> {
    fn new(
        window: &'a Int8Window,
        block: usize,
        rows: std::ops::Range<usize>,
        source: &'a [i8],
        target: Destination,
    ) -> Self {
        let pitch = window.padded.size[1] * LANES;
        let axis = window.axes[0];
        assert!(source.len() >= ((rows.len() - 1) * axis.stride + axis.kernel) * pitch);
        Strip {
            window,
            block,
            rows,
            pitch,
            source,
            target,
        }
    }
}

impl DotsKernel for Strip<'_> {
    #[inline(always)]
    unsafe fn run<D: Dots>(&self) {
        // SAFETY: the instructions are there.
        unsafe {
            match self.window.axes[1].stride {
                1 => self.rows::<D, 1>(),
                _ => self.rows::<D, 2>(),
            }
        }
    }
}

impl Strip<'_> {
    #[inline(always)]
    unsafe fn rows<D: Dots, const STRIDE: usize>(&self) {
        let [rows, columns] = self.window.axes;
        let line = columns.output;
        for (index, row) in self.rows.clone().enumerate() {
            let mut column = 0;
            // SAFETY: all cells read lie in the strip.
            unsafe {
                let source = self.source.as_ptr().add(index * rows.stride * self.pitch);
                while column + CELLS <= line {
                    self.cells::<D, STRIDE, CELLS>(source, row, column);
                    column += CELLS;
                }
                while column < line {
                    self.cells::<D, STRIDE, 1>(source, row, column);
                    column += 1;
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn cells<D: Dots, const STRIDE: usize, const N: usize>(
        &self,
        source: *const i8,
        row: usize,
        column: usize,
    ) {
        let window = self.window;
        let [rows, columns] = window.axes;
        let fours = columns.kernel.div_ceil(DEPTH);
        // SAFETY: as the caller says.
        unsafe {
            let mut accumulators =
                [D::accumulators(window.starts.as_ptr().add(self.block * LANES)); N];
            let mut weights = window.weights.as_ptr();
            weights = weights.add(self.block * rows.kernel * fours * LANES * DEPTH);
            let mut line = source.add(column * STRIDE * LANES);
            for _ in 0..rows.kernel {
                for four in 0..fours {
                    let count = DEPTH.min(columns.kernel - four * DEPTH);
                    let factors = D::weights(weights);
                    let from = line.add(four * DEPTH * LANES);
                    for (cell, accumulators) in accumulators.iter_mut().enumerate() {
                        let values = D::cells(from.add(cell * STRIDE * LANES), count);
                        *accumulators = D::dot(*accumulators, values, factors);
                    }
                    weights = weights.add(LANES * DEPTH);
                }
                line = line.add(self.pitch);
            }
            let area = rows.output * columns.output;
            for (cell, accumulators) in accumulators.iter().enumerate() {
                let at = [self.block, row * columns.output + column + cell, area];
                window
                    .epilogue
                    .write::<D>(*accumulators, at, std::ptr::null(), self.target);
            }
        }
    }
}
