//! What a window computes in each channel by itself: depthwise convolution, mean and maximum.

use super::layout::blocks;
use crate::kernels::common::geometry::{Axis, Padded, with_scratch};
use crate::kernels::common::lanes::{Kernel, LANES, Lanes, run};
use crate::team;

/// Rows are padded and worked on a few at a time, which then stay in the cache.
const STRIP_BYTES: usize = 64 << 10;
/// Output cells in a row that are computed at once.
const CELLS: usize = 4;
/// A multiplication takes about as long as this many in a convolution.
const COST: usize = 4;

#[derive(Debug)]
pub(crate) struct Window {
    axes: [Axis; 2],
    padded: Padded,
    blocks: usize,
    /// `[blocks, taps, 8]`; none for the maximum.
    weights: Option<Vec<f32>>,
    /// `[blocks, 8]`
    bias: Vec<f32>,
    pub bounds: [f32; 2],
}

impl Window {
    /// Whether there is a kernel for it.
    pub(crate) fn takes(axes: &[Axis; 2]) -> bool {
        let [rows, columns] = axes;
        rows.dilation == 1
            && columns.dilation == 1
            && (2..=5).contains(&columns.kernel)
            && (1..=2).contains(&columns.stride)
            // No tap is left out, so that weights lie as they came.
            && axes.iter().all(|axis| axis.taps().count() == axis.kernel)
    }

    /// # Shapes
    /// - `weights`: `[channels, height, width]`
    /// - `bias`: `[channels]`
    pub(crate) fn convolution(axes: [Axis; 2], weights: &[f32], bias: &[f32]) -> Self {
        let area = axes[0].kernel * axes[1].kernel;
        let blocks = blocks(bias.len());
        let mut packed = vec![0.0; blocks * LANES * area];
        for (channel, kernel) in weights.chunks_exact(area).enumerate() {
            let block = &mut packed[channel / LANES * LANES * area..];
            for (tap, weight) in kernel.iter().enumerate() {
                block[tap * LANES + channel % LANES] = *weight;
            }
        }
        let mut bias = bias.to_vec();
        bias.resize(blocks * LANES, 0.0);
        Self::new(axes, blocks, Some(packed), bias)
    }

    /// The mean, padding counted in as zeros.
    pub(crate) fn mean(axes: [Axis; 2], channels: usize) -> Self {
        let area = axes[0].kernel * axes[1].kernel;
        let weights = vec![1.0 / area as f32; channels * area];
        Self::convolution(axes, &weights, &vec![0.0; channels])
    }

    pub(crate) fn maximum(axes: [Axis; 2], channels: usize) -> Self {
        let blocks = blocks(channels);
        Self::new(axes, blocks, None, vec![f32::NEG_INFINITY; blocks * LANES])
    }

    fn new(axes: [Axis; 2], blocks: usize, weights: Option<Vec<f32>>, bias: Vec<f32>) -> Self {
        Window {
            padded: Padded::new(&axes),
            axes,
            blocks,
            weights,
            bias,
            bounds: [f32::NEG_INFINITY, f32::INFINITY],
        }
    }

    /// `[blocks, height, width, 8]`
    pub(crate) fn output_shape(&self) -> [usize; 4] {
        let [rows, columns] = self.axes;
        [self.blocks, rows.output, columns.output, LANES]
    }

    pub(crate) fn input_length(&self) -> usize {
        self.blocks * self.axes[0].input * self.axes[1].input * LANES
    }

    /// # Panics
    /// If a slice has another length than the shapes say.
    pub(crate) fn apply(&self, input: &[f32], output: &mut [f32]) {
        assert_eq!(input.len(), self.input_length());
        assert_eq!(output.len(), self.output_shape().iter().product::<usize>());
        let [rows, columns] = self.axes;
        let pitch = self.padded.size[1] * LANES;
        let line = columns.output * LANES;
        let fits = (STRIP_BYTES / 4 / pitch).saturating_sub(rows.kernel) / rows.stride;
        let strip = fits.clamp(1, rows.output);
        let height = (strip - 1) * rows.stride + rows.kernel;
        let outside = match self.weights {
            Some(_) => 0.0,
            None => f32::NEG_INFINITY,
        };
        let cost = output.len() * rows.kernel * columns.kernel * COST;
        team::each_chunk(output, rows.output * line, cost, |block, result| {
            let length = input.len() / self.blocks;
            let map = &input[block * length..][..length];
            if !self.padded.is_needed() {
                return run(&Strip::new(self, block, map, result));
            }
            with_scratch(height * pitch, |scratch| {
                for (index, result) in result.chunks_mut(strip * line).enumerate() {
                    let from = index * strip * rows.stride;
                    let to = from + (result.len() / line - 1) * rows.stride + rows.kernel;
                    self.padded
                        .copy_rows(map, LANES, from..to, outside, scratch);
                    let source = &scratch[..(to - from) * pitch];
                    run(&Strip::new(self, block, source, result));
                }
            });
        });
    }
}

/// Some rows of one block; `source` has all the cells that they read.
struct Strip<'a> {
    window: &'a Window,
    block: usize,
    /// Values of a row of `source`.
    pitch: usize,
    source: &'a [f32],
    result: *mut f32,
    rows: usize,
}

impl<'a> Strip<'a> {
    fn new(window: &'a Window, block: usize, source: &'a [f32], result: &mut [f32]) -> Self {
        let [rows, columns] = window.axes;
        let strip = Strip {
            window,
            block,
            pitch: window.padded.size[1] * LANES,
            source,
            rows: result.len() / (columns.output * LANES),
            result: result.as_mut_ptr(),
        };
        let read = (strip.rows - 1) * rows.stride + rows.kernel;
        assert!(source.len() >= read * strip.pitch);
        strip
    }
}

impl Kernel for Strip<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(&self) {
        let columns = &self.window.axes[1];
        // SAFETY: the instructions are there; `takes` knows no other cases.
        unsafe {
            match (columns.kernel, columns.stride) {
                (2, 1) => self.rows::<L, 2, 1>(),
                (2, _) => self.rows::<L, 2, 2>(),
                (3, 1) => self.rows::<L, 3, 1>(),
                (3, _) => self.rows::<L, 3, 2>(),
                (4, 1) => self.rows::<L, 4, 1>(),
                (4, _) => self.rows::<L, 4, 2>(),
                (_, 1) => self.rows::<L, 5, 1>(),
                (_, _) => self.rows::<L, 5, 2>(),
            }
        }
    }
}

impl Strip<'_> {
    #[inline(always)]
    unsafe fn rows<L: Lanes, const WIDTH: usize, const STRIDE: usize>(&self) {
        let [rows, columns] = self.window.axes;
        let line = columns.output;
        for row in 0..self.rows {
            let source = unsafe { self.source.as_ptr().add(row * rows.stride * self.pitch) };
            let result = unsafe { self.result.add(row * line * LANES) };
            let mut column = 0;
            // SAFETY: all cells read lie in the strip.
            unsafe {
                while column + CELLS <= line {
                    self.cells::<L, WIDTH, STRIDE, CELLS>(source, result, column);
                    column += CELLS;
                }
                while column < line {
                    self.cells::<L, WIDTH, STRIDE, 1>(source, result, column);
                    column += 1;
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn cells<L: Lanes, const WIDTH: usize, const STRIDE: usize, const N: usize>(
        &self,
        source: *const f32,
        result: *mut f32,
        column: usize,
    ) {
        let window = self.window;
        let height = window.axes[0].kernel;
        // SAFETY: as the caller says.
        unsafe {
            let mut accumulators = [L::load(window.bias.as_ptr().add(self.block * LANES)); N];
            let source = source.add(column * STRIDE * LANES);
            match &window.weights {
                Some(weights) => {
                    let weights = weights.as_ptr().add(self.block * height * WIDTH * LANES);
                    for row in 0..height {
                        let line = source.add(row * self.pitch);
                        for tap in 0..WIDTH {
                            let weight = L::load(weights.add((row * WIDTH + tap) * LANES));
                            for (cell, accumulator) in accumulators.iter_mut().enumerate() {
                                let value = L::load(line.add((cell * STRIDE + tap) * LANES));
                                *accumulator = accumulator.add_product(value, weight);
                            }
                        }
                    }
                }
                None => {
                    for row in 0..height {
                        let line = source.add(row * self.pitch);
                        for tap in 0..WIDTH {
                            for (cell, accumulator) in accumulators.iter_mut().enumerate() {
                                let value = L::load(line.add((cell * STRIDE + tap) * LANES));
                                *accumulator = value.at_least(*accumulator);
                            }
                        }
                    }
                }
            }
            let [least, most] = window.bounds.map(|bound| L::splat(bound));
            for (cell, accumulator) in accumulators.iter().enumerate() {
                let accumulator = accumulator.at_least(least).at_most(most);
                accumulator.store(result.add((column + cell) * LANES));
            }
        }
    }
}
