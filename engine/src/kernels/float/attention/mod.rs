//! Softmax attention of all cells to all cells, without the matrix of their affinities. A tile of queries is multiplied
//! with a few keys at a time, and the partial results are rescaled when a larger affinity occurs (Milakov and
//! Gimelshein, "Online normalizer calculation for softmax", 2018; Dao et al., "FlashAttention", 2022).
//!
//! Each query has a lane to itself, so nothing is summed across lanes, and the number of lanes changes no bit.

mod pass;

use crate::kernels::common::geometry::with_scratch;
use crate::kernels::common::lanes::{LANES, run_wide};
use crate::kernels::float::layout::blocks;
use crate::team::{self, SharedSlice};
use pass::{KEYS, Pass, Scratch, TILES, WIDEST};

/// The approximate cost of a power of two, in multiplications.
const EXPONENTIAL: usize = 12;

/// `values · softmax(queriesᵀ · keys)ᵀ`, and optionally a residual and a clamp behind it.
#[derive(Debug)]
pub(crate) struct Attention {
    /// Channels of queries and keys.
    depth: usize,
    /// Channels of the values.
    channels: usize,
    /// Number of keys.
    keys: usize,
    /// Rows and columns of the queries.
    output: [usize; 2],
    /// The clamp on the result; infinite if nothing clamps.
    pub bounds: [f32; 2],
}

/// Maps in blocks of channels.
///
/// *Shapes*: `[C / 8, cells, 8]` each.
pub(crate) struct Maps<'a> {
    pub queries: &'a [f32],
    pub keys: &'a [f32],
    pub values: &'a [f32],
    /// The residual, of the output's shape, added before the clamp.
    pub residual: Option<&'a [f32]>,
}

impl Attention {
    /// Queries have `output` rows and columns.
    pub(crate) fn new(depth: usize, channels: usize, keys: usize, output: [usize; 2]) -> Self {
        Attention {
            depth,
            channels,
            keys,
            output,
            bounds: [f32::NEG_INFINITY, f32::INFINITY],
        }
    }

    /// `[blocks, height, width, 8]`
    pub(crate) fn output_shape(&self) -> [usize; 4] {
        let [rows, columns] = self.output;
        [blocks(self.channels), rows, columns, LANES]
    }

    fn queries(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Values of queries, keys and values.
    pub(crate) fn input_lengths(&self) -> [usize; 3] {
        [
            (self.depth, self.queries()),
            (self.depth, self.keys),
            (self.channels, self.keys),
        ]
        .map(|(channels, cells)| blocks(channels) * cells * LANES)
    }

    /// # Panics
    /// If a slice has another length than the shapes say.
    pub(crate) fn apply(&self, maps: &Maps<'_>, output: &mut [f32]) {
        let lengths = [maps.queries, maps.keys, maps.values].map(<[f32]>::len);
        assert_eq!(lengths, self.input_lengths());
        assert_eq!(output.len(), self.output_shape().iter().product::<usize>());
        assert!(
            maps.residual
                .is_none_or(|residual| residual.len() == output.len())
        );
        let [depth, channels] = [self.depth, self.channels].map(|c| blocks(c) * LANES);
        let lengths = [
            KEYS * depth,
            KEYS * channels,
            KEYS * WIDEST,
            TILES * WIDEST * self.depth,
            TILES * WIDEST * channels,
            TILES * WIDEST,
            TILES * WIDEST,
        ];
        let output = SharedSlice::new(output);
        let queries = self.queries();
        let cost = queries * self.keys * (depth + channels + EXPONENTIAL);
        team::each(queries.div_ceil(WIDEST), cost, |tiles| {
            with_scratch(lengths.iter().sum(), |scratch| {
                let mut rest = scratch.as_mut_ptr();
                let [
                    keys,
                    values,
                    weights,
                    tile_queries,
                    answers,
                    peaks,
                    denominators,
                ] = lengths.map(|length| {
                    let part = rest;
                    rest = rest.wrapping_add(length);
                    part
                });
                run_wide(&Pass {
                    layer: self,
                    maps,
                    output: output.start(),
                    queries: tiles.start * WIDEST..queries.min(tiles.end * WIDEST),
                    scratch: Scratch {
                        keys,
                        values,
                        weights,
                        queries: tile_queries,
                        answers,
                        peaks,
                        denominators,
                    },
                });
            });
        });
    }
}
