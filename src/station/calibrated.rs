//! An inspector that judges by the station's own scale and threshold, where the station has them for its bundle.

use std::path::Path;
use std::sync::Arc;

use aecsad_inspect::bundle::Bundle;
use aecsad_inspect::frame::Frame;
use aecsad_inspect::inspector::{Inspector, Verdict};
use aecsad_inspect::optics::InputGeometry;

use super::JudgeError;
use super::changeover::Loaded;
use super::config::StationConfig;
use super::{Heatmap, Judge, expectation};
use crate::calibration::{self, CalibrationError, Standing};

struct Calibrated {
    inspector: Inspector,
    standing: Standing,
}

impl Loaded {
    /// The real thing: an inspector of the station's region, with the station's own scale and threshold if it has them.
    pub fn inspector(bundle: &Bundle, config: &StationConfig) -> Result<Self, JudgeError> {
        let mut inspector = Inspector::from_bundle(bundle, config.region)?;
        let own = inspector.decision().threshold;
        let standing = match config.bundle.calibration_place(&bundle.manifest.product)? {
            None => Standing::Bundle { threshold: own },
            Some(place) => match calibration::apply(&place, &mut inspector) {
                Ok(standing) => standing,
                Err(CalibrationError::Unreadable { .. }) if !is_there(&place) => {
                    Standing::awaited(&place, own)
                }
                // A new version of the product: the trial goes on with what the bundle brings.
                Err(error @ CalibrationError::OtherBundle { .. }) if config.bundle.has_slots() => {
                    Standing::Awaited {
                        threshold: own,
                        why: error.to_string(),
                    }
                }
                Err(error) => return Err(error.into()),
            },
        };
        let mut warnings = Vec::new();
        if let Standing::Awaited { .. } = &standing {
            warnings.push(standing.to_string());
        }
        if config.bundle.has_slots() {
            let geometry = Some(inspector.geometry());
            warnings.extend(expectation::differences(config, geometry));
        }
        Ok(Loaded {
            warning: (!warnings.is_empty()).then(|| warnings.join("; ")),
            calibration: inspector.decision().calibration.scores().to_vec(),
            judge: Box::new(Calibrated {
                inspector,
                standing,
            }),
        })
    }
}

/// Not even a link that leads nowhere.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

impl Judge for Calibrated {
    fn judge(&mut self, frame: &Frame) -> Result<Verdict, JudgeError> {
        self.inspector.judge(frame)
    }

    fn bundle(&self) -> Arc<str> {
        self.inspector.bundle()
    }

    fn geometry(&self) -> Option<&InputGeometry> {
        Some(self.inspector.geometry())
    }

    fn standing(&self) -> Option<&Standing> {
        Some(&self.standing)
    }

    fn heatmap(&mut self) -> Option<Heatmap<'_>> {
        self.inspector.heatmap()
    }
}
