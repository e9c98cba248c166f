//! Named tensors from a file: PyTorch's `.pth` or safetensors, distinguished by their content. A network takes each
//! tensor by name and shape; what is missing, of another shape or left over is named.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use aecsad_program::inputs;
use safetensors::{Dtype, SafeTensors};

use super::pickle::{self, Description};
use super::{WeightsError, zip};

/// The largest file that is read: WideResNet-50-2 has 276 MB.
const MAX_BYTES: u64 = 1 << 30;
/// How PyTorch's zip archives begin; its older format and plain pickles are refused.
const ZIP: &[u8] = b"PK\x03\x04";
/// Counts training steps, of no use here.
const COUNTER: &str = "num_batches_tracked";

/// One tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTensor {
    pub shape: Vec<usize>,
    /// As many as `shape` says, row-major.
    pub values: Vec<f32>,
}

/// The tensors of one network, and the file they came from for messages.
#[derive(Clone, Debug)]
pub struct StateDict {
    from: PathBuf,
    tensors: BTreeMap<String, StoredTensor>,
}

impl StateDict {
    /// `from` is only for messages.
    pub fn new(from: &Path, tensors: BTreeMap<String, StoredTensor>) -> Self {
        Self {
            from: from.to_owned(),
            tensors,
        }
    }

    /// Reads a file of at most 1 GiB.
    ///
    /// # Errors
    /// If it can't be read, or is neither a `.pth` of tensors nor safetensors in float32.
    pub fn read(path: &Path) -> Result<Self, WeightsError> {
        let unreadable = |source| WeightsError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let file = inputs::open(path).map_err(unreadable)?;
        let bytes = file.metadata().map_err(unreadable)?.len();
        if bytes > MAX_BYTES {
            return Err(format_error(
                path,
                format!("{bytes} bytes are more than any such network has"),
            ));
        }
        let mut content = Vec::with_capacity(bytes as usize);
        file.take(MAX_BYTES)
            .read_to_end(&mut content)
            .map_err(unreadable)?;
        let tensors = if content.starts_with(ZIP) {
            from_pytorch(&content)
        } else {
            from_safetensors(&content)
        };
        let tensors = tensors.map_err(|why| format_error(path, why))?;
        Ok(Self::new(path, tensors))
    }

    pub fn to_safetensors(&self) -> Result<Vec<u8>, WeightsError> {
        let bytes: Vec<(&String, &StoredTensor, Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(name, stored)| {
                let raw = stored.values.iter().flat_map(|v| v.to_le_bytes()).collect();
                (name, stored, raw)
            })
            .collect();
        let views = bytes
            .iter()
            .map(|(name, stored, raw)| {
                let view =
                    safetensors::tensor::TensorView::new(Dtype::F32, stored.shape.clone(), raw)?;
                Ok((name.as_str(), view))
            })
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
        views
            .and_then(|views| safetensors::serialize(views, None))
            .map_err(|e| format_error(&self.from, e.to_string()))
    }

    /// Takes a tensor out.
    ///
    /// *Shapes*: the values of a tensor of `shape`, row-major.
    ///
    /// # Errors
    /// If there is none of that name, or it has another shape or holds values that are no numbers.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightsError> {
        let stored = self
            .tensors
            .remove(name)
            .ok_or_else(|| WeightsError::Missing {
                path: self.from.clone(),
                name: name.to_owned(),
            })?;
        if stored.shape != shape {
            return Err(WeightsError::Shape {
                path: self.from.clone(),
                name: name.to_owned(),
                found: stored.shape,
                wanted: shape.to_vec(),
            });
        }
        if !stored.values.iter().all(|value| value.is_finite()) {
            return Err(WeightsError::NotFinite {
                path: self.from.clone(),
                name: name.to_owned(),
            });
        }
        Ok(stored.values)
    }

    /// Call when a network has taken all it needs; what `known` says belongs to the network but isn't used may stay.
    ///
    /// # Errors
    /// If other tensors are left: the file belongs to another network.
    pub fn finish(self, known: impl Fn(&str) -> bool) -> Result<(), WeightsError> {
        let mut left = self.tensors.into_keys().filter(|name| !known(name));
        match left.next() {
            None => Ok(()),
            Some(name) => Err(WeightsError::Extra {
                path: self.from,
                name,
                others: left.count(),
            }),
        }
    }
}

fn format_error(path: &Path, why: String) -> WeightsError {
    WeightsError::Format {
        path: path.to_owned(),
        why,
    }
}

fn from_pytorch(content: &[u8]) -> Result<BTreeMap<String, StoredTensor>, String> {
    let entries = zip::entries(content)?;
    // All entries lie in one folder, whatever its name.
    let inside = |name: &str| {
        let mut names = entries.iter();
        let found = names.find(|(path, _)| path.split_once('/').is_some_and(|(_, n)| n == name));
        found.map(|(_, content)| *content)
    };
    let pickle = inside("data.pkl").ok_or("it has no data.pkl")?;
    let mut tensors = BTreeMap::new();
    for (name, description) in pickle::tensors(pickle)? {
        if name.ends_with(COUNTER) {
            continue;
        }
        let raw = inside(&format!("data/{}", description.key));
        let raw = raw.ok_or_else(|| format!("the values of {name} are missing"))?;
        let values = values(&description, raw).map_err(|why| format!("{name}: {why}"))?;
        let shape = description.shape;
        tensors.insert(name, StoredTensor { shape, values });
    }
    Ok(tensors)
}

fn values(tensor: &Description, raw: &[u8]) -> Result<Vec<f32>, String> {
    if tensor.kind != "FloatStorage" {
        return Err(format!("it is a {}, float32 is needed", tensor.kind));
    }
    let mut contiguous = Vec::with_capacity(tensor.shape.len());
    let mut count = 1usize;
    for length in tensor.shape.iter().rev() {
        contiguous.push(count);
        count = count.checked_mul(*length).ok_or("it is too large")?;
    }
    contiguous.reverse();
    if tensor.stride != contiguous {
        return Err("its values don't lie row by row".into());
    }
    let bytes = |elements: usize| elements.checked_mul(4);
    let range = bytes(tensor.offset)
        .zip(bytes(count))
        .and_then(|(from, length)| Some(from..from.checked_add(length)?));
    let raw = range.and_then(|range| raw.get(range));
    let raw = raw.ok_or("its values are cut short")?;
    Ok(raw
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect())
}

fn from_safetensors(content: &[u8]) -> Result<BTreeMap<String, StoredTensor>, String> {
    let file = SafeTensors::deserialize(content).map_err(|e| e.to_string())?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.tensors() {
        if name.ends_with(COUNTER) {
            continue;
        }
        if view.dtype() != Dtype::F32 {
            return Err(format!("{name} is {}, float32 is needed", view.dtype()));
        }
        let bytes = view.data().chunks_exact(4);
        let stored = StoredTensor {
            shape: view.shape().to_vec(),
            values: bytes
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
        };
        tensors.insert(name, stored);
    }
    Ok(tensors)
}
