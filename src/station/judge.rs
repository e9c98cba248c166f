//! The interface of a judge, which gives a verdict on a frame, and its errors.

use std::sync::Arc;

use aecsad_inspect::branches::shared::heat::HeatMap;
use aecsad_inspect::bundle::BundleError;
use aecsad_inspect::frame::Frame;
use aecsad_inspect::inspector::{Inspector, InspectorError, Verdict};
use aecsad_inspect::optics::InputGeometry;

use super::line_calibration::Renewal;
use crate::calibration::{CalibrationError, CalibrationPart, CalibrationStatus};
use crate::engines::{EngineChoice, EngineError};
use crate::slots::SlotsError;

/// Why there is no judge, or no verdict.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Inspector(#[from] InspectorError),
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    #[error(transparent)]
    Slots(#[from] SlotsError),
    /// Boxed, like the next: rare, and larger than what each part's report has room for.
    #[error(transparent)]
    Engine(Box<EngineError>),
    #[error("the GPU failed, so this part has no verdict ({source}): {next}")]
    GpuFailed {
        source: Box<InspectorError>,
        /// What happens to the parts after it, and what to do.
        next: String,
    },
    #[error(
        "the engine broke off in the middle of a frame: verify the bundle with `aecsad verify`"
    )]
    EngineBrokeOff,
}

impl From<EngineError> for JudgeError {
    fn from(error: EngineError) -> Self {
        JudgeError::Engine(Box::new(error))
    }
}

/// Gives a verdict on a frame.
pub trait Judge: Send {
    fn judge(&mut self, frame: &Frame) -> Result<Verdict, JudgeError>;

    /// The bundle that judged the last frame, as the journal names it.
    fn bundle(&self) -> Arc<str> {
        Arc::default()
    }

    /// What runs its networks, if it is known.
    fn engine(&self) -> Option<&EngineChoice> {
        None
    }

    /// The frame geometry that its bundle expects, if it is known.
    fn geometry(&self) -> Option<&InputGeometry> {
        None
    }

    /// Whose scale and threshold it judges by: the bundle's or the station's.
    fn calibration_status(&self) -> Option<&CalibrationStatus> {
        None
    }

    /// The heat map of the last judged frame, if the judge has one.
    fn heat_map(&mut self) -> Option<&HeatMap>;

    /// What a calibration needs of the last judged frame, if the judge can be calibrated. Its picture at the network's input
    /// size goes to `seen`, whose buffer is used again.
    fn calibration_part(&self, _seen: &mut Frame) -> Option<CalibrationPart> {
        None
    }

    /// Judges by this scale and threshold from the next frame on, if they are for its bundle and it has not read them.
    fn recalibrate(&mut self, _renewal: &Renewal) {}
}

impl Judge for Inspector {
    fn judge(&mut self, frame: &Frame) -> Result<Verdict, JudgeError> {
        Ok(self.inspect(frame)?)
    }

    fn bundle(&self) -> Arc<str> {
        Arc::clone(self.identity())
    }

    fn geometry(&self) -> Option<&InputGeometry> {
        Some(Inspector::geometry(self))
    }

    fn heat_map(&mut self) -> Option<&HeatMap> {
        Some(self.heat())
    }
}
