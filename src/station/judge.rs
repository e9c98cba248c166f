//! What gives a verdict on a frame, and why it can't.

use std::sync::Arc;

use aecsad_inspect::branches::shared::heat::HeatMap;
use aecsad_inspect::bundle::BundleError;
use aecsad_inspect::frame::Frame;
use aecsad_inspect::inspector::{Inspector, InspectorError, Verdict};
use aecsad_inspect::optics::InputGeometry;

use crate::calibration::{CalibrationError, Standing};
use crate::camera::CameraError;
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
    /// There is no frame to judge.
    #[error(transparent)]
    Camera(#[from] CameraError),
    #[error(
        "the engine broke off in the middle of a frame: verify the bundle with `aecsad verify`"
    )]
    EngineBrokeOff,
}

/// Whatever gives a verdict on a frame.
pub trait Judge: Send {
    fn judge(&mut self, frame: &Frame) -> Result<Verdict, JudgeError>;

    /// Which bundle judged the last frame, as the journal names it.
    fn bundle(&self) -> Arc<str> {
        Arc::default()
    }

    /// What its bundle expects of the frames, if it knows.
    fn geometry(&self) -> Option<&InputGeometry> {
        None
    }

    /// By which scale and threshold it judges, if it is a station's.
    fn standing(&self) -> Option<&Standing> {
        None
    }

    /// Where the last judged frame is strange, if the judge can say.
    fn heatmap(&mut self) -> Option<Heatmap<'_>>;
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

    fn heatmap(&mut self) -> Option<Heatmap<'_>> {
        Some(Heatmap {
            width: HeatMap::SIDE as u32,
            height: HeatMap::SIDE as u32,
            values: &self.heat().values,
        })
    }
}

/// A map over the frame, row by row, on the scale of [`HeatMap`]: about 0 is an ordinary place of a good part.
#[derive(Clone, Copy, Debug)]
pub struct Heatmap<'a> {
    pub width: u32,
    pub height: u32,
    pub values: &'a [f32],
}
