//! Reads a network's file for quantisation: which node makes a tensor, which nodes read it, and what the constants are.

use std::collections::HashMap;

use aecsad_engine::onnx as pb;
use aecsad_engine::onnx::tensor_proto::DataType;

/// Operators and constants of one graph, by the names of tensors.
pub struct GraphIndex<'a> {
    pub nodes: &'a [pb::NodeProto],
    constants: HashMap<&'a str, &'a pb::TensorProto>,
    makers: HashMap<&'a str, usize>,
    readers: HashMap<&'a str, Vec<usize>>,
}

/// What a convolution multiplies with.
pub struct ConvolutionKernel {
    /// `[outputs, inputs of a group, height, width]`
    pub shape: [usize; 4],
    /// Of that `shape`, row-major.
    pub weights: Vec<f32>,
    /// `[outputs]`; zeros where the node has none.
    pub bias: Vec<f32>,
    pub groups: usize,
}

impl ConvolutionKernel {
    pub fn outputs(&self) -> usize {
        self.shape[0]
    }

    /// Channels of the map that the convolution reads.
    pub fn inputs(&self) -> usize {
        self.shape[1] * self.groups
    }

    /// Weights of one output.
    pub fn of_output(&self) -> usize {
        self.shape[1..].iter().product()
    }

    pub fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.shape[1] == 1 && self.outputs() == self.groups
    }
}

impl<'a> GraphIndex<'a> {
    pub fn new(graph: &'a pb::GraphProto) -> Self {
        let (mut makers, mut readers) = (HashMap::new(), HashMap::<_, Vec<usize>>::new());
        for (index, node) in graph.node.iter().enumerate() {
            for output in &node.output {
                makers.insert(output.as_str(), index);
            }
            for input in &node.input {
                readers.entry(input.as_str()).or_default().push(index);
            }
        }
        let constants = graph.initializer.iter();
        Self {
            nodes: &graph.node,
            constants: constants.map(|c| (c.name.as_str(), c)).collect(),
            makers,
            readers,
        }
    }

    /// The node that makes a tensor; none for constants and the network's inputs.
    pub fn maker(&self, tensor: &str) -> Option<usize> {
        self.makers.get(tensor).copied()
    }

    /// The nodes that read a tensor.
    pub fn readers(&self, tensor: &str) -> &[usize] {
        self.readers.get(tensor).map_or(&[], Vec::as_slice)
    }

    pub fn is_constant(&self, tensor: &str) -> bool {
        self.constants.contains_key(tensor)
    }

    /// The kernel of a convolution over maps whose weights and bias are float constants; none for anything else.
    pub fn kernel(&self, node: &pb::NodeProto) -> Option<ConvolutionKernel> {
        if node.op_type != "Conv" {
            return None;
        }
        let (shape, weights) = self.floats(node.input.get(1)?)?;
        let shape: [usize; 4] = shape.try_into().ok()?;
        let bias = match node.input.get(2).filter(|name| !name.is_empty()) {
            Some(name) => self.floats(name)?.1,
            None => vec![0.0; shape[0]],
        };
        let groups = node.attribute.iter().find(|a| a.name == "group");
        let groups = groups.map_or(1, |a| a.i.max(1) as usize);
        let is_whole = bias.len() == shape[0] && weights.len() == shape.iter().product::<usize>();
        is_whole.then_some(ConvolutionKernel {
            shape,
            weights,
            bias,
            groups,
        })
    }

    fn floats(&self, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
        let tensor = self.constants.get(name)?;
        if tensor.data_type != DataType::Float as i32 {
            return None;
        }
        let values = match tensor.float_data.is_empty() {
            false => tensor.float_data.clone(),
            true => tensor
                .raw_data
                .chunks_exact(4)
                .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
                .collect(),
        };
        Some((tensor.dims.iter().map(|d| *d as usize).collect(), values))
    }
}
