//! Which nodes are an attention: `values · softmax(queriesᵀ · keys)ᵀ` over the cells of maps, as training writes it.
//! Where it is written a few rows of queries at a time, so that tract never holds all affinities, one kernel takes all
//! of them.

use std::ops::Range;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::array::{StridedSlice, TypedConcat};
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::nn::{Softmax, SoftmaxKind};

use super::{Layer, Lowering};
use crate::kernels::float::attention::Attention;

/// The attention of some rows of queries; all are maps.
struct AttentionRows {
    queries: OutletId,
    rows: Range<usize>,
    keys: OutletId,
    values: OutletId,
}

impl Lowering<'_> {
    /// What it passes over on its way is made too, but nothing reads it, and tract drops it.
    pub(crate) fn attention(&mut self, node: &TypedNode) -> TractResult<bool> {
        let parts = match node.op_as::<TypedConcat>() {
            Some(op) if op.axis == 2 => node.inputs.clone(),
            Some(_) => return Ok(false),
            None => vec![OutletId::new(node.id, 0)],
        };
        let is_joined = parts.len() > 1;
        let mut whole: Option<AttentionRows> = None;
        for part in parts {
            let Some(part) = self
                .rows_of(part)
                .filter(|_| !is_joined || self.is_read_once(part))
            else {
                return Ok(false);
            };
            match &mut whole {
                None => whole = Some(part),
                Some(whole) => {
                    let is_next = whole.queries == part.queries
                        && whole.rows.end == part.rows.start
                        && whole.keys == part.keys
                        && whole.values == part.values;
                    if !is_next {
                        return Ok(false);
                    }
                    whole.rows.end = part.rows.end;
                }
            }
        }
        let Some(whole) = whole else {
            return Ok(false);
        };
        let (Some(queries), Some(keys), Some(values), Some(output)) = (
            self.map(whole.queries),
            self.map(whole.keys),
            self.map(whole.values),
            self.map(OutletId::new(node.id, 0)),
        ) else {
            return Ok(false);
        };
        let [depth, height, width] = queries;
        let cells = keys[1] * keys[2];
        if whole.rows != (0..height) || depth * height * width * cells * values[0] == 0 {
            return Ok(false);
        }
        debug_assert_eq!(output[1] * output[2], height * width);
        let layer = Attention::new(depth, values[0], cells, [output[1], output[2]]);
        let inputs = [whole.queries, whole.keys, whole.values].map(|map| self.blocked(map));
        let inputs = inputs.into_iter().collect::<TractResult<TVec<_>>>()?;
        self.wait(node, Layer::Attention(layer), inputs);
        Ok(true)
    }

    /// From the last reshape back to the maps. Rows of matrices are the maps' channels, whose cells lie as they lay.
    fn rows_of(&self, outlet: OutletId) -> Option<AttentionRows> {
        self.source.node(outlet.node).op_as::<AxisOp>()?;
        let [channels, ..] = self.map(outlet)?;
        let (values, weights) = self.product(self.flat(outlet), "mk,nk->mn")?;
        let softmax = self.source.node(weights.node);
        let op = softmax.op_as::<Softmax>()?;
        let is_plain = op.axes[..] == [1]
            && op.kind == SoftmaxKind::Softmax
            && op.quant_output_dt.is_none()
            && self.is_read_once(weights);
        let (queries, keys) = self
            .product(softmax.inputs[0], "km,kn->mn")
            .filter(|_| is_plain)?;
        let [depth, _] = self.matrix(queries)?;
        let [key_depth, cells] = self.matrix(keys)?;
        let (queries, keys, values) = (self.flat(queries), self.flat(keys), self.flat(values));
        let [query_depth, rows, columns] = self.map(queries)?;
        let of_keys = self.map(keys)?;
        let of_values = self.map(values)?;
        let fits = [query_depth, key_depth, of_keys[0]] == [depth; 3]
            && of_values[0] == channels
            && [of_keys, of_values].map(|map| map[1] * map[2]) == [cells; 2];
        let (queries, first) = match self.first_row(queries) {
            Some(sliced) if fits => sliced,
            None if fits => (queries, 0),
            _ => return None,
        };
        let is_whole_width = self.map(queries)?[2] == columns;
        is_whole_width.then_some(AttentionRows {
            queries,
            rows: first..first + rows,
            keys,
            values,
        })
    }

    /// Both sides of a product of matrices that only one node reads.
    fn product(&self, outlet: OutletId, axes: &str) -> Option<(OutletId, OutletId)> {
        let node = self.source.node(outlet.node);
        let op = node.op_as::<EinSum>()?;
        let is_plain = op.q_params.is_none()
            && op.operating_dt == f32::datum_type()
            && op.axes.to_string() == axes
            && self.is_read_once(outlet);
        match node.inputs[..] {
            [left, right] if is_plain => Some((left, right)),
            _ => None,
        }
    }

    /// What stands before reshapes, which leave all values in order.
    fn flat(&self, outlet: OutletId) -> OutletId {
        let node = self.source.node(outlet.node);
        match node.op_as::<AxisOp>() {
            Some(AxisOp::Move(..)) | None => outlet,
            Some(AxisOp::Add(_) | AxisOp::Rm(_) | AxisOp::Reshape(..)) => self.flat(node.inputs[0]),
        }
    }

    fn matrix(&self, outlet: OutletId) -> Option<[usize; 2]> {
        let fact = self.source.outlet_fact(outlet).ok()?;
        fact.shape.as_concrete()?.try_into().ok()
    }

    /// Of a map that is some rows of another: the other, and the first row.
    fn first_row(&self, outlet: OutletId) -> Option<(OutletId, usize)> {
        let node = self.source.node(outlet.node);
        let op = node.op_as::<StridedSlice>()?;
        let axes = node.inputs[op.optional_axes_input?];
        let is_plain = op.optional_steps_input.is_none()
            && [op.begin_mask, op.end_mask, op.shrink_axis_mask] == [0; 3]
            && self.whole_number(axes) == Some(2);
        let first = self.whole_number(node.inputs[1]).filter(|_| is_plain)?;
        Some((node.inputs[0], usize::try_from(first).ok()?))
    }

    /// A constant of a single value.
    fn whole_number(&self, outlet: OutletId) -> Option<i64> {
        let constant = self.constant(outlet)?;
        let constant = constant.cast_to::<i64>().ok()?;
        match constant.try_as_plain_ram().ok()?.as_slice::<i64>().ok()? {
            [value] => Some(*value),
            _ => None,
        }
    }
}
