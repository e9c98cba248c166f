//! Runs a network over samples and shows tensors from inside it.

use std::sync::atomic::{AtomicBool, Ordering};

use aecsad_engine::onnx as pb;
use aecsad_inspect::network::{Input, Network};
use prost::Message;
use rayon::prelude::*;

use super::QuantiseError;

/// The inputs of one run, in the graph's order.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Shape and values of each, row-major.
    pub inputs: Vec<(Vec<usize>, Vec<f32>)>,
}

/// A network some of whose tensors can be looked at.
pub struct Observed {
    network: Network,
    /// Where each tensor comes from.
    places: Vec<Place>,
}

#[derive(Clone, Copy)]
enum Place {
    Input(usize),
    Output(usize),
}

/// One tensor of one run.
pub struct ObservedTensor<'a> {
    /// In the list that [`Observed::new`] was given.
    pub index: usize,
    pub shape: &'a [usize],
    /// Of that `shape`, row-major.
    pub values: &'a [f32],
}

impl Observed {
    /// `tensors` are names of the network's inputs, outputs or what its operators make.
    pub fn new(
        name: &str,
        model: &pb::ModelProto,
        tensors: &[String],
    ) -> Result<Self, QuantiseError> {
        let mut model = model.clone();
        let graph = model.graph.get_or_insert_default();
        let mut places = Vec::with_capacity(tensors.len());
        for tensor in tensors {
            if let Some(input) = graph.input.iter().position(|info| info.name == *tensor) {
                places.push(Place::Input(input));
                continue;
            }
            let output = graph.output.iter().position(|info| info.name == *tensor);
            let output = output.unwrap_or_else(|| {
                graph.output.push(pb::ValueInfoProto {
                    name: tensor.clone(),
                    ..Default::default()
                });
                graph.output.len() - 1
            });
            places.push(Place::Output(output));
        }
        let network = Network::load(name, &model.encode_to_vec())?;
        Ok(Self { network, places })
    }

    pub fn fork(&self) -> Result<Self, QuantiseError> {
        Ok(Self {
            network: self.network.fork()?,
            places: self.places.clone(),
        })
    }

    /// The shape of the tensor at `index` of the list.
    pub fn shape(&self, index: usize) -> Vec<usize> {
        match self.places[index] {
            Place::Input(input) => self.network.input_shape(input),
            Place::Output(output) => self.network.output_shape(output),
        }
    }

    /// Runs one sample and shows each tensor.
    pub fn run(
        &mut self,
        sample: &Sample,
        mut look: impl FnMut(ObservedTensor<'_>),
    ) -> Result<(), QuantiseError> {
        let inputs: Vec<Input<'_>> = sample
            .inputs
            .iter()
            .map(|(shape, values)| (shape.as_slice(), values.as_slice()))
            .collect();
        self.network.run(&inputs)?;
        for (index, place) in self.places.iter().enumerate() {
            match *place {
                Place::Input(input) => look(ObservedTensor {
                    index,
                    shape: &sample.inputs[input].0,
                    values: &sample.inputs[input].1,
                }),
                Place::Output(output) => {
                    let shape = self.network.output_shape(output);
                    let values = self.network.output(output, shape.iter().product())?;
                    look(ObservedTensor {
                        index,
                        shape: &shape,
                        values,
                    });
                }
            }
        }
        Ok(())
    }
}

/// Shares the samples out over the cores: `each` adds a sample to what a share has come to, with networks of its own, and
/// the shares are joined in the samples' order.
pub fn over<A: Default + Send>(
    samples: &[Sample],
    cancel: &AtomicBool,
    networks: &[&Observed],
    each: impl Fn(&mut A, &mut [Observed], &Sample) -> Result<(), QuantiseError> + Sync,
    join: impl Fn(&mut A, A),
) -> Result<A, QuantiseError> {
    let share = samples.len().div_ceil(rayon::current_num_threads()).max(1);
    let forked = samples
        .chunks(share)
        .map(|share| {
            let forks = networks.iter().map(|network| network.fork());
            Ok((share, forks.collect::<Result<Vec<_>, QuantiseError>>()?))
        })
        .collect::<Result<Vec<_>, QuantiseError>>()?;
    let parts: Vec<Result<A, QuantiseError>> = forked
        .into_par_iter()
        .map(|(share, mut forks)| {
            let mut part = A::default();
            for sample in share {
                if cancel.load(Ordering::Relaxed) {
                    return Err(QuantiseError::Interrupted);
                }
                each(&mut part, &mut forks, sample)?;
            }
            Ok(part)
        })
        .collect();
    let mut whole = A::default();
    for part in parts {
        join(&mut whole, part?);
    }
    Ok(whole)
}
