//! Where a network is quantised: which convolutions can be, and which operators then read their input through a pair
//! of quantisation and dequantisation.

use std::collections::BTreeSet;

use super::graph::GraphIndex;

/// A convolution of fewer channels gains nothing in int8: an instruction multiplies four pairs at once, and the image
/// has three channels.
const LEAST_CHANNELS: usize = 5;

/// A convolution is named by the tensor that it makes: nodes may lack a name.
pub type LayerName = String;

/// An input of a node, by the index of the node and of the input.
pub type Port = (usize, usize);

/// The convolutions that can be quantised, in the graph's order: dense or depthwise, of enough channels, on a map
/// that the network computes.
pub fn convolutions(reading: &GraphIndex<'_>) -> Vec<LayerName> {
    let can_be = |node: &&aecsad_engine::onnx::NodeProto| {
        reading.kernel(node).is_some_and(|kernel| {
            kernel.inputs() >= LEAST_CHANNELS && (kernel.groups == 1 || kernel.is_depthwise())
        })
    };
    let nodes = reading.nodes.iter().filter(can_be);
    nodes.map(|node| node.output[0].clone()).collect()
}

/// Which inputs go through quantisation when the convolutions of `layers` are int8:
///
/// - the map that such a convolution reads;
/// - the map of an average pool behind which one stands, because the pool then sums int8;
/// - the shortcut of a residual sum whose other side comes straight from one: that side stays float, so that the
///   convolution, the sum and the clamp behind them are one pass.
pub fn ports(reading: &GraphIndex<'_>, layers: &BTreeSet<LayerName>) -> Vec<Port> {
    let is_int8 = |tensor: &str| layers.contains(tensor);
    let mut ports = Vec::new();
    for (index, node) in reading.nodes.iter().enumerate() {
        let output = node.output[0].as_str();
        match node.op_type.as_str() {
            "Conv" if is_int8(output) => ports.push((index, 0)),
            "AveragePool" => {
                let readers = reading.readers(output).iter();
                let mut outputs = readers.map(|reader| reading.nodes[*reader].output[0].as_str());
                if outputs.any(is_int8) {
                    ports.push((index, 0));
                }
            }
            "Add" => ports.extend(shortcut(reading, index, &is_int8).map(|slot| (index, slot))),
            _ => {}
        }
    }
    ports
}

/// The side of a sum that is its shortcut; none if no side is an int8 convolution that only the sum reads. Of two such
/// sides, that of the earlier convolution: the later one is computed together with the sum.
fn shortcut(
    reading: &GraphIndex<'_>,
    sum: usize,
    is_int8: &impl Fn(&str) -> bool,
) -> Option<usize> {
    let sides = &reading.nodes[sum].input;
    if sides.len() != 2 || sides.iter().any(|side| reading.is_constant(side)) {
        return None;
    }
    let own = (0..2)
        .filter(|side| is_int8(&sides[*side]) && reading.readers(&sides[*side]).len() == 1)
        .max_by_key(|side| reading.maker(&sides[*side]))?;
    Some(1 - own)
}

/// The tensors behind `ports`, each once.
pub fn tensors(reading: &GraphIndex<'_>, ports: &[Port]) -> BTreeSet<String> {
    let read = ports.iter();
    read.map(|(node, slot)| reading.nodes[*node].input[*slot].clone())
        .collect()
}
