//! The epilogue of an int8 layer: requantise the accumulators, add bias and residual, clamp (a ReLU among others), and
//! write bytes or floats.

use super::dots::{Dots, LANES};
use super::scale::Scale;
use crate::kernels::common::lanes::LANES as FLOAT_LANES;

/// The epilogue of one layer. Its results are float values, or steps of the output's scale.
#[derive(Clone, Debug)]
pub(crate) struct Epilogue {
    /// `[blocks * 16]`: the scale of the accumulators.
    factors: Vec<f32>,
    /// `[blocks * 16]`
    bias: Vec<f32>,
    /// The clamp on the results; infinite if nothing clamps.
    pub bounds: [f32; 2],
    /// The scale of the residual, if there is one.
    pub residual: Option<Scale>,
    channels: usize,
    /// The scale of the results, if they are bytes.
    writes: Option<Scale>,
}

/// The output: a map of bytes, or of floats in blocks of eight channels.
#[derive(Clone, Copy)]
pub(crate) enum Destination {
    Bytes(*mut i8),
    Floats(*mut f32),
}

// SAFETY: every thread writes its own part of the map.
unsafe impl Sync for Destination {}

impl Epilogue {
    /// *Shapes*: `factors` and `bias` are `[channels]`.
    pub(crate) fn new(factors: &[f32], bias: &[f32]) -> Self {
        let padded = |values: &[f32]| {
            let mut values = values.to_vec();
            values.resize(bias.len().next_multiple_of(LANES), 0.0);
            values
        };
        Epilogue {
            factors: padded(factors),
            bias: padded(bias),
            bounds: [f32::NEG_INFINITY, f32::INFINITY],
            residual: None,
            channels: bias.len(),
            writes: None,
        }
    }

    /// The results are bytes of this scale.
    pub(crate) fn write_bytes(&mut self, scale: Scale) {
        let per_step = scale.step.recip();
        for value in self.factors.iter_mut().chain(&mut self.bias) {
            *value *= per_step;
        }
        if let Some(residual) = &mut self.residual {
            residual.step *= per_step;
        }
        let [least, most] = scale.bounds();
        self.bounds = self
            .bounds
            .map(|bound| (bound * per_step).clamp(least, most));
        self.writes = Some(scale);
    }

    pub(crate) fn writes_bytes(&self) -> bool {
        self.writes.is_some()
    }

    pub(crate) fn channels(&self) -> usize {
        self.channels
    }

    pub(crate) fn blocks(&self) -> usize {
        self.bias.len() / LANES
    }

    /// Of `cells` results, the length of the output.
    pub(crate) fn output_length(&self, cells: usize) -> usize {
        match self.writes_bytes() {
            true => self.blocks() * LANES * cells,
            false => self.channels.next_multiple_of(FLOAT_LANES) * cells,
        }
    }

    /// Writes the results of `block` for cell `cell` of `area`.
    ///
    /// # Safety
    /// The CPU must have the instructions; `target` and `residual` must be good for maps of the layer's output.
    #[inline(always)]
    pub(crate) unsafe fn write<D: Dots>(
        &self,
        accumulators: D::Accumulators,
        [block, cell, area]: [usize; 3],
        residual: *const i8,
        target: Destination,
    ) {
        unsafe {
            let at = (block * area + cell) * LANES;
            let factors = D::load(self.factors.as_ptr().add(block * LANES));
            let bias = D::load(self.bias.as_ptr().add(block * LANES));
            let mut value = D::add(D::multiply(D::floats(accumulators), factors), bias);
            if let Some(scale) = self.residual {
                let steps = D::from_bytes(residual.add(at), scale.zero);
                let added = D::multiply(steps, D::splat(scale.step));
                value = D::add(value, added);
            }
            let [least, most] = self.bounds;
            let value = D::clamp(value, D::splat(least), D::splat(most));
            let zero = self.writes.map_or(0, |scale| scale.zero);
            match target {
                Destination::Bytes(to) => D::store_bytes(value, zero, to.add(at)),
                Destination::Floats(to) => {
                    let first = to.add((2 * block * area + cell) * FLOAT_LANES);
                    let is_half = block * LANES + FLOAT_LANES >= self.channels;
                    let second = (!is_half).then(|| first.add(area * FLOAT_LANES));
                    D::store_halves(value, first, second);
                }
            }
        }
    }
}
