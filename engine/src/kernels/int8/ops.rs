//! The int8 kernels as tract's operators. An int8 map is a tensor `[C / 16, H, W, 16]`.

use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::convert::{to_bytes, to_floats};
use super::convolution::Int8Convolution;
use super::dots::LANES;
use super::epilogue::{Destination, Epilogue};
use super::scale::Scale;
use super::window::Int8Window;
use crate::kernels::common::lanes::LANES as FLOAT_LANES;

/// The computation of a node; shared by all states of a network.
#[derive(Clone, Debug)]
pub(crate) enum Int8Op {
    /// Float blocks of eight channels to bytes.
    Quantise(Scale),
    /// Bytes to float blocks of eight, with the number of channels.
    Dequantise(Scale, usize),
    /// A second input is the residual.
    Convolution(Arc<Int8Convolution>),
    Window(Arc<Int8Window>),
}

// tract compares nodes to find those that are alike; none of these ever need to be.
impl PartialEq for Int8Op {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Int8Op::Quantise(one), Int8Op::Quantise(other)) => one == other,
            (Int8Op::Dequantise(one, channels), Int8Op::Dequantise(other, others)) => {
                one == other && channels == others
            }
            (Int8Op::Convolution(one), Int8Op::Convolution(other)) => Arc::ptr_eq(one, other),
            (Int8Op::Window(one), Int8Op::Window(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for Int8Op {}

impl Int8Op {
    /// The layer's epilogue and the height and width of its output.
    fn layer(&self) -> Option<(&Epilogue, [usize; 2])> {
        match self {
            Int8Op::Convolution(layer) => Some((&layer.epilogue, layer.output_size())),
            Int8Op::Window(layer) => Some((&layer.epilogue, layer.output_size())),
            Int8Op::Quantise(_) | Int8Op::Dequantise(..) => None,
        }
    }

    fn writes_bytes(&self) -> bool {
        match self.layer() {
            Some((epilogue, _)) => epilogue.writes_bytes(),
            None => matches!(self, Int8Op::Quantise(_)),
        }
    }

    fn output_shape(&self, input: &[usize]) -> TractResult<[usize; 4]> {
        let &[blocks, height, width, lanes] = input else {
            bail!("{self:?} of a map {input:?}");
        };
        if let Some((epilogue, [height, width])) = self.layer() {
            ensure!(lanes == LANES);
            let lanes = if epilogue.writes_bytes() {
                LANES
            } else {
                FLOAT_LANES
            };
            let blocks = epilogue.output_length(1) / lanes;
            return Ok([blocks, height, width, lanes]);
        }
        match self {
            Int8Op::Dequantise(_, channels) if channels.div_ceil(LANES) == blocks => {
                let blocks = channels.div_ceil(FLOAT_LANES);
                Ok([blocks, height, width, FLOAT_LANES])
            }
            Int8Op::Quantise(_) if lanes == FLOAT_LANES => {
                Ok([blocks.div_ceil(2), height, width, LANES])
            }
            _ => bail!("{self:?} of a map {input:?}"),
        }
    }

    fn check_length(&self, length: usize) -> TractResult<()> {
        let expected = match self {
            Int8Op::Quantise(_) | Int8Op::Dequantise(..) => return Ok(()),
            Int8Op::Convolution(layer) => layer.input_length(),
            Int8Op::Window(layer) => layer.input_length(),
        };
        ensure!(
            length == expected,
            "a map of {length} bytes instead of {expected}"
        );
        Ok(())
    }
}

impl Op for Int8Op {
    fn name(&self) -> StaticName {
        match self {
            Int8Op::Quantise(_) => "Int8Quantise",
            Int8Op::Dequantise(..) => "Int8Dequantise",
            Int8Op::Convolution(_) => "Int8Convolution",
            Int8Op::Window(_) => "Int8Window",
        }
        .into()
    }

    op_as_typed_op!();
}

impl EvalOp for Int8Op {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let shape = self.output_shape(inputs[0].shape())?;
        let area = shape[1] * shape[2];
        // SAFETY: every kernel writes all of its output.
        let mut output = unsafe {
            match self.writes_bytes() {
                true => Tensor::uninitialized::<i8>(&shape)?,
                false => Tensor::uninitialized::<f32>(&shape)?,
            }
        };
        let mut written = output.try_as_plain_ram_mut()?;
        let input = inputs[0].try_as_plain_ram()?;
        if let Int8Op::Quantise(scale) = self {
            to_bytes(input.as_slice()?, area, *scale, written.as_slice_mut()?);
            return Ok(tvec!(output.into_tvalue()));
        }
        let input = input.as_slice::<i8>()?;
        self.check_length(input.len())?;
        let target = match self.writes_bytes() {
            true => Destination::Bytes(written.as_slice_mut::<i8>()?.as_mut_ptr()),
            false => Destination::Floats(written.as_slice_mut::<f32>()?.as_mut_ptr()),
        };
        // SAFETY: the output has the layer's shape.
        match self {
            Int8Op::Convolution(layer) => {
                let residual = inputs
                    .get(1)
                    .map(|map| map.try_as_plain_ram())
                    .transpose()?;
                let residual = residual
                    .as_ref()
                    .map(|map| map.as_slice::<i8>())
                    .transpose()?;
                unsafe { layer.apply(input, residual, target) }
            }
            Int8Op::Window(layer) => unsafe { layer.apply(input, target) },
            Int8Op::Dequantise(scale, _) => to_floats(input, area, *scale, written.as_slice_mut()?),
            Int8Op::Quantise(_) => (),
        }
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Int8Op {
    as_op!();

    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let shape = inputs[0]
            .shape
            .as_concrete()
            .context("a map without a fixed shape")?;
        let shape = self.output_shape(shape)?;
        Ok(tvec!(match self.writes_bytes() {
            true => i8::fact(shape),
            false => f32::fact(shape),
        }))
    }
}
