//! Exit codes for errors of this crate.

use aecsad_program::{ExitCode, Failure};

use crate::bundle::BundleError;
use crate::golden::GoldenError;
use crate::inspector::InspectorError;
use crate::network::NetworkError;

impl BundleError {
    pub fn exit_code(&self) -> ExitCode {
        match self.is_storage() {
            true => ExitCode::Storage,
            false => ExitCode::Bundle,
        }
    }
}

impl InspectorError {
    pub fn exit_code(&self) -> ExitCode {
        match self {
            InspectorError::Bundle(error) => error.exit_code(),
            InspectorError::Statistics { .. } => ExitCode::Bundle,
            InspectorError::Network(NetworkError::Load { .. }) => ExitCode::Bundle,
            InspectorError::Network(_) => ExitCode::Engine,
            InspectorError::Optics(_) => ExitCode::Input,
        }
    }
}

impl GoldenError {
    pub fn exit_code(&self) -> ExitCode {
        match self {
            GoldenError::Inspector(error) => error.exit_code(),
            _ => ExitCode::Bundle,
        }
    }
}

impl From<BundleError> for Failure {
    fn from(error: BundleError) -> Self {
        Failure::new(&error, error.exit_code())
    }
}

impl From<InspectorError> for Failure {
    fn from(error: InspectorError) -> Self {
        Failure::new(&error, error.exit_code())
    }
}
