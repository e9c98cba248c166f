//! Convolution without im2col: a tile of output cells and channels stays in registers while the
//! kernel passes over its input. Weights are packed at load in the order in which the tile reads them.

use std::ops::Range;

use super::layout::blocks;
use crate::kernels::common::geometry::{Axis, Padded, with_scratch};
use crate::kernels::common::lanes::{Kernel, LANES, Lanes, is_wide, run_wide};
use crate::kernels::common::shares::{CELLS_TOGETHER, Shares};
use crate::kernels::common::taps::{Needed, Taps};
use crate::team::SharedSlice;

/// Weights that a block of a tile reads again and again should stay in the second-level cache, beside its input.
/// Accumulators of more inputs are made in several rounds, each of which reads and writes all of the output so far.
const WEIGHT_BYTES: usize = 40 << 10;
/// The input of one round over the cells should stay in the second-level cache: all tiles read it again.
const INPUT_BYTES: usize = 256 << 10;
/// Below this many channels the input is read as it comes, a channel a plane: blocks would be mostly filling.
const FEW_CHANNELS: usize = 5;

/// A convolution with its bias, and optionally a residual and a clamp behind it.
#[derive(Debug)]
pub(crate) struct Convolution {
    axes: [Axis; 2],
    padded: Padded,
    /// Most output blocks of a tile.
    widest: usize,
    /// Channels are planes of one value a cell, not blocks of eight.
    planes: bool,
    /// Blocks, or planes, of the input.
    inputs: usize,
    output_blocks: usize,
    taps: Taps,
    /// `[tile][input block][tap][lane][block of the tile][8]`.
    weights: Vec<f32>,
    bias: Vec<f32>,
    /// Sum and bias are kept within these; infinite where nothing clamps.
    pub bounds: [f32; 2],
}

impl Convolution {
    /// # Shapes
    /// - `weights`: `[outputs, inputs, height, width]`
    /// - `bias`: `[outputs]`
    pub(crate) fn new(axes: [Axis; 2], inputs: usize, weights: &[f32], bias: &[f32]) -> Self {
        let padded = Padded::new(&axes);
        let planes = inputs < FEW_CHANNELS;
        let lanes = if planes { 1 } else { LANES };
        let output_blocks = blocks(bias.len());
        let [rows, columns] = axes;
        let taps = Taps::new(&axes, &padded, lanes);
        let area = rows.kernel * columns.kernel;
        let input_blocks = inputs.div_ceil(lanes);
        let mut packed =
            Vec::with_capacity(output_blocks * input_blocks * taps.len() * lanes * LANES);
        let widest = widest();
        for tile in tiles(0..output_blocks, widest) {
            for input_block in 0..input_blocks {
                for tap in &taps.places {
                    for input in input_block * lanes..(input_block + 1) * lanes {
                        let outputs = tile.start * LANES..tile.end * LANES;
                        packed.extend(outputs.map(|output| {
                            let there = output < bias.len() && input < inputs;
                            if there {
                                weights[(output * inputs + input) * area + tap]
                            } else {
                                0.0
                            }
                        }));
                    }
                }
            }
        }
        let mut bias = bias.to_vec();
        bias.resize(output_blocks * LANES, 0.0);
        Convolution {
            padded,
            widest,
            planes,
            inputs: input_blocks,
            output_blocks,
            taps,
            weights: packed,
            bias,
            bounds: [f32::NEG_INFINITY, f32::INFINITY],
            axes,
        }
    }

    /// Reads its input plane by plane, `[C, H, W]`.
    pub(crate) fn reads_planes(&self) -> bool {
        self.planes
    }

    /// `[blocks, height, width, 8]`
    pub(crate) fn output_shape(&self) -> [usize; 4] {
        let [rows, columns] = self.axes;
        [self.output_blocks, rows.output, columns.output, LANES]
    }

    fn lanes(&self) -> usize {
        if self.planes { 1 } else { LANES }
    }

    pub(crate) fn input_length(&self) -> usize {
        self.inputs * self.axes[0].input * self.axes[1].input * self.lanes()
    }

    /// Values of the padded copy of the input.
    pub(crate) fn scratch_length(&self) -> usize {
        self.inputs * self.padded.size[0] * self.padded.size[1] * self.lanes()
    }

    /// `residual` has the shape of the output and is added before the clamp.
    ///
    /// # Panics
    /// If a slice has another length than the shapes say.
    pub(crate) fn apply(&self, input: &[f32], residual: Option<&[f32]>, output: &mut [f32]) {
        assert_eq!(input.len(), self.input_length());
        assert_eq!(output.len(), self.output_shape().iter().product::<usize>());
        assert!(residual.is_none_or(|residual| residual.len() == output.len()));
        let plane = self.padded.size[0] * self.padded.size[1] * self.lanes();
        let output = SharedSlice::new(output);
        let start = |input: &[f32]| {
            let shares = Shares {
                axes: &self.axes,
                blocks: self.output_blocks,
                widest: self.widest,
                weights: self.weights.len(),
                input: self.scratch_length(),
            };
            shares.each(self.weights.len(), |cells, blocks| {
                run_wide(&Pass {
                    layer: self,
                    input: input.as_ptr(),
                    plane,
                    residual: residual.map(<[f32]>::as_ptr),
                    output: output.start(),
                    cells,
                    blocks,
                });
            });
        };
        if !self.padded.is_needed() {
            return start(input);
        }
        with_scratch(self.inputs * plane, |scratch| {
            let length = input.len() / self.inputs;
            self.padded.copy(input, length, self.lanes(), 0.0, scratch);
            start(scratch)
        })
    }
}

/// Output blocks that a tile computes at once: `most` as long as there are, then what is left in pairs, and one or
/// three at the end of an odd number.
fn tiles(blocks: Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> {
    let mut from = blocks.start;
    std::iter::from_fn(move || {
        let size = match blocks.end - from {
            0 => return None,
            left if left >= most => most,
            left @ (1 | 3) => left,
            left => left & !1,
        };
        from += size;
        Some(from - size..from)
    })
}

/// Most blocks of a tile on this machine.
fn widest() -> usize {
    if is_wide() { 6 } else { 2 }
}

/// One application; all pointers are good for what the layer's shapes say.
struct Pass<'a> {
    layer: &'a Convolution,
    /// With its padding.
    input: *const f32,
    /// Values between two blocks of the input.
    plane: usize,
    residual: Option<*const f32>,
    output: *mut f32,
    /// Of the output, those to compute: from a multiple of [`CELLS_TOGETHER`], and of the widest tile, on.
    cells: Range<usize>,
    blocks: Range<usize>,
}

/// A share of the accumulation: which input blocks, for which output cells.
struct Share {
    inputs: Range<usize>,
    cells: Range<usize>,
    outputs: Range<usize>,
    weights: *const f32,
}

impl Kernel for Pass<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(&self) {
        let layer = self.layer;
        let lanes = layer.lanes();
        let cells = self.cells.len();
        let per_input = layer.taps.len() * lanes * LANES;
        // No tap is left where all of them only read padding.
        let at_once = (WEIGHT_BYTES / (4 * per_input.max(1))).clamp(1, layer.inputs);
        let rounds = layer.inputs.div_ceil(at_once);
        let at_once = layer.inputs.div_ceil(rounds);
        let read = at_once * lanes * layer.axes[0].stride * layer.axes[1].stride;
        let cells_at_once = (INPUT_BYTES / 4 / read).max(48);
        let cells_at_once = cells
            .div_ceil(cells.div_ceil(cells_at_once))
            .next_multiple_of(CELLS_TOGETHER);
        for from in self.cells.clone().step_by(cells_at_once) {
            for first in (0..layer.inputs).step_by(at_once) {
                for outputs in tiles(self.blocks.clone(), layer.widest) {
                    let (size, before) = (outputs.len(), outputs.start * layer.inputs);
                    let share = Share {
                        inputs: first..layer.inputs.min(first + at_once),
                        cells: from..self.cells.end.min(from + cells_at_once),
                        // SAFETY: within the packed weights.
                        weights: unsafe {
                            layer
                                .weights
                                .as_ptr()
                                .add((before + first * size) * per_input)
                        },
                        outputs,
                    };
                    // SAFETY: the instructions are there, and the share lies within the shapes.
                    unsafe {
                        match layer.planes {
                            true => self.tile::<L, 1>(&share),
                            false => self.tile::<L, LANES>(&share),
                        }
                    }
                }
            }
        }
    }
}

impl Pass<'_> {
    /// As many cells as there are registers for; `CHANNELS` input channels lie side by side.
    #[inline(always)]
    unsafe fn tile<L: Lanes, const CHANNELS: usize>(&self, share: &Share) {
        // SAFETY: as the caller says.
        unsafe {
            if L::IS_WIDE {
                match share.outputs.len() {
                    6 => return self.share::<L, 8, 3, CHANNELS>(share),
                    4 => return self.share::<L, 12, 2, CHANNELS>(share),
                    2 => return self.share::<L, 12, 1, CHANNELS>(share),
                    _ => (),
                }
            }
            match share.outputs.len() {
                1 => self.share::<L::One, 6, 1, CHANNELS>(share),
                2 => self.share::<L::One, 6, 2, CHANNELS>(share),
                _ => self.share::<L::One, 3, 3, CHANNELS>(share),
            }
        }
    }

    /// `CELLS` output cells and `PARTS` times the blocks of `L` at a time.
    #[inline(always)]
    unsafe fn share<L: Lanes, const CELLS: usize, const PARTS: usize, const CHANNELS: usize>(
        &self,
        share: &Share,
    ) {
        let held = L::BLOCKS * LANES;
        let [rows, columns] = self.layer.axes;
        let area = rows.output * columns.output;
        let step = columns.stride * CHANNELS;
        let row_step = rows.stride * self.layer.padded.size[1] * CHANNELS;
        let mut row = share.cells.start / columns.output;
        let mut column = share.cells.start % columns.output;
        let (is_first, is_last) = (
            share.inputs.start == 0,
            share.inputs.end == self.layer.inputs,
        );
        let mut room = Needed::default();
        for cell in share.cells.clone().step_by(CELLS) {
            let there = CELLS.min(share.cells.end - cell);
            let taps = self.layer.taps.needed([row, column], there, &mut room);
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
                let mut begun = [[L::splat(0.0); PARTS]; CELLS];
                for (index, accumulators) in begun.iter_mut().enumerate() {
                    for (part, accumulator) in accumulators.iter_mut().enumerate() {
                        let block = share.outputs.start + part * L::BLOCKS;
                        *accumulator = if is_first {
                            L::load(self.layer.bias.as_ptr().add(block * LANES))
                        } else {
                            let cell = cell + index.min(there - 1);
                            let from = self.output.add((block * area + cell) * LANES);
                            L::load_apart(from, area * LANES)
                        };
                    }
                }
                // Arrays that loops run over lie in memory; the one between is all registers.
                let mut accumulators = [[L::splat(0.0); PARTS]; CELLS];
                for index in 0..CELLS {
                    for part in 0..PARTS {
                        accumulators[index][part] = begun[index][part];
                    }
                }
                let mut of_input = share.weights;
                for input in share.inputs.clone() {
                    let plane = self.input.add(input * self.plane);
                    for tap in taps {
                        let source = plane.add(tap.offset);
                        let mut weights = of_input.add(tap.index * CHANNELS * PARTS * held);
                        for channel in 0..CHANNELS {
                            let mut factors = [L::splat(0.0); PARTS];
                            for (part, factor) in factors.iter_mut().enumerate() {
                                *factor = L::load(weights.add(part * held));
                            }
                            weights = weights.add(PARTS * held);
                            for index in 0..CELLS {
                                let value = L::splat(*source.add(places[index] + channel));
                                for part in 0..PARTS {
                                    accumulators[index][part] =
                                        accumulators[index][part].add_product(value, factors[part]);
                                }
                            }
                        }
                    }
                    of_input = of_input.add(self.layer.taps.len() * CHANNELS * PARTS * held);
                }
                let [least, most] = self.layer.bounds.map(|bound| L::splat(bound));
                let mut ended = begun;
                for index in 0..CELLS {
                    for part in 0..PARTS {
                        ended[index][part] = accumulators[index][part];
                    }
                }
                for (index, accumulators) in ended.iter().enumerate() {
                    if index == there {
                        break;
                    }
                    for (part, accumulator) in accumulators.iter().enumerate() {
                        let block = share.outputs.start + part * L::BLOCKS;
                        let at = (block * area + cell + index) * LANES;
                        let mut accumulator = *accumulator;
                        if is_last {
                            if let Some(residual) = self.residual {
                                accumulator =
                                    accumulator.add(L::load_apart(residual.add(at), area * LANES));
                            }
                            accumulator = accumulator.at_least(least).at_most(most);
                        }
                        accumulator.store_apart(self.output.add(at), area * LANES);
                    }
                }
            }
        }
    }
}
