//! What a float network's tensors look like on good images: how large their values are, and the mean of each channel.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use aecsad_engine::onnx as pb;

use super::QuantiseError;
use super::magnitudes::Magnitudes;
use super::observe::{Observed, ObservedTensor, Sample, over};

/// Of one tensor.
#[derive(Clone, Debug, Default)]
pub struct Tensor {
    pub magnitudes: Magnitudes,
    sums: Vec<f64>,
    cells: u64,
    is_broken: bool,
}

impl Tensor {
    fn add(&mut self, seen: &ObservedTensor<'_>) {
        self.is_broken |= !self.magnitudes.add(seen.values);
        let &[_, channels, height, width] = seen.shape else {
            return;
        };
        self.sums.resize(channels, 0.0);
        self.cells += (height * width) as u64;
        let maps = seen.values.chunks((height * width).max(1));
        for (sum, map) in self.sums.iter_mut().zip(maps) {
            *sum += map.iter().map(|value| f64::from(*value)).sum::<f64>();
        }
    }

    fn join(&mut self, other: Self) {
        self.magnitudes.join(other.magnitudes);
        self.sums.resize(other.sums.len().max(self.sums.len()), 0.0);
        for (sum, more) in self.sums.iter_mut().zip(other.sums) {
            *sum += more;
        }
        self.cells += other.cells;
        self.is_broken |= other.is_broken;
    }

    /// The mean of each channel over all cells of all images; none for what is no map.
    ///
    /// *Shapes*: the result is `[channels]`.
    pub fn channel_means(&self) -> Vec<f64> {
        let cells = self.cells.max(1) as f64;
        self.sums.iter().map(|sum| sum / cells).collect()
    }
}

/// Of each of `tensors`, over all samples.
///
/// # Errors
/// Names the tensor that held a value that is no number.
pub fn collect(
    name: &str,
    model: &pb::ModelProto,
    tensors: &[String],
    samples: &[Sample],
    cancel: &AtomicBool,
) -> Result<BTreeMap<String, Tensor>, QuantiseError> {
    let observed = Observed::new(name, model, tensors)?;
    let seen: Vec<Tensor> = over(
        samples,
        cancel,
        &[&observed],
        |whole: &mut Vec<Tensor>, networks, sample| {
            whole.resize(tensors.len(), Tensor::default());
            networks[0].run(sample, |seen| whole[seen.index].add(&seen))
        },
        |whole, part| {
            whole.resize(part.len().max(whole.len()), Tensor::default());
            whole
                .iter_mut()
                .zip(part)
                .for_each(|(tensor, part)| tensor.join(part));
        },
    )?;
    if let Some(broken) = seen.iter().position(|tensor| tensor.is_broken) {
        return Err(QuantiseError::NotFinite {
            network: name.to_owned(),
            tensor: tensors[broken].clone(),
        });
    }
    Ok(tensors.iter().cloned().zip(seen).collect())
}
