//! `vertical · map · horizontalᵀ` of every channel: how training writes resizing. The matrices are nearly empty, a
//! cell of the result depends on a few neighbours, so only those are multiplied.

use crate::kernels::common::geometry::with_scratch;
use crate::kernels::common::lanes::{Kernel, LANES, Lanes, run};
use crate::team;

/// Multiplications that a value of the result takes, about, and what goes with them.
const COST: usize = 16;

/// The rows of a matrix without the zeros at their ends.
#[derive(Debug)]
struct Band {
    columns: usize,
    /// First column and values.
    rows: Vec<(usize, Vec<f32>)>,
}

impl Band {
    fn new(matrix: &[f32], columns: usize) -> Self {
        let rows = matrix.chunks_exact(columns).map(|row| {
            let first = row.iter().position(|value| *value != 0.0).unwrap_or(0);
            let end = row
                .iter()
                .rposition(|value| *value != 0.0)
                .map_or(first, |last| last + 1);
            (first, row[first..end].to_vec())
        });
        Band {
            columns,
            rows: rows.collect(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Separable {
    blocks: usize,
    vertical: Band,
    horizontal: Band,
}

impl Separable {
    /// # Shapes
    /// - `vertical`: `[height of the result, height]`, row-major
    /// - `horizontal`: `[width of the result, width]`
    pub(crate) fn new(
        blocks: usize,
        vertical: (&[f32], usize),
        horizontal: (&[f32], usize),
    ) -> Self {
        Separable {
            blocks,
            vertical: Band::new(vertical.0, vertical.1),
            horizontal: Band::new(horizontal.0, horizontal.1),
        }
    }

    /// `[blocks, height, width, 8]`
    pub(crate) fn output_shape(&self) -> [usize; 4] {
        [
            self.blocks,
            self.vertical.rows.len(),
            self.horizontal.rows.len(),
            LANES,
        ]
    }

    pub(crate) fn input_length(&self) -> usize {
        self.blocks * self.vertical.columns * self.horizontal.columns * LANES
    }

    /// # Panics
    /// If a slice has another length than the shapes say.
    pub(crate) fn apply(&self, input: &[f32], output: &mut [f32]) {
        assert_eq!(input.len(), self.input_length());
        assert_eq!(output.len(), self.output_shape().iter().product::<usize>());
        let [_, rows, columns, _] = self.output_shape();
        let cost = output.len() * COST;
        team::each_chunk(output, rows * columns * LANES, cost, |block, output| {
            let length = self.vertical.columns * self.horizontal.columns * LANES;
            with_scratch(self.horizontal.columns * LANES, |line| {
                run(&Pass {
                    layer: self,
                    input: input[block * length..][..length].as_ptr(),
                    line: line.as_mut_ptr(),
                    output: output.as_mut_ptr(),
                });
            });
        });
    }
}

/// Of one block. All pointers are good for what the layer's shapes say, `line` for one row of the input.
struct Pass<'a> {
    layer: &'a Separable,
    input: *const f32,
    line: *mut f32,
    output: *mut f32,
}

impl Kernel for Pass<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(&self) {
        let Separable {
            vertical,
            horizontal,
            ..
        } = self.layer;
        let pitch = horizontal.columns * LANES;
        let mut to = self.output;
        // SAFETY: as the pointers say.
        unsafe {
            for (first, factors) in &vertical.rows {
                for column in 0..horizontal.columns {
                    let from = self.input.add(first * pitch + column * LANES);
                    weighted::<L>(from, pitch, factors).store(self.line.add(column * LANES));
                }
                for (first, factors) in &horizontal.rows {
                    weighted::<L>(self.line.add(first * LANES), LANES, factors).store(to);
                    to = to.add(LANES);
                }
            }
        }
    }
}

/// The sum of cells `pitch` values apart.
#[inline(always)]
unsafe fn weighted<L: Lanes>(mut from: *const f32, pitch: usize, factors: &[f32]) -> L {
    // SAFETY: there are as many cells as factors.
    unsafe {
        let mut sum = L::splat(0.0);
        for factor in factors {
            sum = sum.add_product(L::splat(*factor), L::load(from));
            from = from.wrapping_add(pitch);
        }
        sum
    }
}
