//! One plan that runs.

use std::collections::BTreeMap;

use super::plan::Plan;
use super::plugin::{PlanNetwork, Plugin};
use crate::network::{Execution, Input, Signature};

/// No network of ours has more than three.
const MOST_INPUTS: usize = 8;

pub(super) struct PlanExecution {
    network: PlanNetwork,
    signature: Signature,
    /// Whether the outputs are those of a run that succeeded.
    ran: bool,
}

impl PlanExecution {
    pub fn load(plugin: &'static Plugin, plan: &Plan) -> Result<Self, String> {
        if plan.inputs.len() > MOST_INPUTS {
            return Err(format!("it has more than {MOST_INPUTS} inputs"));
        }
        let network = plugin.load(plan)?;
        let shapes = |is_output: bool, names: &[String]| {
            let each = 0..names.len();
            each.map(|index| network.shape(is_output, index)).collect()
        };
        let signature = Signature {
            precision: plan.precision,
            input_shapes: shapes(false, &plan.inputs),
            output_shapes: shapes(true, &plan.outputs),
        };
        Ok(PlanExecution {
            network,
            signature,
            ran: false,
        })
    }
}

impl Execution for PlanExecution {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn run(&mut self, inputs: &[Input<'_>]) -> Result<(), String> {
        self.ran = false;
        let shapes = &self.signature.input_shapes;
        let fits = |(expected, (shape, values)): (&Vec<usize>, &Input<'_>)| {
            expected == shape && values.len() == expected.iter().product::<usize>()
        };
        if inputs.len() != shapes.len() || !shapes.iter().zip(inputs).all(fits) {
            return Err("its inputs have other shapes than the plan's".to_owned());
        }
        let mut addresses = [std::ptr::null(); MOST_INPUTS];
        for (address, (_, values)) in addresses.iter_mut().zip(inputs) {
            *address = values.as_ptr();
        }
        // SAFETY: there is an address for each input of the plan, and each points at as many values as the input's shape
        // has, as compared above.
        unsafe { self.network.run(&addresses[..inputs.len()])? };
        self.ran = true;
        Ok(())
    }

    fn output(&self, index: usize) -> Option<&[f32]> {
        let shape = self
            .signature
            .output_shapes
            .get(index)
            .filter(|_| self.ran)?;
        self.network.output(index, shape.iter().product())
    }

    fn fork(&self) -> Result<Box<dyn Execution>, String> {
        Ok(Box::new(PlanExecution {
            network: self.network.fork()?,
            signature: self.signature.clone(),
            ran: false,
        }))
    }

    /// TensorRT fuses operators and does not say which.
    fn operators(&self) -> BTreeMap<String, usize> {
        BTreeMap::new()
    }
}
