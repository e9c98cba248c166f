//! The inner loops of [`Attention`]: one pass over the keys for a tile of queries.

use std::ops::Range;

use super::super::layout::blocks;
use super::{Attention, Maps};
use crate::kernels::common::exponential::two_to_the;
use crate::kernels::common::lanes::{Kernel, LANES, Lanes};

/// Keys and values that meet a tile of queries at a time: with the tile, they stay in the first-level cache. The order
/// of accumulation depends on it.
pub(crate) const KEYS: usize = 48;
/// Tiles of queries that meet the same keys, one after the other: they stay in the second-level cache.
pub(crate) const TILES: usize = 8;
/// Most queries of a tile.
pub(crate) const WIDEST: usize = 32;

/// Copies in the order in which they are read.
pub(crate) struct Scratch {
    /// `[depth / 8][KEYS][8]`.
    pub keys: *mut f32,
    /// `[channels / 8][KEYS][8]`.
    pub values: *mut f32,
    /// Of one tile of queries, `[KEYS][queries]`: affinities, then the weights that become of them.
    pub weights: *mut f32,
    /// Of each tile, `[depth][queries]`.
    pub queries: *mut f32,
    /// Of each tile, `[channels, rounded up to blocks][queries]`: values by weights so far.
    pub answers: *mut f32,
    /// Of each query, the largest affinity so far.
    pub peaks: *mut f32,
    /// Of each query, the sum of its weights so far, the denominator of its softmax.
    pub denominators: *mut f32,
}

/// One application; all pointers are good for what the layer's shapes say.
pub(crate) struct Pass<'a> {
    pub layer: &'a Attention,
    pub maps: &'a Maps<'a>,
    pub output: *mut f32,
    /// Those to answer.
    pub queries: Range<usize>,
    pub scratch: Scratch,
}

impl Kernel for Pass<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(&self) {
        // SAFETY: the instructions are there. Each product holds its accumulators, a value and a row of parts in
        // registers: of 32 wide ones or 16 others.
        unsafe {
            match L::IS_WIDE {
                true => self.attend::<L, 8, 8, 2>(),
                false => self.attend::<L, 6, 4, 2>(),
            }
        }
    }
}

#[expect(
    clippy::needless_range_loop,
    reason = "accumulators that an iterator runs over lie in memory, not in registers"
)]
impl Pass<'_> {
    /// `ROWS` keys, then `CHANNELS` of the values, and `PARTS` times the queries that `L` holds at a time.
    #[inline(always)]
    unsafe fn attend<L: Lanes, const ROWS: usize, const CHANNELS: usize, const PARTS: usize>(
        &self,
    ) {
        const {
            assert!(KEYS.is_multiple_of(ROWS) && LANES.is_multiple_of(CHANNELS));
        }
        let tile = PARTS * L::BLOCKS * LANES;
        let (queries, keys) = (self.queries.end, self.layer.keys);
        for from in self.queries.clone().step_by(TILES * tile) {
            let tiles = (queries - from).min(TILES * tile).div_ceil(tile);
            // SAFETY: there is scratch for so many tiles; the rest is as the pointers say.
            unsafe {
                self.begin(from, tiles, tile);
                for first in (0..keys).step_by(KEYS) {
                    let there = KEYS.min(keys - first);
                    let [depth, channels] = [self.layer.depth, self.layer.channels].map(blocks);
                    copy_cells(self.maps.keys, depth, keys, first, self.scratch.keys);
                    copy_cells(self.maps.values, channels, keys, first, self.scratch.values);
                    for index in 0..tiles {
                        let rescale = self.weigh::<L, ROWS, PARTS>(index, there);
                        self.gather::<L, CHANNELS, PARTS>(index, there, rescale);
                    }
                }
                for index in 0..tiles {
                    let from = from + index * tile;
                    self.write::<L::One>(index, tile, from..queries.min(from + tile));
                }
            }
        }
    }

    /// Puts the queries from `from` on in place. Surplus ones are the last one again.
    #[inline(always)]
    unsafe fn begin(&self, from: usize, tiles: usize, tile: usize) {
        let (depth, queries) = (self.layer.depth, self.layer.queries());
        let answers = tiles * tile * blocks(self.layer.channels) * LANES;
        // SAFETY: as the pointers say.
        unsafe {
            for index in 0..tiles * tile {
                let query = (from + index).min(queries - 1);
                let to = self
                    .scratch
                    .queries
                    .add(index / tile * tile * depth + index % tile);
                for channel in 0..depth {
                    let at = (channel / LANES * queries + query) * LANES + channel % LANES;
                    // Powers of two are simpler than those of e.
                    *to.add(channel * tile) = self.maps.queries[at] * std::f32::consts::LOG2_E;
                }
                *self.scratch.peaks.add(index) = f32::MIN;
                *self.scratch.denominators.add(index) = 0.0;
            }
            std::slice::from_raw_parts_mut(self.scratch.answers, answers).fill(0.0);
        }
    }

    /// Makes weights of the first `there` keys for the tile's queries. Returns what earlier weights are to be
    /// multiplied by.
    #[inline(always)]
    unsafe fn weigh<L: Lanes, const ROWS: usize, const PARTS: usize>(
        &self,
        index: usize,
        there: usize,
    ) -> [L; PARTS] {
        let held = L::BLOCKS * LANES;
        let tile = PARTS * held;
        // SAFETY: as the pointers say.
        unsafe {
            let queries = self.scratch.queries.add(index * tile * self.layer.depth);
            let (peaks, denominators) = (
                self.scratch.peaks.add(index * tile),
                self.scratch.denominators.add(index * tile),
            );
            let mut peak = [L::splat(0.0); PARTS];
            for (part, peak) in peak.iter_mut().enumerate() {
                *peak = L::load(peaks.add(part * held));
            }
            let before = peak;
            for row in (0..there).step_by(ROWS) {
                let affinities = self.affinities::<L, ROWS, PARTS>(queries, row);
                for (row, affinities) in (row..).zip(&affinities) {
                    for part in 0..PARTS {
                        peak[part] = peak[part].at_least(affinities[part]);
                        affinities[part].store(self.scratch.weights.add(row * tile + part * held));
                    }
                }
            }
            let mut rescale = [L::splat(0.0); PARTS];
            let mut accumulator = rescale;
            for part in 0..PARTS {
                rescale[part] = two_to_the(before[part].subtract(peak[part]));
                accumulator[part] = L::load(denominators.add(part * held)).multiply(rescale[part]);
            }
            for row in 0..there {
                let weights = self.scratch.weights.add(row * tile);
                for part in 0..PARTS {
                    let affinity = L::load(weights.add(part * held));
                    let weight = two_to_the(affinity.subtract(peak[part]));
                    accumulator[part] = accumulator[part].add(weight);
                    weight.store(weights.add(part * held));
                }
            }
            for part in 0..PARTS {
                peak[part].store(peaks.add(part * held));
                accumulator[part].store(denominators.add(part * held));
            }
            rescale
        }
    }

    /// Of `ROWS` keys from `row` on to a tile of queries.
    #[inline(always)]
    unsafe fn affinities<L: Lanes, const ROWS: usize, const PARTS: usize>(
        &self,
        queries: *const f32,
        row: usize,
    ) -> [[L; PARTS]; ROWS] {
        let held = L::BLOCKS * LANES;
        let mut queries = queries;
        // SAFETY: as the pointers say.
        unsafe {
            let mut accumulators = [[L::splat(0.0); PARTS]; ROWS];
            let mut keys = self.scratch.keys.add(row * LANES).cast_const();
            for block in 0..blocks(self.layer.depth) {
                for lane in 0..LANES.min(self.layer.depth - block * LANES) {
                    let mut query = [L::splat(0.0); PARTS];
                    for (part, query) in query.iter_mut().enumerate() {
                        *query = L::load(queries.add(part * held));
                    }
                    queries = queries.add(PARTS * held);
                    for index in 0..ROWS {
                        let key = L::splat(*keys.add(index * LANES + lane));
                        for part in 0..PARTS {
                            accumulators[index][part] =
                                accumulators[index][part].add_product(key, query[part]);
                        }
                    }
                }
                keys = keys.wrapping_add(KEYS * LANES);
            }
            accumulators
        }
    }

    /// Adds the first `there` values, by the tile's weights, to its answers.
    #[inline(always)]
    unsafe fn gather<L: Lanes, const CHANNELS: usize, const PARTS: usize>(
        &self,
        index: usize,
        there: usize,
        rescale: [L; PARTS],
    ) {
        let held = L::BLOCKS * LANES;
        let tile = PARTS * held;
        let channels = blocks(self.layer.channels) * LANES;
        // SAFETY: as the pointers say.
        unsafe {
            for channel in (0..channels).step_by(CHANNELS) {
                let answers = self
                    .scratch
                    .answers
                    .add((index * channels + channel) * tile);
                let mut accumulators = [[L::splat(0.0); PARTS]; CHANNELS];
                for index in 0..CHANNELS {
                    for part in 0..PARTS {
                        let before = L::load(answers.add(index * tile + part * held));
                        accumulators[index][part] = before.multiply(rescale[part]);
                    }
                }
                let values = channel / LANES * KEYS * LANES + channel % LANES;
                let mut values = self.scratch.values.add(values).cast_const();
                let mut weights = self.scratch.weights.cast_const();
                for _ in 0..there {
                    let mut weight = [L::splat(0.0); PARTS];
                    for (part, weight) in weight.iter_mut().enumerate() {
                        *weight = L::load(weights.add(part * held));
                    }
                    for index in 0..CHANNELS {
                        let value = L::splat(*values.add(index));
                        for part in 0..PARTS {
                            accumulators[index][part] =
                                accumulators[index][part].add_product(value, weight[part]);
                        }
                    }
                    values = values.wrapping_add(LANES);
                    weights = weights.wrapping_add(tile);
                }
                for index in 0..CHANNELS {
                    for part in 0..PARTS {
                        accumulators[index][part].store(answers.add(index * tile + part * held));
                    }
                }
            }
        }
    }

    /// The tile's answers to the cells they are for. `L` holds one block.
    #[inline(always)]
    unsafe fn write<L: Lanes>(&self, index: usize, tile: usize, cells: Range<usize>) {
        let channels = self.layer.channels;
        // SAFETY: as the pointers say.
        unsafe {
            let [least, most] = self.layer.bounds.map(|bound| L::splat(bound));
            let denominators = self.scratch.denominators.add(index * tile);
            let answers = self
                .scratch
                .answers
                .add(index * tile * blocks(channels) * LANES);
            for (query, cell) in cells.enumerate() {
                let share = L::splat(1.0 / *denominators.add(query));
                for block in 0..blocks(channels) {
                    let mut answer = [0.0; LANES];
                    for channel in block * LANES..channels.min((block + 1) * LANES) {
                        answer[channel % LANES] = *answers.add(channel * tile + query);
                    }
                    let at = (block * self.layer.queries() + cell) * LANES;
                    let mut answer = L::load(answer.as_ptr()).multiply(share);
                    if let Some(residual) = self.maps.residual {
                        answer = answer.add(L::load(residual.as_ptr().add(at)));
                    }
                    answer
                        .at_least(least)
                        .at_most(most)
                        .store(self.output.add(at));
                }
            }
        }
    }
}

/// Copies [`KEYS`] cells from `first` on of each block. Where there are fewer, the last one fills up.
#[inline(always)]
unsafe fn copy_cells(map: &[f32], blocks: usize, cells: usize, first: usize, to: *mut f32) {
    let there = KEYS.min(cells - first);
    for block in 0..blocks {
        let from = &map[(block * cells + first) * LANES..][..there * LANES];
        // SAFETY: there is scratch for so many cells of each block.
        unsafe {
            let to = to.add(block * KEYS * LANES);
            to.copy_from_nonoverlapping(from.as_ptr(), from.len());
            let last = from.as_ptr().add((there - 1) * LANES);
            for cell in there..KEYS {
                to.add(cell * LANES).copy_from_nonoverlapping(last, LANES);
            }
        }
    }
}
