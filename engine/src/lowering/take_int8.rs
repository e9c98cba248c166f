//! Replaces nodes by int8 layers: nodes that read a map between QuantizeLinear and DequantizeLinear, and the nodes that
//! quantise their results.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::TractErrorContext;
use tract_onnx::tract_core::ops::array::TypedConcat;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::cnn::{Conv, KernelFormat, PaddingSpec, SumPool};
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::math::Add;
use tract_onnx::tract_core::ops::quant::{DequantizeLinearF32, QuantizeLinearI8, QuantizeLinearU8};

use super::{ByteMap, Layer, Lowering, MapLayouts};
use crate::admission::MAX_UNFOLDED;
use crate::kernels::int8::{
    Epilogue, Int8Convolution, Int8Op, Int8Weights, Int8Window, LANES, Scale,
};

impl Lowering<'_> {
    /// Whether a kernel for bytes makes `node`.
    pub(crate) fn in_bytes(&mut self, node: &TypedNode) -> TractResult<bool> {
        Ok(self.quantise(node)?
            || self.dequantise(node)
            || self.int8_convolution(node)
            || self.int8_mean(node)
            || self.int8_residual(node)
            || self.int8_join(node)?)
    }

    /// Of a QuantizeLinear with zero point 0 that only its own inverse reads.
    fn scale(&self, node: &TypedNode) -> Option<Scale> {
        let (steps_to_one, signed) = quantisation(node)?;
        let outlet = OutletId::new(node.id, 0);
        let mut steps = self.source.outlet_successors(outlet).iter().map(|reader| {
            let inverse = self
                .source
                .node(reader.node)
                .op_as::<DequantizeLinearF32>()?;
            (inverse.zero_point == 0).then_some(inverse.scale)
        });
        let step = steps.next()??;
        let is_ours = steps_to_one == step.recip()
            && step.is_normal()
            && step > 0.0
            && steps.all(|other| other == Some(step))
            && !self.source.outputs.contains(&outlet)
            && self.map(node.inputs[0]).is_some();
        is_ours.then(|| Scale::new(step, signed))
    }

    fn quantise(&mut self, node: &TypedNode) -> TractResult<bool> {
        let Some(scale) = self.scale(node) else {
            return Ok(false);
        };
        let input = node.inputs[0];
        let is_joined = self
            .layouts(input)
            .bytes
            .filter(|bytes| bytes.scale == scale);
        let bytes = match is_joined {
            Some(bytes) => bytes,
            None => match self.finish_in_bytes(input, scale)? {
                Some(bytes) => bytes,
                None => {
                    let blocked = self.blocked(input)?;
                    let op = Int8Op::Quantise(scale);
                    let wire = self.target.wire_node(&node.name, op, &[blocked])?[0];
                    ByteMap { wire, scale }
                }
            },
        };
        self.wires
            .insert(OutletId::new(node.id, 0), MapLayouts::bytes(bytes));
        Ok(true)
    }

    /// Makes a pending int8 layer with one reader write bytes.
    fn finish_in_bytes(&mut self, outlet: OutletId, scale: Scale) -> TractResult<Option<ByteMap>> {
        let Some(epilogue) = self
            .pending(outlet)
            .and_then(|pending| pending.layer.epilogue())
        else {
            return Ok(None);
        };
        epilogue.write_bytes(scale);
        let wire = self.finish(outlet)?;
        Ok(wire.map(|wire| ByteMap { wire, scale }))
    }

    fn dequantise(&mut self, node: &TypedNode) -> bool {
        let bytes = self.layouts(node.inputs[0]).bytes;
        let is_taken = node.op_is::<DequantizeLinearF32>() && bytes.is_some();
        if let Some(bytes) = bytes.filter(|_| is_taken) {
            self.wires
                .insert(OutletId::new(node.id, 0), MapLayouts::bytes(bytes));
        }
        is_taken
    }

    /// The int8 values of a layer's constant weights.
    fn weights(&self, outlet: OutletId) -> Option<&Int8Weights> {
        let mut node = self.source.node(outlet.node);
        while node.op_is::<Cast>() {
            node = self.source.node(node.inputs[0].node);
        }
        // tract numbers the outputs of what it reads.
        let name = node.name.strip_suffix(".0").unwrap_or(&node.name);
        let weights = self.int8_weights.get(name)?;
        let (_, floats) = self.floats(outlet)?;
        weights.are(&floats).then_some(weights)
    }

    fn int8_convolution(&mut self, node: &TypedNode) -> bool {
        let Some(op) = node.op_as::<Conv>() else {
            return false;
        };
        let bytes = self.layouts(node.inputs[0]).bytes;
        let bias = node.inputs.get(2).and_then(|bias| self.floats(*bias));
        let (Some(bytes), Some(axes), Some(weights), Some((_, bias))) = (
            bytes,
            self.axes(node, &op.pool_spec),
            self.weights(node.inputs[1]),
            bias,
        ) else {
            return false;
        };
        let [outputs, inputs] = [op.output_channels(), op.input_channels()];
        let bias = match &bias[..] {
            [all] => vec![*all; outputs],
            _ => bias,
        };
        let area = axes[0].kernel * axes[1].kernel;
        let is_plain = op.q_params.is_none()
            && op.kernel_fmt == KernelFormat::OIHW
            && bias.len() == outputs
            && weights.scales.len() == outputs
            && weights.values.len() == outputs * (inputs / op.group) * area;
        if !is_plain {
            return false;
        }
        let factors: Vec<f32> = weights
            .scales
            .iter()
            .map(|scale| scale * bytes.scale.step)
            .collect();
        let epilogue = Epilogue::new(&factors, &bias);
        let layer = match op.group {
            1 => {
                let layer =
                    Int8Convolution::new(axes, inputs, &weights.values, epilogue, bytes.scale.zero);
                if layer.scratch_length() > MAX_UNFOLDED {
                    return false;
                }
                Layer::Int8Convolution(layer)
            }
            group if group == inputs && inputs == outputs && Int8Window::takes(&axes) => {
                let layer = Int8Window::new(axes, &weights.values, epilogue, bytes.scale.zero);
                Layer::Int8Window(layer)
            }
            _ => return false,
        };
        self.wait(node, layer, tvec![bytes.wire]);
        true
    }

    /// The mean over a window, padding included.
    fn int8_mean(&mut self, node: &TypedNode) -> bool {
        let Some(op) = node.op_as::<SumPool>() else {
            return false;
        };
        let is_padded = op.pool_spec.padding != PaddingSpec::Valid;
        let rounds_up = matches!(
            op.pool_spec.padding,
            PaddingSpec::ExplicitOnnxPool(_, _, true)
        );
        let axes = self.axes(node, &op.pool_spec).filter(Int8Window::takes);
        let (Some(bytes), Some(axes), Some([channels, ..])) = (
            self.layouts(node.inputs[0]).bytes,
            axes,
            self.map(node.inputs[0]),
        ) else {
            return false;
        };
        if !op.normalize || rounds_up || is_padded && !op.count_include_pad {
            return false;
        }
        let area = axes[0].kernel * axes[1].kernel;
        let factors = vec![bytes.scale.step / area as f32; channels];
        let epilogue = Epilogue::new(&factors, &vec![0.0; channels]);
        let ones = vec![1; channels * area];
        let layer = Int8Window::new(axes, &ones, epilogue, bytes.scale.zero);
        self.wait(node, Layer::Int8Window(layer), tvec![bytes.wire]);
        true
    }

    /// Fuses the residual sum with an int8 map into the convolution before it, ahead of its clamp.
    fn int8_residual(&mut self, node: &TypedNode) -> bool {
        let is_sum = node
            .op_as::<TypedBinOp>()
            .is_some_and(|op| op.0.is::<Add>());
        let &[first, second] = &node.inputs[..] else {
            return false;
        };
        if !is_sum || self.map(first).is_none() || self.map(first) != self.map(second) {
            return false;
        }
        for (map, other) in [(second, first), (first, second)] {
            let Some(bytes) = self.layouts(other).bytes else {
                continue;
            };
            let Some(pending) = self.pending(map) else {
                continue;
            };
            let is_open = pending
                .layer
                .bounds()
                .iter()
                .all(|bound| bound.is_infinite());
            if let Layer::Int8Convolution(layer) = &mut pending.layer
                && layer.epilogue.residual.is_none()
                && is_open
            {
                layer.epilogue.residual = Some(bytes.scale);
                pending.residual = Some(bytes.wire);
                let pending = self.wires.remove(&map);
                self.wires
                    .extend(pending.map(|pending| (OutletId::new(node.id, 0), pending)));
                return true;
            }
        }
        false
    }

    /// Concatenated maps that are quantised together: each layer writes bytes with their common scale.
    fn int8_join(&mut self, node: &TypedNode) -> TractResult<bool> {
        let outlet = OutletId::new(node.id, 0);
        let is_join = node.op_as::<TypedConcat>().is_some_and(|op| op.axis == 1);
        let readers = self.source.outlet_successors(outlet);
        let scale = readers
            .first()
            .and_then(|reader| self.scale(self.source.node(reader.node)));
        let Some(scale) = scale.filter(|_| is_join && self.is_read_once(outlet)) else {
            return Ok(false);
        };
        let mut can_join = true;
        for input in &node.inputs {
            let is_whole = self
                .map(*input)
                .is_some_and(|[channels, ..]| channels % LANES == 0);
            let has_bytes = self
                .layouts(*input)
                .bytes
                .is_some_and(|bytes| bytes.scale == scale);
            let writes_bytes = self
                .pending(*input)
                .is_some_and(|pending| pending.layer.epilogue().is_some());
            can_join &= is_whole && (has_bytes || writes_bytes);
        }
        if !can_join {
            return Ok(false);
        }
        let mut wires = tvec![];
        for input in &node.inputs {
            let bytes = match self.layouts(*input).bytes {
                Some(bytes) => bytes,
                None => self
                    .finish_in_bytes(*input, scale)?
                    .context("a layer of bytes that isn't there")?,
            };
            wires.push(bytes.wire);
        }
        let op = TypedConcat { axis: 0 };
        let wire = self.target.wire_node(&node.name, op, &wires)?[0];
        let bytes = ByteMap { wire, scale };
        self.wires.insert(outlet, MapLayouts::bytes(bytes));
        Ok(true)
    }
}

/// For a QuantizeLinear with zero point 0: the steps per unit, and whether it is signed.
fn quantisation(node: &TypedNode) -> Option<(f32, bool)> {
    let op = node.op_as::<ElementWiseOp>()?;
    if let Some(op) = op.0.downcast_ref::<QuantizeLinearI8>() {
        return (op.zero_point == 0).then_some((op.scale, true));
    }
    let op = op.0.downcast_ref::<QuantizeLinearU8>()?;
    (op.zero_point == 0).then_some((op.scale, false))
}
