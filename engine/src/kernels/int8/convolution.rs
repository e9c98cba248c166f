//! Int8 convolution. A tile of cells and channels keeps its accumulators in registers from the first tap to the last.
//! Weights are packed at load in the order in which the tile reads them.

use std::ops::Range;

use super::dots::{DEPTH, Dots, DotsKernel, LANES, run};
use super::epilogue::{Destination, Epilogue};
use super::scratch::with_bytes;
use crate::kernels::common::geometry::{Axis, Padded};
use crate::kernels::common::shares::{CELLS_TOGETHER, Shares};
use crate::kernels::common::taps::{Needed, Taps};

/// The input of one round over the cells should stay in the second-level cache: all tiles read it again.
const INPUT_BYTES: usize = 256 << 10;
/// Weights of one lane group: what a tile multiplies with in one step.
const STEP: usize = LANES * DEPTH;
/// Most output blocks of a tile.
const WIDEST: usize = 3;
/// The approximate number of int8 multiplications in the time of one float multiplication.
const FLOAT_SPEEDUP: usize = 4;

#[derive(Debug)]
pub(crate) struct Int8Convolution {
    axes: [Axis; 2],
    padded: Padded,
    /// Blocks of the input.
    inputs: usize,
    /// Fours of channels in the last block of the input that hold any.
    last_fours: usize,
    /// The value of the padding: the zero point.
    zero: i8,
    taps: Taps,
    /// `[output block][input block][tap][four][16][4]`
    weights: Vec<i8>,
    /// `[output block][16]`
    starts: Vec<i32>,
    pub epilogue: Epilogue,
}

impl Int8Convolution {
    /// `weights` is `[outputs, inputs, height, width]`, each from -127 to 127; values of the map are above `zero`.
    pub(crate) fn new(
        axes: [Axis; 2],
        inputs: usize,
        weights: &[i8],
        epilogue: Epilogue,
        zero: i32,
    ) -> Self {
        let padded = Padded::new(&axes);
        let [rows, columns] = axes;
        let mut taps = Taps::new(&axes, &padded, LANES);
        let area = rows.kernel * columns.kernel;
        let outputs = epilogue.channels();
        let (input_blocks, output_blocks) = (inputs.div_ceil(LANES), epilogue.blocks());
        let mut packed =
            Vec::with_capacity(output_blocks * input_blocks * taps.len() * LANES * LANES);
        for output_block in 0..output_blocks {
            for input_block in 0..input_blocks {
                for tap in &taps.places {
                    for four in 0..LANES / DEPTH {
                        for output in output_block * LANES..(output_block + 1) * LANES {
                            let first = input_block * LANES + four * DEPTH;
                            packed.extend((first..first + DEPTH).map(|input| {
                                match output < outputs && input < inputs {
                                    true => weights[(output * inputs + input) * area + tap],
                                    false => 0,
                                }
                            }));
                        }
                    }
                }
            }
        }
        if zero != 0 {
            // The correction for the zero point assumes all taps.
            taps.never_skip();
        }
        let starts = starts(&packed, output_blocks, zero);
        Int8Convolution {
            inputs: input_blocks,
            last_fours: (inputs - (input_blocks - 1) * LANES).div_ceil(DEPTH),
            zero: zero as i8,
            taps,
            weights: packed,
            starts,
            epilogue,
            padded,
            axes,
        }
    }

    /// Height and width of the output.
    pub(crate) fn output_size(&self) -> [usize; 2] {
        self.axes.map(|axis| axis.output)
    }

    pub(crate) fn input_length(&self) -> usize {
        self.inputs * self.axes[0].input * self.axes[1].input * LANES
    }

    /// Bytes of the padded copy of the input.
    pub(crate) fn scratch_length(&self) -> usize {
        self.inputs * self.padded.size[0] * self.padded.size[1] * LANES
    }

    /// `residual` is a map like the output, of bytes.
    ///
    /// # Safety
    /// `target` must be good for the output.
    ///
    /// # Panics
    /// If a slice has another length than the shapes say.
    pub(crate) unsafe fn apply(&self, input: &[i8], residual: Option<&[i8]>, target: Destination) {
        assert_eq!(input.len(), self.input_length());
        let cells = self.axes[0].output * self.axes[1].output;
        assert_eq!(residual.is_some(), self.epilogue.residual.is_some());
        assert!(residual.is_none_or(|map| map.len() == self.epilogue.blocks() * LANES * cells));
        let plane = self.padded.size[0] * self.padded.size[1] * LANES;
        let start = |input: &[i8]| {
            let shares = Shares {
                axes: &self.axes,
                blocks: self.epilogue.blocks(),
                widest: WIDEST,
                weights: self.weights.len(),
                input: self.scratch_length(),
            };
            shares.each(self.weights.len() / FLOAT_SPEEDUP, |cells, blocks| {
                run(&Pass {
                    layer: self,
                    input: input.as_ptr(),
                    plane,
                    residual: residual.map_or(std::ptr::null(), <[i8]>::as_ptr),
                    target,
                    cells,
                    blocks,
                });
            });
        };
        if !self.padded.is_needed() {
            return start(input);
        }
        with_bytes(self.inputs * plane, |scratch| {
            let length = input.len() / self.inputs;
            self.padded.copy(input, length, LANES, self.zero, scratch);
            start(scratch)
        })
    }
}

/// The initial accumulators of each block, which cancel the contribution of the zero point `zero`.
///
/// *Shapes*: `packed` is `[blocks][input block][tap][four][16][4]`, the result `[blocks][16]`.
pub(super) fn starts(packed: &[i8], blocks: usize, zero: i32) -> Vec<i32> {
    let mut starts = vec![0; blocks * LANES];
    if zero != 0 && !packed.is_empty() {
        let of_block = packed.chunks_exact(packed.len() / blocks);
        for (weights, starts) in of_block.zip(starts.chunks_exact_mut(LANES)) {
            for (at, weight) in weights.iter().enumerate() {
                starts[at / DEPTH % LANES] -= zero * i32::from(*weight);
            }
        }
    }
    starts
}

/// One application; all pointers are good for what the layer's shapes say.
struct Pass<'a> {
    layer: &'a Int8Convolution,
    /// With its padding.
    input: *const i8,
    /// Bytes between two blocks of the input.
    plane: usize,
    residual: *const i8,
    target: Destination,
    /// Of the output, those to compute: from a multiple of [`CELLS_TOGETHER`] and of [`WIDEST`] on.
    cells: Range<usize>,
    blocks: Range<usize>,
}

impl DotsKernel for Pass<'_> {
    #[inline(always)]
    unsafe fn run<D: Dots>(&self) {
        let layer = self.layer;
        let cells = self.cells.len();
        let read = layer.inputs * LANES * layer.axes[0].stride * layer.axes[1].stride;
        let at_once = (INPUT_BYTES / read).max(48);
        let at_once = cells
            .div_ceil(cells.div_ceil(at_once))
            .next_multiple_of(CELLS_TOGETHER);
        for from in self.cells.clone().step_by(at_once) {
            let cells = from..self.cells.end.min(from + at_once);
            // SAFETY: the instructions are there, and all lies within the shapes.
            unsafe {
                self.tiles::<D>(cells);
            }
        }
    }
}

impl Pass<'_> {
    /// As many cells at once as there are registers for.
    #[inline(always)]
    unsafe fn tiles<D: Dots>(&self, cells: Range<usize>) {
        let Range { start, end } = self.blocks;
        // SAFETY: as the caller says.
        unsafe {
            if D::MANY {
                let mut block = start;
                while block + WIDEST <= end {
                    self.tile::<D, 8, WIDEST>(cells.clone(), block);
                    block += WIDEST;
                }
                match end - block {
                    2 => self.tile::<D, 8, 2>(cells, block),
                    1 => self.tile::<D, 8, 1>(cells, block),
                    _ => (),
                }
            } else {
                for block in start..end {
                    self.tile::<D, 4, 1>(cells.clone(), block);
                }
            }
        }
    }

    /// `CELLS` output cells and `BLOCKS` output blocks at a time.
    #[inline(always)]
    unsafe fn tile<D: Dots, const CELLS: usize, const BLOCKS: usize>(
        &self,
        cells: Range<usize>,
        first_block: usize,
    ) {
        let layer = self.layer;
        let [rows, columns] = layer.axes;
        let area = rows.output * columns.output;
        let step = columns.stride * LANES;
        let row_step = rows.stride * layer.padded.size[1] * LANES;
        let of_tap = LANES * LANES;
        let of_block = layer.inputs * layer.taps.len() * of_tap;
        let mut row = cells.start / columns.output;
        let mut column = cells.start % columns.output;
        let mut room = Needed::default();
        for cell in cells.clone().step_by(CELLS) {
            let there = CELLS.min(cells.end - cell);
            let taps = layer.taps.needed([row, column], there, &mut room);
            // Surplus cells compute the last one again.
            let mut places = [0; CELLS];
            let mut place = 0;
            for (index, slot) in places.iter_mut().enumerate() {
                if index < there {
                    place = row * row_step + column * step;
                    column += 1;
                    if column == columns.output {
                        (row, column) = (row + 1, 0);
                    }
                }
                *slot = place;
            }
            // SAFETY: cells, blocks and places lie within the shapes.
            unsafe {
                let mut accumulators =
                    [[D::accumulators(layer.starts.as_ptr().add(first_block * LANES)); BLOCKS];
                        CELLS];
                for block in 1..BLOCKS {
                    let start =
                        D::accumulators(layer.starts.as_ptr().add((first_block + block) * LANES));
                    for accumulators in &mut accumulators {
                        accumulators[block] = start;
                    }
                }
                let mut of_input = layer.weights.as_ptr().add(first_block * of_block);
                for input in 0..layer.inputs {
                    let plane = self.input.add(input * self.plane);
                    let is_last = input + 1 == layer.inputs;
                    let fours = if is_last {
                        layer.last_fours
                    } else {
                        LANES / DEPTH
                    };
                    for tap in taps {
                        let mut source = plane.add(tap.offset);
                        let mut weights = of_input.add(tap.index * of_tap);
                        for _ in 0..fours {
                            let mut factors = [D::weights(weights); BLOCKS];
                            for (block, factor) in factors.iter_mut().enumerate().skip(1) {
                                *factor = D::weights(weights.add(block * of_block));
                            }
                            for index in 0..CELLS {
                                let values = D::spread(source.add(places[index]));
                                for block in 0..BLOCKS {
                                    accumulators[index][block] =
                                        D::dot(accumulators[index][block], values, factors[block]);
                                }
                            }
                            source = source.add(DEPTH);
                            weights = weights.add(STEP);
                        }
                    }
                    of_input = of_input.add(layer.taps.len() * of_tap);
                }
                // This copy lies in memory, because a loop runs over it; the accumulators themselves stay in registers.
                let mut ended = [[D::accumulators(layer.starts.as_ptr()); BLOCKS]; CELLS];
                for index in 0..CELLS {
                    for block in 0..BLOCKS {
                        ended[index][block] = accumulators[index][block];
                    }
                }
                for (index, accumulators) in ended.iter().enumerate() {
                    if index == there {
                        break;
                    }
                    for (block, accumulators) in accumulators.iter().enumerate() {
                        let at = [first_block + block, cell + index, area];
                        layer
                            .epilogue
                            .write::<D>(*accumulators, at, self.residual, self.target);
                    }
                }
            }
        }
    }
}
