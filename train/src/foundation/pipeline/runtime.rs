//! ONNX Runtime, opened at run time: no build needs it, and a machine that only trains the `edge` profile has none.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use aecsad_program::unless_it_panics;
use ort::ep::CUDA;
use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::SessionBuilder;

use super::FoundationError;
use crate::paper::Device;

/// The library's name where the system has it.
const SYSTEM: &str = "libonnxruntime.so";
/// The variable that names it, as for other programs.
const VARIABLE: &str = "ORT_DYLIB_PATH";

/// Where networks run.
#[derive(Clone, Debug)]
pub struct Runtime {
    library: PathBuf,
    device: Device,
}

impl Runtime {
    /// Opens the library: the one named, else that of `ORT_DYLIB_PATH`, else the system's. One process opens one library; a
    /// second call keeps the first.
    ///
    /// # Errors
    /// If there is none, or it is too old.
    pub fn open(named: Option<&Path>, device: Device) -> Result<Self, FoundationError> {
        static OPENED: Mutex<Option<PathBuf>> = Mutex::new(None);
        let no_runtime = |why: String| FoundationError::NoRuntime { why };
        let mut opened = OPENED
            .lock()
            .map_err(|_| no_runtime("an earlier attempt broke off".into()))?;
        if let Some(library) = &*opened {
            return Ok(Self {
                library: library.clone(),
                device,
            });
        }
        let variable = std::env::var_os(VARIABLE).filter(|path| !path.is_empty());
        let library = match (named, variable) {
            (Some(named), _) => named.to_owned(),
            (None, Some(path)) => PathBuf::from(path),
            (None, None) => PathBuf::from(SYSTEM),
        };
        // A bare name is looked for in the system's folders, a path from where the user is.
        let path = match library == Path::new(SYSTEM) {
            true => library.clone(),
            false => library
                .canonicalize()
                .map_err(|e| no_runtime(format!("{}: {e}", library.display())))?,
        };
        let environment = unless_it_panics(|| ort::init_from(&path))
            .ok_or_else(|| no_runtime(format!("{}: it is no ONNX Runtime", path.display())))?
            .map_err(|e| no_runtime(e.to_string()))?;
        environment.with_telemetry(false).commit();
        *opened = Some(path.clone());
        Ok(Self {
            library: path,
            device,
        })
    }

    /// A network of a file, optimised for the device.
    pub(super) fn session(&self, model: &Path) -> Result<Session, FoundationError> {
        self.build(model, |builder| builder.commit_from_file(model))
    }

    /// A network of an ONNX graph in memory.
    pub(super) fn session_of(&self, name: &Path, onnx: &[u8]) -> Result<Session, FoundationError> {
        self.build(name, |builder| builder.commit_from_memory(onnx))
    }

    fn build(
        &self,
        model: &Path,
        commit: impl FnOnce(&mut SessionBuilder) -> ort::Result<Session>,
    ) -> Result<Session, FoundationError> {
        let load = |why: String| FoundationError::Load {
            path: model.to_owned(),
            why: first_line(&why),
        };
        let builder = Session::builder()
            .and_then(|builder| Ok(builder.with_log_level(LogLevel::Fatal)?))
            .map_err(|e| load(e.to_string()))?;
        let mut builder = match self.device {
            Device::Cpu => builder,
            Device::Cuda(index) => {
                let provider = CUDA::default().with_device_id(index as i32).build();
                builder
                    .with_execution_providers([provider.error_on_failure()])
                    .map_err(|e| FoundationError::NoGpu {
                        runtime: self.library.clone(),
                        why: first_line(&e.to_string()),
                    })?
            }
        };
        let session = unless_it_panics(|| commit(&mut builder));
        session
            .ok_or_else(|| load("ONNX Runtime broke off on it".into()))?
            .map_err(|e| match of_memory(&e.to_string()) {
                true => FoundationError::GpuMemory {
                    model: model.to_owned(),
                },
                false => load(e.to_string()),
            })
    }
}

/// Whether a message of ONNX Runtime is about memory that a GPU doesn't have.
pub(super) fn of_memory(message: &str) -> bool {
    let message = message.to_lowercase();
    ["out of memory", "failed to allocate memory", "bfc_arena"]
        .iter()
        .any(|sign| message.contains(sign))
}

/// Messages of ONNX Runtime end in stack traces and build paths.
pub(super) fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_about_memory_is_known_as_such() {
        assert!(of_memory(
            "Non-zero status code: CUDA failure 2: out of memory ; GPU=0"
        ));
        assert!(of_memory(
            "bfc_arena.cc:376 Failed to allocate memory for requested buffer of size 4294967296"
        ));
        assert!(!of_memory("Invalid rank for input: image"));
        assert_eq!(first_line(" what\nwhere\n"), "what");
    }
}
