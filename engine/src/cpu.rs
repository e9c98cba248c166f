//! The CPU as an engine: tract, with our own kernels in place of its slow operators.

use std::collections::BTreeMap;
use std::panic::catch_unwind;

use tract_onnx::prelude::*;

use crate::network::{
    Engine, Execution, Input, Network, NetworkError, Precision, Rounding, Signature,
};
use crate::{admission, kernels, lowering, memory};

/// This machine's CPU.
pub struct Cpu;

impl Engine for Cpu {
    fn name(&self) -> &str {
        "the CPU"
    }

    fn rounding(&self) -> Rounding {
        match fuses() {
            true => Rounding::AsTrained,
            false => Rounding::Unfused,
        }
    }

    fn load(
        &self,
        name: &str,
        onnx: &[u8],
        shape: Option<&[usize]>,
    ) -> Result<Network, NetworkError> {
        memory::keep();
        // A file that makes tract panic is refused like any other unusable file.
        let planned = catch_unwind(|| plan(onnx, shape))
            .unwrap_or_else(|_| Err(TractError::msg("the engine broke off on it")));
        match planned {
            Ok((state, precision)) => {
                let execution = CpuExecution::new(state, precision);
                Ok(Network::new(name, Box::new(execution)))
            }
            Err(why) => Err(NetworkError::Load {
                name: name.to_owned(),
                why: format!("{why:#}"),
            }),
        }
    }
}

/// Whether this CPU has fused multiply-add. On all CPUs that have it, quantised networks give the same bits. Without it
/// the extra rounding changes values near the middle between two quantisation steps.
pub fn fuses() -> bool {
    kernels::common::lanes::fuses()
}

fn plan(onnx: &[u8], shape: Option<&[usize]>) -> TractResult<(TypedSimpleState, Precision)> {
    let mut file = admission::read(onnx, shape)?;
    let int8_weights = kernels::int8::take_weights(&mut file);
    let precision = match int8_weights.is_empty() {
        true => Precision::F32,
        false => Precision::Int8,
    };
    let model = admission::typed(&file)?;
    let state = lowering::lower(&model, &int8_weights)?
        .into_optimized()?
        .into_runnable()?
        .spawn()?;
    Ok((state, precision))
}

struct CpuExecution {
    state: TypedSimpleState,
    signature: Signature,
    /// The latest outputs, still in tract's memory.
    values: TVec<TValue>,
}

impl CpuExecution {
    fn new(state: TypedSimpleState, precision: Precision) -> Self {
        let model = state.model();
        let shape = |outlet: &OutletId| {
            let fact = model.outlet_fact(*outlet).ok();
            let shape = fact.and_then(|fact| fact.shape.as_concrete());
            shape.unwrap_or_default().to_vec()
        };
        let signature = Signature {
            precision,
            input_shapes: model.inputs.iter().map(shape).collect(),
            output_shapes: model.outputs.iter().map(shape).collect(),
        };
        CpuExecution {
            state,
            signature,
            values: TVec::new(),
        }
    }
}

impl Execution for CpuExecution {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn run(&mut self, inputs: &[Input<'_>]) -> Result<(), String> {
        self.values.clear();
        let tensors = inputs
            .iter()
            .map(|(shape, values)| Ok(Tensor::from_shape(shape, values)?.into_tvalue()))
            .collect::<TractResult<TVec<TValue>>>();
        let ran = tensors.and_then(|tensors| self.state.run(tensors));
        self.values = ran.map_err(|why| format!("{why:#}"))?;
        Ok(())
    }

    fn output(&self, index: usize) -> Option<&[f32]> {
        let plain = self.values.get(index)?.try_as_plain_ram().ok()?;
        plain.as_slice::<f32>().ok()
    }

    fn fork(&self) -> Result<Box<dyn Execution>, String> {
        let state = self.state.plan().spawn();
        Ok(Box::new(CpuExecution {
            state: state.map_err(|why| format!("{why:#}"))?,
            signature: self.signature.clone(),
            values: TVec::new(),
        }))
    }

    fn operators(&self) -> BTreeMap<String, usize> {
        let mut operators = BTreeMap::new();
        for node in self.state.model().nodes() {
            *operators.entry(node.op.name().into_owned()).or_default() += 1;
        }
        operators
    }
}
