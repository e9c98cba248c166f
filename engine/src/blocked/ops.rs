//! The kernels as tract's operators. A blocked map is a tensor `[1, C / 8, H, W, 8]`.

use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::convolution::Convolution;
use super::lanes::LANES;
use super::layout;
use super::separable::Separable;
use super::window::Window;

/// What a node computes; shared by all states of a network.
#[derive(Clone, Debug)]
pub(crate) enum Blocked {
    /// `[1, C, H, W]` to blocks.
    Enter,
    /// Blocks to `[1, C, H, W]` with so many channels.
    Leave(usize),
    /// A second input is added to the sum.
    Convolution(Arc<Convolution>),
    Window(Arc<Window>),
    Separable(Arc<Separable>),
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
            _ => false,
        }
    }
}

impl Eq for Blocked {}

impl Blocked {
    fn output_shape(&self, input: &[usize]) -> TractResult<TVec<usize>> {
        let batch_of_one = |shape: [usize; 4]| {
            let mut with_batch = tvec![1];
            with_batch.extend(shape);
            with_batch
        };
        Ok(match (self, input) {
            (Blocked::Enter, [1, channels, height, width]) => {
                tvec![1, layout::blocks(*channels), *height, *width, LANES]
            }
            (Blocked::Leave(channels), [1, blocks, height, width, LANES])
                if layout::blocks(*channels) == *blocks =>
            {
                tvec![1, *channels, *height, *width]
            }
            (Blocked::Convolution(layer), _) => batch_of_one(layer.output_shape()),
            (Blocked::Window(layer), _) => batch_of_one(layer.output_shape()),
            (Blocked::Separable(layer), _) => batch_of_one(layer.output_shape()),
            _ => bail!("{self:?} of a map {input:?}"),
        })
    }

    fn check_length(&self, length: usize) -> TractResult<()> {
        let wanted = match self {
            Blocked::Enter | Blocked::Leave(_) => return Ok(()),
            Blocked::Convolution(layer) => layer.input_length(),
            Blocked::Window(layer) => layer.input_length(),
            Blocked::Separable(layer) => layer.input_length(),
        };
        ensure!(
            length == wanted,
            "a map of {length} values instead of {wanted}"
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
        }
        .into()
    }

    op_as_typed_op!();
}

impl EvalOp for Blocked {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = inputs[0].try_as_plain_ram()?;
        let input = input.as_slice::<f32>()?;
        let shape = self.output_shape(inputs[0].shape())?;
        self.check_length(input.len())?;
        // SAFETY: every kernel writes all of its output.
        let mut output = unsafe { Tensor::uninitialized::<f32>(&shape)? };
        let mut written = output.try_as_plain_ram_mut()?;
        let written = written.as_slice_mut::<f32>()?;
        match self {
            Blocked::Enter => layout::to_blocked(input, shape[2] * shape[3], written),
            Blocked::Leave(_) => layout::to_plain(input, shape[2] * shape[3], written),
            Blocked::Convolution(layer) => {
                let residual = inputs
                    .get(1)
                    .map(|map| map.try_as_plain_ram())
                    .transpose()?;
                let residual = residual
                    .as_ref()
                    .map(|map| map.as_slice::<f32>())
                    .transpose()?;
                ensure!(residual.is_none_or(|map| map.len() == written.len()));
                layer.apply(input, residual, written);
            }
            Blocked::Window(layer) => layer.apply(input, written),
            Blocked::Separable(layer) => layer.apply(input, written),
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
