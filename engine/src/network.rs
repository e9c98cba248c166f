//! The seam between what judges a part and what computes: an [`Engine`] loads networks, and each loaded [`Network`] runs
//! in its [`Execution`]. Nothing outside this crate knows which engine it has.

use std::collections::BTreeMap;
use std::fmt;

use crate::cpu::Cpu;

#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error("{name}: not a network that this runtime can run: {why}")]
    Load { name: String, why: String },
    /// The network may be sound; the engine can't be used for it here.
    #[error("{name}: {why}")]
    Engine { name: String, why: String },
    #[error("{name}: inference failed: {why}")]
    Run { name: String, why: String },
    #[error("{name}: output {index} should have {expected} values and has {found}")]
    OutputSize {
        name: String,
        index: usize,
        expected: usize,
        found: usize,
    },
}

/// An input.
///
/// *Shapes*: the first slice is the shape of the second, whose values are row-major.
pub type Input<'a> = (&'a [usize], &'a [f32]);

/// What runs networks: this machine's CPU, or a GPU through TensorRT.
pub trait Engine: Send + Sync {
    /// For messages: what computes, with its version where it has one.
    fn name(&self) -> &str;

    /// How its scores relate to those of training.
    fn rounding(&self) -> Rounding;

    /// Loads the ONNX file with these bytes. `name` is for messages. `shape` replaces that of the file's input: the
    /// network must then have one input, and nothing in it may depend on the input's size.
    fn load(
        &self,
        name: &str,
        onnx: &[u8],
        shape: Option<&[usize]>,
    ) -> Result<Network, NetworkError>;
}

/// How an engine rounds, which decides by how much its scores may differ from those of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// As training does: the scores are the same but for the order of sums.
    AsTrained,
    /// A CPU without fused multiply-add: values near the middle between two quantisation steps may change.
    Unfused,
    /// TensorRT chooses its own kernels and their precision.
    TensorRt,
}

/// The type of most of a network's multiplications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    F32,
    F16,
    Int8,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Precision::F32 => "f32",
            Precision::F16 => "f16",
            Precision::Int8 => "int8",
        })
    }
}

/// What a loaded network takes and gives. Shapes have the graph's order; one that isn't fixed is empty.
#[derive(Clone)]
pub(crate) struct Signature {
    pub precision: Precision,
    pub input_shapes: Vec<Vec<usize>>,
    pub output_shapes: Vec<Vec<usize>>,
}

/// One network in one engine. What goes wrong is a sentence; the network adds its name.
pub(crate) trait Execution: Send {
    fn signature(&self) -> &Signature;

    fn run(&mut self, inputs: &[Input<'_>]) -> Result<(), String>;

    /// An output of the latest run; none before the first and after one that failed.
    fn output(&self, index: usize) -> Option<&[f32]>;

    /// Another execution of the same network, for another thread; the weights are shared.
    fn fork(&self) -> Result<Box<dyn Execution>, String>;

    /// The operators as this engine runs them, each with its count; none where the engine does not say.
    fn operators(&self) -> BTreeMap<String, usize>;
}

/// One network, optimised and ready.
pub struct Network {
    name: String,
    execution: Box<dyn Execution>,
}

impl Network {
    /// Loads the ONNX file with these bytes for the CPU. `name` is for messages.
    pub fn load(name: &str, onnx: &[u8]) -> Result<Self, NetworkError> {
        Cpu.load(name, onnx, None)
    }

    pub(crate) fn new(name: &str, execution: Box<dyn Execution>) -> Self {
        Network {
            name: name.to_owned(),
            execution,
        }
    }

    /// Another state of the same network, for another thread; the weights are shared.
    pub fn fork(&self) -> Result<Self, NetworkError> {
        match self.execution.fork() {
            Ok(execution) => Ok(Network::new(&self.name, execution)),
            Err(why) => Err(NetworkError::Engine {
                name: self.name.clone(),
                why,
            }),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn precision(&self) -> Precision {
        self.execution.signature().precision
    }

    /// The operators on this machine, each with its count; none where the engine does not say.
    pub fn operators(&self) -> BTreeMap<String, usize> {
        self.execution.operators()
    }

    /// How many inputs the graph has.
    pub fn inputs(&self) -> usize {
        self.execution.signature().input_shapes.len()
    }

    /// The shape of an input; empty if there is no such input or its shape isn't fixed.
    pub fn input_shape(&self, index: usize) -> Vec<usize> {
        let shape = self.execution.signature().input_shapes.get(index);
        shape.cloned().unwrap_or_default()
    }

    /// How many outputs the graph has.
    pub fn outputs(&self) -> usize {
        self.execution.signature().output_shapes.len()
    }

    /// The shape of an output; empty if there is no such output or its shape isn't fixed.
    pub fn output_shape(&self, index: usize) -> Vec<usize> {
        let shape = self.execution.signature().output_shapes.get(index);
        shape.cloned().unwrap_or_default()
    }

    /// Runs the network. Inputs have the graph's order.
    pub fn run(&mut self, inputs: &[Input<'_>]) -> Result<(), NetworkError> {
        self.execution.run(inputs).map_err(|why| NetworkError::Run {
            name: self.name.clone(),
            why,
        })
    }

    /// Output `index` of the latest run as a flat slice. Outputs have the graph's order.
    ///
    /// *Shapes*: exactly `expected` values, row-major.
    pub fn output(&self, index: usize, expected: usize) -> Result<&[f32], NetworkError> {
        let values = self.execution.output(index).unwrap_or_default();
        match values.len() == expected {
            true => Ok(values),
            false => Err(NetworkError::OutputSize {
                name: self.name.clone(),
                index,
                expected,
                found: values.len(),
            }),
        }
    }
}
