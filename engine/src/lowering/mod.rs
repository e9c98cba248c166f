//! From tract's graph, as read from ONNX and not yet rearranged, to one with our kernels in it.

mod take;
mod take_attention;
mod take_int8;

use std::collections::HashMap;
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::konst::Const;

use crate::kernels::float::attention::Attention;
use crate::kernels::float::convolution::Convolution;
use crate::kernels::float::ops::Blocked;
use crate::kernels::float::window::Window;
use crate::kernels::int8::{Epilogue, Int8Convolution, Int8Op, Int8Weights, Int8Window, Scale};

/// The same network; its inputs, outputs and their order stay. `int8_weights` are the bytes of the constants with these
/// names.
pub(crate) fn lower(
    source: &TypedModel,
    int8_weights: &HashMap<String, Int8Weights>,
) -> TractResult<TypedModel> {
    let mut lowering = Lowering {
        source,
        int8_weights,
        target: TypedModel {
            symbols: source.symbols.clone(),
            ..TypedModel::default()
        },
        wires: HashMap::new(),
    };
    for input in source.input_outlets()? {
        let name = source.node(input.node).name.clone();
        let wire = lowering
            .target
            .add_source(name, source.outlet_fact(*input)?.clone())?;
        lowering.wires.insert(*input, MapLayouts::plain(wire));
    }
    for id in source.eval_order()? {
        lowering.node(source.node(id))?;
    }
    let outputs = source.output_outlets()?.iter();
    let outputs: Vec<OutletId> = outputs
        .map(|output| lowering.plain(*output))
        .collect::<TractResult<_>>()?;
    lowering.target.select_output_outlets(&outputs)?;
    Ok(lowering.target)
}

/// The state of an outlet of the source graph.
pub(crate) enum Lowered {
    Map(MapLayouts),
    /// Not in the target graph yet, because a later node may be fused with it.
    Pending(Box<Pending>),
}

/// The layouts in which a map exists.
#[derive(Clone, Copy, Default)]
pub(crate) struct MapLayouts {
    pub(crate) plain: Option<OutletId>,
    pub(crate) blocked: Option<OutletId>,
    pub(crate) bytes: Option<ByteMap>,
}

/// A map in bytes.
#[derive(Clone, Copy)]
pub(crate) struct ByteMap {
    pub(crate) wire: OutletId,
    pub(crate) scale: Scale,
}

impl MapLayouts {
    pub(crate) fn plain(wire: OutletId) -> Lowered {
        Lowered::Map(MapLayouts {
            plain: Some(wire),
            ..MapLayouts::default()
        })
    }

    pub(crate) fn blocked(wire: OutletId) -> Lowered {
        Lowered::Map(MapLayouts {
            blocked: Some(wire),
            ..MapLayouts::default()
        })
    }

    pub(crate) fn bytes(bytes: ByteMap) -> Lowered {
        Lowered::Map(MapLayouts {
            bytes: Some(bytes),
            ..MapLayouts::default()
        })
    }
}

pub(crate) struct Pending {
    pub(crate) name: String,
    pub(crate) layer: Layer,
    pub(crate) inputs: TVec<OutletId>,
    pub(crate) residual: Option<OutletId>,
}

pub(crate) enum Layer {
    Convolution(Convolution),
    Window(Window),
    Attention(Attention),
    Int8Convolution(Int8Convolution),
    Int8Window(Int8Window),
}

impl Layer {
    pub(crate) fn bounds(&mut self) -> &mut [f32; 2] {
        match self {
            Layer::Convolution(layer) => &mut layer.bounds,
            Layer::Window(layer) => &mut layer.bounds,
            Layer::Attention(layer) => &mut layer.bounds,
            Layer::Int8Convolution(layer) => &mut layer.epilogue.bounds,
            Layer::Int8Window(layer) => &mut layer.epilogue.bounds,
        }
    }

    /// The epilogue of an int8 layer.
    pub(crate) fn epilogue(&mut self) -> Option<&mut Epilogue> {
        match self {
            Layer::Convolution(_) | Layer::Window(_) | Layer::Attention(_) => None,
            Layer::Int8Convolution(layer) => Some(&mut layer.epilogue),
            Layer::Int8Window(layer) => Some(&mut layer.epilogue),
        }
    }
}

pub(crate) struct Lowering<'a> {
    pub(crate) source: &'a TypedModel,
    pub(crate) int8_weights: &'a HashMap<String, Int8Weights>,
    pub(crate) target: TypedModel,
    pub(crate) wires: HashMap<OutletId, Lowered>,
}

impl Lowering<'_> {
    fn node(&mut self, node: &TypedNode) -> TractResult<()> {
        let outlet = OutletId::new(node.id, 0);
        let is_made = self.wires.contains_key(&outlet)
            || self.constant(outlet).is_some()
            || self.is_taken(node)?;
        if is_made {
            return Ok(());
        }
        let inputs = node.inputs.iter().map(|input| self.plain(*input));
        let inputs = inputs.collect::<TractResult<TVec<_>>>()?;
        let layouts = self
            .target
            .wire_node(&node.name, node.op.clone(), &inputs)?;
        for (slot, wire) in layouts.into_iter().enumerate() {
            let outlet = OutletId::new(node.id, slot);
            self.wires.insert(outlet, MapLayouts::plain(wire));
        }
        Ok(())
    }

    /// The map as ONNX has it.
    pub(crate) fn plain(&mut self, outlet: OutletId) -> TractResult<OutletId> {
        if let Some(wire) = self.layouts(outlet).plain {
            return Ok(wire);
        }
        let name = &self.source.node(outlet.node).name;
        let wire = match self.constant(outlet) {
            Some(constant) => self.target.add_const(format!("{name}.plain"), constant)?,
            None => {
                let channels = self.map(outlet).context("a blocked wire that is no map")?[0];
                let blocked = self.blocked(outlet)?;
                let op = Blocked::Leave(channels);
                self.target
                    .wire_node(format!("{name}.plain"), op, &[blocked])?[0]
            }
        };
        let layouts = MapLayouts {
            plain: Some(wire),
            ..self.layouts(outlet)
        };
        self.wires.insert(outlet, Lowered::Map(layouts));
        Ok(wire)
    }

    /// The map in blocks.
    pub(crate) fn blocked(&mut self, outlet: OutletId) -> TractResult<OutletId> {
        if let Some(wire) = self.layouts(outlet).blocked {
            return Ok(wire);
        }
        let name = &self.source.node(outlet.node).name;
        let wire = if matches!(self.wires.get(&outlet), Some(Lowered::Pending(_))) {
            self.finish(outlet)?.context("a layer that isn't there")?
        } else if let Some(bytes) = self.layouts(outlet).bytes {
            let channels = self.map(outlet).context("bytes that are no map")?[0];
            let op = Int8Op::Dequantise(bytes.scale, channels);
            self.target
                .wire_node(format!("{name}.blocked"), op, &[bytes.wire])?[0]
        } else {
            let plain = self.plain(outlet)?;
            let op = Blocked::Enter;
            self.target
                .wire_node(format!("{name}.blocked"), op, &[plain])?[0]
        };
        let layouts = MapLayouts {
            blocked: Some(wire),
            ..self.layouts(outlet)
        };
        self.wires.insert(outlet, Lowered::Map(layouts));
        Ok(wire)
    }

    /// Puts a pending layer into the target graph; `None` if none is pending.
    pub(crate) fn finish(&mut self, outlet: OutletId) -> TractResult<Option<OutletId>> {
        let pending = match self.wires.remove(&outlet) {
            Some(Lowered::Pending(pending)) => pending,
            layouts => {
                self.wires.extend(layouts.map(|layouts| (outlet, layouts)));
                return Ok(None);
            }
        };
        let mut inputs = pending.inputs;
        inputs.extend(pending.residual);
        let op: Box<dyn TypedOp> = match pending.layer {
            Layer::Convolution(layer) => Box::new(Blocked::Convolution(Arc::new(layer))),
            Layer::Window(layer) => Box::new(Blocked::Window(Arc::new(layer))),
            Layer::Attention(layer) => Box::new(Blocked::Attention(Arc::new(layer))),
            Layer::Int8Convolution(layer) => Box::new(Int8Op::Convolution(Arc::new(layer))),
            Layer::Int8Window(layer) => Box::new(Int8Op::Window(Arc::new(layer))),
        };
        Ok(Some(self.target.wire_node(pending.name, op, &inputs)?[0]))
    }

    /// The layouts in which a map exists already.
    pub(crate) fn layouts(&self, outlet: OutletId) -> MapLayouts {
        match self.wires.get(&outlet) {
            Some(Lowered::Map(layouts)) => *layouts,
            _ => MapLayouts::default(),
        }
    }

    /// `[C, H, W]` of one float map.
    pub(crate) fn map(&self, outlet: OutletId) -> Option<[usize; 3]> {
        let fact = self.source.outlet_fact(outlet).ok()?;
        match fact.shape.as_concrete()? {
            [1, channels, height, width] if fact.datum_type == f32::datum_type() => {
                Some([*channels, *height, *width])
            }
            _ => None,
        }
    }

    pub(crate) fn constant(&self, outlet: OutletId) -> Option<Arc<Tensor>> {
        let node = self.source.node(outlet.node);
        if node.op_is::<Const>() {
            return self.source.outlet_fact(outlet).ok()?.konst.clone();
        }
        // The ONNX reader adds casts without effect after biases.
        let cast = node.op_as::<Cast>()?;
        self.constant(node.inputs[0])
            .filter(|constant| constant.datum_type() == cast.to)
    }

    /// A constant's shape and values.
    pub(crate) fn floats(&self, outlet: OutletId) -> Option<(Vec<usize>, Vec<f32>)> {
        let constant = self.constant(outlet)?;
        let values = constant
            .try_as_plain_ram()
            .ok()?
            .as_slice::<f32>()
            .ok()?
            .to_vec();
        Some((constant.shape().to_vec(), values))
    }

    /// Whether only one node reads it.
    pub(crate) fn is_read_once(&self, outlet: OutletId) -> bool {
        self.source.outlet_successors(outlet).len() == 1 && !self.source.outputs.contains(&outlet)
    }

    /// A pending layer that only one node reads.
    pub(crate) fn pending(&mut self, outlet: OutletId) -> Option<&mut Pending> {
        if !self.is_read_once(outlet) {
            return None;
        }
        match self.wires.get_mut(&outlet) {
            Some(Lowered::Pending(pending)) => Some(pending.as_mut()),
            _ => None,
        }
    }

    pub(crate) fn wait(&mut self, node: &TypedNode, layer: Layer, inputs: TVec<OutletId>) {
        let pending = Pending {
            name: node.name.clone(),
            layer,
            inputs,
            residual: None,
        };
        self.wires.insert(
            OutletId::new(node.id, 0),
            Lowered::Pending(Box::new(pending)),
        );
    }
}
