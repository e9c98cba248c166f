//! Replaces nodes of tract's graph by our float kernels.

use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::array::TypedConcat;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cnn::{
    Conv, KernelFormat, MaxPool, PaddingSpec, PoolSpec, SumPool,
};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::identity::Identity;
use tract_onnx::tract_core::ops::math::{Add, Max, Min, Sub};
use tract_onnx::tract_core::ops::nn::DataFormat;

use super::{Layer, Lowered, Lowering, MapLayouts};
use crate::admission::MAX_UNFOLDED;
use crate::kernels::common::geometry::Axis;
use crate::kernels::common::lanes::LANES;
use crate::kernels::float::convolution::Convolution;
use crate::kernels::float::layout::blocks;
use crate::kernels::float::ops::Blocked;
use crate::kernels::float::separable::Separable;
use crate::kernels::float::window::Window;

/// Each function returns whether it has replaced the node.
impl Lowering<'_> {
    /// Whether a kernel of ours makes `node`.
    pub(crate) fn is_taken(&mut self, node: &TypedNode) -> TractResult<bool> {
        Ok(self.waits_for_its_pair(node)
            || self.in_bytes(node)?
            || self.convolution(node)?
            || self.pool(node)?
            || self.separable(node)?
            || self.attention(node)?
            || self.clamp(node)
            || self.residual(node)?
            || self.blocked_too(node)?
            || self.same(node)?)
    }

    /// Both axes of a kernel, if its input and output are maps.
    pub(crate) fn axes(&self, node: &TypedNode, spec: &PoolSpec) -> Option<[Axis; 2]> {
        let [channels, height, width] = self.map(node.inputs[0])?;
        let [outputs, rows, columns] = self.map(OutletId::new(node.id, 0))?;
        if spec.data_format != DataFormat::NCHW || spec.rank() != 2 {
            return None;
        }
        let padding = spec.computed_padding(&[height, width]);
        let axis = |index: usize, input, output| Axis {
            input,
            output,
            kernel: spec.kernel_shape[index],
            stride: spec.stride(index),
            dilation: spec.dilation(index),
            padding: padding[index].pad_before,
        };
        let axes = [axis(0, height, rows), axis(1, width, columns)];
        let is_sound = |axis: &Axis| {
            [
                axis.input,
                axis.output,
                axis.kernel,
                axis.stride,
                axis.dilation,
                channels,
                outputs,
            ]
            .iter()
            .all(|extent| *extent > 0)
        };
        axes.iter().all(is_sound).then_some(axes)
    }

    fn convolution(&mut self, node: &TypedNode) -> TractResult<bool> {
        let Some(op) = node.op_as::<Conv>() else {
            return Ok(false);
        };
        let weights = self.floats(node.inputs[1]);
        let bias = node.inputs.get(2).and_then(|bias| self.floats(*bias));
        let (Some(axes), Some((shape, weights)), Some((_, bias))) =
            (self.axes(node, &op.pool_spec), weights, bias)
        else {
            return Ok(false);
        };
        let [outputs, inputs] = [op.output_channels(), op.input_channels()];
        let kernel = axes.map(|axis| axis.kernel);
        let bias = match &bias[..] {
            [all] => vec![*all; outputs],
            _ => bias,
        };
        let is_plain = op.q_params.is_none()
            && op.kernel_fmt == KernelFormat::OIHW
            && bias.len() == outputs
            && shape == [outputs, inputs / op.group, kernel[0], kernel[1]];
        if !is_plain {
            return Ok(false);
        }
        if op.group == 1 {
            let layer = Convolution::new(axes, inputs, &weights, &bias);
            if layer.scratch_length() > MAX_UNFOLDED {
                return Ok(false);
            }
            let input = match layer.reads_planes() {
                true => self.plain(node.inputs[0])?,
                false => self.blocked(node.inputs[0])?,
            };
            self.wait(node, Layer::Convolution(layer), tvec![input]);
            return Ok(true);
        }
        let is_depthwise = op.group == inputs && inputs == outputs && Window::takes(&axes);
        if is_depthwise {
            let input = self.blocked(node.inputs[0])?;
            self.wait(
                node,
                Layer::Window(Window::convolution(axes, &weights, &bias)),
                tvec![input],
            );
        }
        Ok(is_depthwise)
    }

    fn pool(&mut self, node: &TypedNode) -> TractResult<bool> {
        let (spec, is_mean) = if let Some(op) = node.op_as::<SumPool>() {
            let is_padded = op.pool_spec.padding != PaddingSpec::Valid;
            if !op.normalize || is_padded && !op.count_include_pad {
                return Ok(false);
            }
            (&op.pool_spec, true)
        } else if let Some(op) = node
            .op_as::<MaxPool>()
            .filter(|op| op.with_index_outputs.is_none())
        {
            (&op.pool_spec, false)
        } else {
            return Ok(false);
        };
        let rounds_up = matches!(spec.padding, PaddingSpec::ExplicitOnnxPool(_, _, true));
        let axes = self
            .axes(node, spec)
            .filter(|axes| Window::takes(axes) && !rounds_up);
        let (Some(axes), Some([channels, ..])) = (axes, self.map(node.inputs[0])) else {
            return Ok(false);
        };
        let window = match is_mean {
            true => Window::mean(axes, channels),
            false => Window::maximum(axes, channels),
        };
        let input = self.blocked(node.inputs[0])?;
        self.wait(node, Layer::Window(window), tvec![input]);
        Ok(true)
    }

    /// Of a product from the left whose other factor is a product from the right: the map inside both.
    fn separable_input(&self, left: &TypedNode) -> Option<(OutletId, OutletId, OutletId)> {
        let is_product = |node: &TypedNode, axes: &str| {
            let op = node.op_as::<EinSum>();
            op.is_some_and(|op| op.q_params.is_none() && op.axes.to_string() == axes)
        };
        let &[vertical, inner] = &left.inputs[..] else {
            return None;
        };
        let right = self.source.node(inner.node);
        let &[map, horizontal] = &right.inputs[..] else {
            return None;
        };
        let is_pair = is_product(left, "mk,abkn->abmn")
            && is_product(right, "abmk,kn->abmn")
            && self.is_read_once(inner)
            && self.map(map).is_some()
            && self.constant(vertical).is_some()
            && self.constant(horizontal).is_some();
        is_pair.then_some((map, vertical, horizontal))
    }

    /// The first of two products is made with the second.
    fn waits_for_its_pair(&self, right: &TypedNode) -> bool {
        let readers = self.source.outlet_successors(OutletId::new(right.id, 0));
        readers.first().is_some_and(|reader| {
            let left = self.source.node(reader.node);
            left.inputs
                .get(1)
                .is_some_and(|inner| inner.node == right.id)
                && self.separable_input(left).is_some()
        })
    }

    fn separable(&mut self, node: &TypedNode) -> TractResult<bool> {
        let Some((map, left, right)) = self.separable_input(node) else {
            return Ok(false);
        };
        let (Some([channels, height, width]), Some((left_shape, left)), Some((right_shape, right))) =
            (self.map(map), self.floats(left), self.floats(right))
        else {
            return Ok(false);
        };
        let (&[rows, height_read], &[width_read, columns]) = (&left_shape[..], &right_shape[..])
        else {
            return Ok(false);
        };
        if [height_read, width_read] != [height, width] || rows * columns * height * width == 0 {
            return Ok(false);
        }
        let transposed: Vec<f32> = (0..columns * width)
            .map(|index| right[index % width * columns + index / width])
            .collect();
        let layer = Separable::new(blocks(channels), (&left, height), (&transposed, width));
        let input = self.blocked(map)?;
        let op = Blocked::Separable(Arc::new(layer));
        let wire = self.target.wire_node(&node.name, op, &[input])?[0];
        let layouts = MapLayouts::blocked(wire);
        self.wires.insert(OutletId::new(node.id, 0), layouts);
        Ok(true)
    }

    /// Fuses a maximum or minimum with one number, such as a ReLU, into the layer before it.
    fn clamp(&mut self, node: &TypedNode) -> bool {
        let Some(op) = node.op_as::<TypedBinOp>() else {
            return false;
        };
        let is_least = op.0.is::<Max>();
        if !is_least && !op.0.is::<Min>() {
            return false;
        }
        let &[first, second] = &node.inputs[..] else {
            return false;
        };
        for (map, bound) in [(first, second), (second, first)] {
            let bound = self.floats(bound).map(|(_, values)| values);
            let Some(&[bound]) = bound.as_deref() else {
                continue;
            };
            let Some(pending) = self.pending(map) else {
                continue;
            };
            let bounds = pending.layer.bounds();
            *bounds = bounds.map(|old| {
                if is_least {
                    old.max(bound)
                } else {
                    old.min(bound)
                }
            });
            let pending = self.wires.remove(&map);
            self.wires
                .extend(pending.map(|pending| (OutletId::new(node.id, 0), pending)));
            return true;
        }
        false
    }

    /// Fuses a residual sum into the convolution or attention before it, ahead of its clamp.
    fn residual(&mut self, node: &TypedNode) -> TractResult<bool> {
        let is_sum = node
            .op_as::<TypedBinOp>()
            .is_some_and(|op| op.0.is::<Add>());
        let &[first, second] = &node.inputs[..] else {
            return Ok(false);
        };
        if !is_sum || self.map(first).is_none() || self.map(first) != self.map(second) {
            return Ok(false);
        }
        for (map, other) in [(second, first), (first, second)] {
            let is_open = self.pending(map).is_some_and(|pending| {
                matches!(pending.layer, Layer::Convolution(_) | Layer::Attention(_))
                    && pending.residual.is_none()
                    && pending
                        .layer
                        .bounds()
                        .iter()
                        .all(|bound| bound.is_infinite())
            });
            if is_open {
                let other = self.blocked(other)?;
                if let Some(Lowered::Pending(mut pending)) = self.wires.remove(&map) {
                    pending.residual = Some(other);
                    self.wires
                        .insert(OutletId::new(node.id, 0), Lowered::Pending(pending));
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What tract computes on blocks just as well: sums and differences of equal maps, maps one behind the other.
    fn blocked_too(&mut self, node: &TypedNode) -> TractResult<bool> {
        let op = node.op_as::<TypedBinOp>();
        let is_sum = op.is_some_and(|op| op.0.is::<Add>() || op.0.is::<Sub>());
        let is_join = node.op_as::<TypedConcat>().is_some_and(|op| op.axis == 1);
        let maps: Option<Vec<[usize; 3]>> =
            node.inputs.iter().map(|input| self.map(*input)).collect();
        let Some(maps) = maps.filter(|_| is_sum || is_join) else {
            return Ok(false);
        };
        let are_equal = maps.iter().all(|map| *map == maps[0]);
        let are_whole = maps.iter().all(|[channels, ..]| channels % LANES == 0);
        let is_any_blocked = node.inputs.iter().any(|input| match self.wires.get(input) {
            Some(Lowered::Map(layouts)) => layouts.blocked.is_some() || layouts.bytes.is_some(),
            Some(Lowered::Pending(_)) => true,
            None => false,
        });
        if !is_any_blocked || is_sum && !are_equal || is_join && !are_whole {
            return Ok(false);
        }
        let inputs = node.inputs.iter().map(|input| self.blocked(*input));
        let inputs = inputs.collect::<TractResult<TVec<_>>>()?;
        let op = match is_join {
            true => Box::new(TypedConcat { axis: 0 }),
            false => node.op.clone(),
        };
        let wire = self.target.wire_node(&node.name, op, &inputs)?[0];
        let layouts = MapLayouts::blocked(wire);
        self.wires.insert(OutletId::new(node.id, 0), layouts);
        Ok(true)
    }

    /// Outputs have nodes of their own that do nothing.
    fn same(&mut self, node: &TypedNode) -> TractResult<bool> {
        if !node.op_is::<Identity>() || self.map(node.inputs[0]).is_none() {
            return Ok(false);
        }
        let layouts = MapLayouts::plain(self.plain(node.inputs[0])?);
        self.wires.insert(OutletId::new(node.id, 0), layouts);
        Ok(true)
    }
}
