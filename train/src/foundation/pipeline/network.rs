//! One ONNX file: what it takes, and what it gives for named inputs.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use aecsad_program::unless_it_panics;
use ort::session::{Session, SessionInputValue};
use ort::value::{TensorElementType, TensorRef, Value, ValueType};

use super::FoundationError;
use super::runtime::{Runtime, first_line, of_memory};

/// Numbers for a network; they become what the network's input is declared as.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub values: Numbers,
}

#[derive(Clone, Debug)]
pub enum Numbers {
    Float(Vec<f32>),
    Whole(Vec<i64>),
}

impl Tensor {
    pub fn floats(shape: &[usize], values: Vec<f32>) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), values.len());
        Self {
            shape: shape.to_vec(),
            values: Numbers::Float(values),
        }
    }

    pub fn whole(shape: &[usize], values: Vec<i64>) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), values.len());
        Self {
            shape: shape.to_vec(),
            values: Numbers::Whole(values),
        }
    }

    /// As floats, whatever they are.
    pub fn as_floats(&self) -> Cow<'_, [f32]> {
        match &self.values {
            Numbers::Float(values) => Cow::Borrowed(values),
            Numbers::Whole(values) => values.iter().map(|v| *v as f32).collect(),
        }
    }

    fn as_whole(&self) -> Cow<'_, [i64]> {
        match &self.values {
            Numbers::Float(values) => values.iter().map(|v| *v as i64).collect(),
            Numbers::Whole(values) => Cow::Borrowed(values),
        }
    }
}

/// What an input is declared as.
#[derive(Clone, Debug)]
struct Declared {
    name: String,
    kind: TensorElementType,
    /// None where a dimension is free.
    shape: Vec<Option<usize>>,
}

/// A loaded network.
pub struct Network {
    path: PathBuf,
    session: Session,
    inputs: Vec<Declared>,
}

impl Network {
    pub fn load(runtime: &Runtime, path: &Path) -> Result<Self, FoundationError> {
        if !path.is_file() {
            return Err(FoundationError::Missing {
                path: path.to_owned(),
            });
        }
        Self::of_session(path, runtime.session(path)?)
    }

    /// A graph that was made here, called `name` in messages.
    pub fn from_bytes(
        runtime: &Runtime,
        name: &Path,
        onnx: &[u8],
    ) -> Result<Self, FoundationError> {
        Self::of_session(name, runtime.session_of(name, onnx)?)
    }

    fn of_session(path: &Path, session: Session) -> Result<Self, FoundationError> {
        let declared = session.inputs().iter().map(|input| {
            let ValueType::Tensor { ty, shape, .. } = input.dtype() else {
                return Err(FoundationError::Load {
                    path: path.to_owned(),
                    why: format!("its input {} is no tensor", input.name()),
                });
            };
            Ok(Declared {
                name: input.name().to_owned(),
                kind: *ty,
                shape: shape.iter().map(|d| usize::try_from(*d).ok()).collect(),
            })
        });
        let inputs = declared.collect::<Result<_, _>>()?;
        Ok(Self {
            path: path.to_owned(),
            session,
            inputs,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn takes(&self, name: &str) -> bool {
        self.inputs.iter().any(|input| input.name == name)
    }

    pub fn gives(&self, name: &str) -> bool {
        let outputs = self.session.outputs();
        outputs.iter().any(|output| output.name() == name)
    }

    /// Whether the file's metadata has an entry of this name.
    pub fn notes(&self, key: &str) -> bool {
        let metadata = self.session.metadata().ok();
        metadata.is_some_and(|metadata| metadata.custom(key).is_some())
    }

    /// The length of an input's axis; none where it is free, or the input isn't there.
    pub fn length(&self, name: &str, axis: usize) -> Option<usize> {
        let input = self.inputs.iter().find(|input| input.name == name)?;
        *input.shape.get(axis)?
    }

    /// This network is not what was expected; says what it takes and gives instead.
    pub fn layout_error(&self, expected: &'static str) -> FoundationError {
        let inputs: Vec<&str> = self.inputs.iter().map(|i| i.name.as_str()).collect();
        let outputs = self.session.outputs().iter().map(|output| output.name());
        let outputs: Vec<&str> = outputs.collect();
        FoundationError::Layout {
            path: self.path.clone(),
            expected,
            found: format!(
                "its inputs are {}, its outputs {}",
                inputs.join(", "),
                outputs.join(", ")
            ),
        }
    }

    /// Runs it; the wanted outputs in their order, as floats.
    pub fn run(
        &mut self,
        given: &[(&str, &Tensor)],
        wanted: &[&str],
    ) -> Result<Vec<Tensor>, FoundationError> {
        let path = self.path.clone();
        let broke_off = |why: String| match of_memory(&why) {
            true => FoundationError::GpuMemory {
                model: path.clone(),
            },
            false => FoundationError::Run {
                path: path.clone(),
                why: first_line(&why),
            },
        };
        let mut floats = Vec::new();
        let mut whole = Vec::new();
        let mut flags = Vec::new();
        // The numbers are brought to their kinds first, so that the runtime can borrow them.
        for (name, tensor) in given {
            match self.kind(name) {
                Some(TensorElementType::Float32) => {
                    floats.push((*name, tensor, tensor.as_floats()))
                }
                Some(TensorElementType::Int64) => whole.push((*name, tensor, tensor.as_whole())),
                Some(TensorElementType::Bool) => {
                    let values: Vec<bool> = tensor.as_whole().iter().map(|v| *v != 0).collect();
                    flags.push((*name, tensor, values));
                }
                Some(kind) => {
                    return Err(broke_off(format!(
                        "its input {name} takes {kind}, which is not supported"
                    )));
                }
                None => return Err(self.layout_error("one with the inputs that are given")),
            }
        }
        let mut inputs: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = Vec::new();
        for (name, tensor, values) in &floats {
            let view = TensorRef::from_array_view((tensor.shape.as_slice(), &values[..]));
            let view = view.map_err(|e| broke_off(e.to_string()))?;
            inputs.push((Cow::Borrowed(*name), view.into()));
        }
        for (name, tensor, values) in &whole {
            let view = TensorRef::from_array_view((tensor.shape.as_slice(), &values[..]));
            let view = view.map_err(|e| broke_off(e.to_string()))?;
            inputs.push((Cow::Borrowed(*name), view.into()));
        }
        for (name, tensor, values) in flags {
            let owned = Value::from_array((tensor.shape.clone(), values));
            let owned = owned.map_err(|e| broke_off(e.to_string()))?;
            inputs.push((Cow::Borrowed(name), owned.into()));
        }
        let session = &mut self.session;
        let outputs = unless_it_panics(|| session.run(inputs))
            .ok_or_else(|| broke_off("ONNX Runtime ended abnormally".into()))?
            .map_err(|e| broke_off(e.to_string()))?;
        let output = |name: &&str| {
            let value = outputs
                .get(*name)
                .ok_or_else(|| broke_off(format!("it has no output {name}")))?;
            let (shape, values) = value
                .try_extract_tensor::<f32>()
                .map_err(|e| broke_off(format!("its output {name}: {e}")))?;
            if values.iter().any(|value| value.is_nan()) {
                return Err(broke_off(format!(
                    "its output {name} holds values that are not numbers"
                )));
            }
            let shape: Vec<usize> = shape.iter().map(|d| *d as usize).collect();
            Ok(Tensor::floats(&shape, values.to_vec()))
        };
        wanted.iter().map(output).collect()
    }

    fn kind(&self, name: &str) -> Option<TensorElementType> {
        let input = self.inputs.iter().find(|input| input.name == name)?;
        Some(input.kind)
    }
}
