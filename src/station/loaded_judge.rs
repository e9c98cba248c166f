//! A judge made from a bundle: an inspector with the station's region, and with the station's own scale and threshold
//! where it has them for this bundle.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use aecsad_inspect::branches::shared::heat::HeatMap;
use aecsad_inspect::bundle::Bundle;
use aecsad_inspect::frame::{Frame, Size};
use aecsad_inspect::inspector::{Inspector, InspectorError, Verdict};
use aecsad_inspect::network::NetworkError;
use aecsad_inspect::optics::{InputGeometry, ViewedRegion};

use super::JudgeError;
use super::config::{CameraConfig, StationConfig};
use super::line_calibration::Renewal;
use super::standby::Standby;
use super::{Judge, expectation};
use crate::calibration::{self, CalibrationError, CalibrationPart, CalibrationStatus};
use crate::engines::{EngineChoice, Engines};

/// A judge made from a bundle, and the ascending scores of the good parts that its threshold was set on.
pub struct LoadedJudge {
    pub judge: Box<dyn Judge>,
    /// `[parts]`, fused scores.
    pub calibration: Vec<f32>,
    /// What the operator should know although it judges.
    pub warning: Option<String>,
    /// What is looked at, in words; none where all of each frame is.
    pub viewed_region: Option<String>,
}

/// Makes a bundle ready to judge.
pub type Load<'a> = &'a (dyn Fn(&Bundle) -> Result<LoadedJudge, JudgeError> + Sync);

struct CalibratedInspector {
    inspector: Inspector,
    engine: EngineChoice,
    standby: Standby,
    calibration_status: CalibrationStatus,
    /// Before the calibration was read.
    loaded: Instant,
}

impl LoadedJudge {
    pub fn from_bundle(
        bundle: &Bundle,
        config: &StationConfig,
        engines: &Engines,
    ) -> Result<Self, JudgeError> {
        let (mut inspector, mut engine) = engines.inspector(bundle, config.region)?;
        let standby = Standby::for_inspector(&inspector, bundle, config);
        if let Standby::Unfit(why) = &standby {
            engine.alone = Some(why.clone());
        }
        if let CameraConfig::V4l2(camera) = &config.camera {
            // A camera never sends frames of another size than the station file's.
            let (width, height) = (camera.width, camera.height);
            let viewed_region = ViewedRegion::of(config.region, inspector.geometry());
            let region = viewed_region.region_in(Size { width, height });
            region.map_err(InspectorError::Optics)?;
        }
        let own = inspector.decision().threshold;
        let loaded = Instant::now();
        let calibration_status = match config.bundle.calibration_place(&bundle.manifest.product)? {
            None => CalibrationStatus::Bundle { threshold: own },
            Some(place) => match calibration::apply(&place, &mut inspector) {
                Ok(status) => status,
                Err(CalibrationError::Unreadable { .. }) if !is_there(&place) => {
                    CalibrationStatus::awaited(&place, own)
                }
                // A new version of the product is tried with the bundle's own scale and threshold.
                Err(error @ CalibrationError::OtherBundle { .. }) if config.bundle.has_slots() => {
                    CalibrationStatus::Awaited {
                        threshold: own,
                        why: error.to_string(),
                    }
                }
                Err(error) => return Err(error.into()),
            },
        };
        let mut warnings = Vec::new();
        if let CalibrationStatus::Awaited { .. } = &calibration_status {
            warnings.push(calibration_status.to_string());
        }
        if config.bundle.has_slots() {
            let geometry = Some(inspector.geometry());
            warnings.extend(expectation::differences(config, geometry));
        }
        Ok(LoadedJudge {
            viewed_region: expectation::viewed_region(config, Some(inspector.geometry())),
            warning: (!warnings.is_empty()).then(|| warnings.join("; ")),
            calibration: inspector.decision().calibration.scores().to_vec(),
            judge: Box::new(CalibratedInspector {
                inspector,
                engine,
                standby,
                calibration_status,
                loaded,
            }),
        })
    }
}

/// Whether the path exists, also as a broken link.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

impl CalibratedInspector {
    /// Lets the CPU go on with the next part, if it may.
    fn after_fault(&mut self, source: InspectorError) -> JudgeError {
        let next = match std::mem::replace(&mut self.standby, Standby::Unneeded) {
            Standby::Unneeded => return source.into(),
            Standby::Ready(mut cpu) => {
                cpu.decide_by(self.inspector.decision().clone());
                self.inspector = *cpu;
                self.engine = EngineChoice {
                    why_not: Some("it failed on this line".to_owned()),
                    ..EngineChoice::requested_cpu()
                };
                "the CPU goes on with the next part; restart the station to use the GPU again"
                    .to_owned()
            }
            Standby::Unfit(why) => {
                let next = format!("the CPU can't take over ({why}), restart the station");
                self.standby = Standby::Unfit(why);
                next
            }
        };
        let source = Box::new(source);
        JudgeError::GpuFailed { source, next }
    }
}

impl Judge for CalibratedInspector {
    fn judge(&mut self, frame: &Frame) -> Result<Verdict, JudgeError> {
        let judged = self.inspector.inspect(frame);
        judged.map_err(|error| match error {
            InspectorError::Network(NetworkError::Run { .. }) => self.after_fault(error),
            error => error.into(),
        })
    }

    fn engine(&self) -> Option<&EngineChoice> {
        Some(&self.engine)
    }

    fn bundle(&self) -> Arc<str> {
        self.inspector.bundle()
    }

    fn geometry(&self) -> Option<&InputGeometry> {
        Some(self.inspector.geometry())
    }

    fn calibration_status(&self) -> Option<&CalibrationStatus> {
        Some(&self.calibration_status)
    }

    fn heat_map(&mut self) -> Option<&HeatMap> {
        self.inspector.heat_map()
    }

    fn calibration_part(&self, seen: &mut Frame) -> Option<CalibrationPart> {
        self.inspector.copy_seen_to(seen);
        Some(CalibrationPart {
            raw: *self.inspector.latest_raw_scores(),
            pose: self.inspector.pose(),
        })
    }

    fn recalibrate(&mut self, renewal: &Renewal) {
        if *renewal.bundle == **self.inspector.identity() && renewal.at > self.loaded {
            self.inspector.decide_by(renewal.decision.clone());
            self.calibration_status = renewal.status.clone();
        }
    }
}
