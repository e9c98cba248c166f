//! Runs the ONNX networks of a bundle through tract on the CPU. The shapes are fixed at load, so a frame can fail
//! only where the network itself does.
//!
//! It is a crate of its own because tract's generics are compiled where they are used: a crate that uses this one does
//! not compile them again.

mod admission;
mod input_shape;
mod kernels;
mod lowering;
mod memory;
mod team;

use std::collections::BTreeMap;
use std::panic::{UnwindSafe, catch_unwind};

use tract_onnx::prelude::*;

/// The messages of an ONNX file.
pub use tract_onnx::pb as onnx;

pub use kernels::float::Triangles;
pub use team::Team;

/// Whether this CPU has fused multiply-add. On all CPUs that have it, quantised networks give the same bits. Without it
/// the extra rounding changes values near the middle between two quantisation steps.
pub fn fuses() -> bool {
    kernels::common::lanes::fuses()
}

#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error("{name}: not a network that this runtime can run: {why}")]
    Load { name: String, why: String },
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

/// One network, optimised and ready.
pub struct Network {
    name: String,
    state: TypedSimpleState,
}

/// An input.
///
/// *Shapes*: the first slice is the shape of the second, whose values are row-major.
pub type Input<'a> = (&'a [usize], &'a [f32]);

impl Network {
    /// Loads the ONNX file with these bytes. `name` is for messages.
    pub fn load(name: &str, onnx: &[u8]) -> Result<Self, NetworkError> {
        Self::planned(name, || plan(onnx, None))
    }

    /// The same network for an input of `shape` in place of the file's own. It must have one input, and nothing in it may
    /// depend on the input's size.
    pub fn load_at(name: &str, onnx: &[u8], shape: &[usize]) -> Result<Self, NetworkError> {
        Self::planned(name, || plan(onnx, Some(shape)))
    }

    fn planned(
        name: &str,
        plan: impl FnOnce() -> TractResult<TypedSimpleState> + UnwindSafe,
    ) -> Result<Self, NetworkError> {
        memory::keep();
        // A file that makes tract panic is refused like any other unusable file.
        let plan = catch_unwind(plan)
            .unwrap_or_else(|_| Err(TractError::msg("the engine broke off on it")));
        match plan {
            Ok(state) => Ok(Network {
                name: name.to_owned(),
                state,
            }),
            Err(why) => Err(NetworkError::Load {
                name: name.to_owned(),
                why: format!("{why:#}"),
            }),
        }
    }

    /// Another state of the same network, for another thread; the weights are shared.
    pub fn fork(&self) -> Result<Self, NetworkError> {
        match self.state.plan().spawn() {
            Ok(state) => Ok(Network {
                name: self.name.clone(),
                state,
            }),
            Err(why) => Err(NetworkError::Load {
                name: self.name.clone(),
                why: format!("{why:#}"),
            }),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The operators on this machine, each with its count.
    pub fn operators(&self) -> BTreeMap<String, usize> {
        let mut operators = BTreeMap::new();
        for node in self.state.model().nodes() {
            *operators.entry(node.op.name().into_owned()).or_default() += 1;
        }
        operators
    }

    /// How many inputs the graph has.
    pub fn inputs(&self) -> usize {
        self.state.model().inputs.len()
    }

    /// The shape of an input; empty if there is no such input or its shape isn't fixed.
    pub fn input_shape(&self, index: usize) -> Vec<usize> {
        let fact = self.state.model().input_fact(index);
        let shape = fact.ok().and_then(|fact| fact.shape.as_concrete());
        shape.unwrap_or_default().to_vec()
    }

    /// How many outputs the graph has.
    pub fn outputs(&self) -> usize {
        self.state.model().outputs.len()
    }

    /// The shape of an output; empty if there is no such output or its shape isn't fixed.
    pub fn output_shape(&self, index: usize) -> Vec<usize> {
        let fact = self.state.model().output_fact(index);
        let shape = fact.ok().and_then(|fact| fact.shape.as_concrete());
        shape.unwrap_or_default().to_vec()
    }

    /// Runs the network. Inputs and outputs have the graph's order.
    pub fn run(&mut self, inputs: &[Input<'_>]) -> Result<Outputs, NetworkError> {
        let tensors = inputs
            .iter()
            .map(|(shape, values)| Ok(Tensor::from_shape(shape, values)?.into_tvalue()))
            .collect::<TractResult<TVec<TValue>>>();
        tensors
            .and_then(|tensors| self.state.run(tensors))
            .map(|values| Outputs {
                name: self.name.clone(),
                values,
            })
            .map_err(|why| NetworkError::Run {
                name: self.name.clone(),
                why: format!("{why:#}"),
            })
    }
}

fn plan(onnx: &[u8], shape: Option<&[usize]>) -> TractResult<TypedSimpleState> {
    let engine = tract_onnx::onnx();
    let mut file = engine.proto_model_for_read(&mut std::io::Cursor::new(onnx))?;
    admission::check_file(&file).map_err(TractError::msg)?;
    if let Some(shape) = shape {
        input_shape::replace(&mut file, shape).map_err(TractError::msg)?;
    }
    let int8_weights = kernels::int8::take_weights(&mut file);
    let model = engine.model_for_proto_model(&file)?.into_typed()?;
    admission::check_shapes(&model).map_err(TractError::msg)?;
    lowering::lower(&model, &int8_weights)?
        .into_optimized()?
        .into_runnable()?
        .spawn()
}

/// A network's outputs, still in tract's memory.
pub struct Outputs {
    name: String,
    values: TVec<TValue>,
}

impl Outputs {
    /// Output `index` as a flat slice.
    ///
    /// *Shapes*: exactly `expected` values, row-major.
    pub fn slice(&self, index: usize, expected: usize) -> Result<&[f32], NetworkError> {
        let size_error = |found| NetworkError::OutputSize {
            name: self.name.clone(),
            index,
            expected,
            found,
        };
        let value = self.values.get(index).ok_or_else(|| size_error(0))?;
        let plain = value.try_as_plain_ram().map_err(|_| size_error(0))?;
        let slice = plain.as_slice::<f32>().map_err(|_| size_error(0))?;
        if slice.len() != expected {
            return Err(size_error(slice.len()));
        }
        Ok(slice)
    }
}
