//! The kernels as tract's operators. A blocked map is a tensor `[C / 8, H, W, 8]`: tract keeps a shape of up to
//! four extents in place and allocates memory for a longer one.

use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::attention::{Attention, Maps};
use super::convolution::Convolution;
use super::layout;
use super::separable::Separable;
use super::window::Window;
use crate::kernels::common::lanes::LANES;

/// The computation of a node; shared by all states of a network.
#[derive(Clone, Debug)]
pub(crate) enum Blocked {
    /// `[1, C, H, W]` to blocks.
    Enter,
    /// Blocks to `[1, C, H, W]` with so many channels.
    Leave(usize),
    /// A second input is the residual.
    Convolution(Arc<Convolution>),
    Window(Arc<Window>),
    Separable(Arc<Separable>),
    /// Of queries, keys and values. A fourth input is added to the answer.
    Attention(Arc<Attention>),
}

// tract compares nodes to find those that are alike; none of these ever need to be.
impl PartialEq for Blocked {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Blocked::Enter, Blocked::Enter) => true,
            (Blocked::Leave(channels), Blocked::Leave(others)) => channels == others,
            (Blocked::Convolution(one), Blocked::Convolution(other)) => Arc::ptr_eq(one, other),
            (Blocked::Window(one), Blocked::Window(other)) => Arc::ptr_eq(one, other),
            (Blocked::Separable(one), Blocked::Separable(other)) => Arc::ptr_eq(one, other),
            (Blocked::Attention(one), Blocked::Attention(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for Blocked {}

impl Blocked {
    fn output_shape(&self, input: &[usize]) -> TractResult<[usize; 4]> {
        Ok(match (self, input) {
            (Blocked::Enter, [1, channels, height, width]) => {
                [layout::blocks(*channels), *height, *width, LANES]
            }
            (Blocked::Leave(channels), [blocks, height, width, LANES])
                if layout::blocks(*channels) == *blocks =>
            {
                [1, *channels, *height, *width]
            }
            (Blocked::Convolution(layer), _) => layer.output_shape(),
            (Blocked::Window(layer), _) => layer.output_shape(),
            (Blocked::Separable(layer), _) => layer.output_shape(),
            (Blocked::Attention(layer), _) => layer.output_shape(),
            _ => bail!("{self:?} of a map {input:?}"),
        })
    }

    /// Of the maps that it reads, without a residual.
    fn input_lengths(&self) -> Option<TVec<usize>> {
        Some(match self {
            Blocked::Enter | Blocked::Leave(_) => return None,
            Blocked::Convolution(layer) => tvec![layer.input_length()],
            Blocked::Window(layer) => tvec![layer.input_length()],
            Blocked::Separable(layer) => tvec![layer.input_length()],
            Blocked::Attention(layer) => layer.input_lengths().into_iter().collect(),
        })
    }

    fn check_lengths(&self, maps: &[&[f32]], written: usize) -> TractResult<()> {
        let Some(mut expected) = self.input_lengths() else {
            return Ok(());
        };
        if maps.len() == expected.len() + 1 {
            expected.push(written);
        }
        let found: TVec<usize> = maps.iter().map(|map| map.len()).collect();
        ensure!(
            found == expected,
            "maps of {found:?} values instead of {expected:?}"
        );
        Ok(())
    }
}

impl Op for Blocked {
    fn name(&self) -> StaticName {
        match self {
            Blocked::Enter => "BlockedEnter",
            Blocked::Leave(_) => "BlockedLeave",
            Blocked::Convolution(_) => "BlockedConvolution",
            Blocked::Window(_) => "BlockedWindow",
            Blocked::Separable(_) => "BlockedSeparable",
            Blocked::Attention(_) => "BlockedAttention",
        }
        .into()
    }

    op_as_typed_op!();
}

impl EvalOp for Blocked {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let views = inputs.iter().map(|map| map.try_as_plain_ram());
        let views: TVec<_> = views.collect::<TractResult<_>>()?;
        let maps = views.iter().map(|map| map.as_slice::<f32>());
        let maps: TVec<&[f32]> = maps.collect::<TractResult<_>>()?;
        let shape = self.output_shape(inputs[0].shape())?;
        // SAFETY: every kernel writes all of its output.
        let mut output = unsafe { Tensor::uninitialized::<f32>(&shape)? };
        let mut written = output.try_as_plain_ram_mut()?;
        let written = written.as_slice_mut::<f32>()?;
        self.check_lengths(&maps, written.len())?;
        match self {
            Blocked::Enter => layout::to_blocked(maps[0], shape[1] * shape[2], written),
            Blocked::Leave(_) => layout::to_plain(maps[0], shape[2] * shape[3], written),
            Blocked::Convolution(layer) => {
                layer.apply(maps[0], maps.get(1).copied(), written);
            }
            Blocked::Window(layer) => layer.apply(maps[0], written),
            Blocked::Separable(layer) => layer.apply(maps[0], written),
            Blocked::Attention(layer) => {
                let maps = Maps {
                    queries: maps[0],
                    keys: maps[1],
                    values: maps[2],
                    residual: maps.get(3).copied(),
                };
                layer.apply(&maps, written);
            }
        }
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Blocked {
    as_op!();

    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let shape = inputs[0]
            .shape
            .as_concrete()
            .context("a map without a fixed shape")?;
        Ok(tvec!(f32::fact(self.output_shape(shape)?)))
    }
}
