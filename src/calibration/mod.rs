//! A station's own normalisation and threshold, from good parts in its own light: collecting parts, fitting, and the
//! file that stores the result.

pub mod collect;
mod error;
mod fit;
pub mod task;
pub mod warnings;

use std::io::Write;
use std::path::{Path, PathBuf};

use aecsad_inspect::branches::Branch;
use aecsad_inspect::decision::conformal::Conformal;
use aecsad_inspect::decision::trimmed_z::TrimmedZ;
use aecsad_inspect::decision::{Decision, WeightedBranch};
use aecsad_inspect::inspector::Inspector;
use aecsad_program::text_file::{self, TextError};
use aecsad_program::whole_file::WholeFile;
use serde::{Deserialize, Serialize};

use crate::ownership::share_file;
pub use error::CalibrationError;
pub use fit::{Bundled, CalibrationPart, FEWEST, Fit, OUTLIER_OF, outliers};

/// The largest calibration file.
const MAX_BYTES: u64 = 4 << 20;

/// The file that `aecsad calibrate` writes, as TOML.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Product and version of the bundle.
    pub bundle: String,
    /// The time by this machine's clock, RFC 3339; files of earlier versions lack it.
    #[serde(default)]
    pub made: Option<String>,
    pub parts: u32,
    pub false_reject_rate: f64,
    pub threshold: f32,
    /// Fused scores of the parts, `[parts]`, in ascending order.
    pub scores: Vec<f32>,
    pub branches: Vec<BranchScale>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BranchScale {
    pub name: Branch,
    pub mean: f32,
    pub std: f32,
}

impl Calibration {
    /// The bundle's decision with this station's scale and threshold.
    pub fn apply(&self, decision: &Decision) -> Option<Decision> {
        let rescaled = |weighted: &WeightedBranch| {
            let scale = self.branches.iter().find(|b| b.name == weighted.branch)?;
            let usable = scale.mean.is_finite() && scale.std.is_finite() && scale.std > 0.0;
            usable.then_some(WeightedBranch {
                z: TrimmedZ {
                    mean: scale.mean,
                    std: scale.std,
                },
                ..*weighted
            })
        };
        let branches = decision
            .branches
            .iter()
            .map(rescaled)
            .collect::<Option<_>>()?;
        let usable = self.threshold.is_finite() && self.scores.iter().all(|s| s.is_finite());
        usable.then(|| Decision {
            branches,
            threshold: self.threshold,
            calibration: Conformal::new(self.scores.clone()),
        })
    }

    /// Reads a calibration for this bundle.
    pub fn read(path: &Path, bundle: &str) -> Result<Self, CalibrationError> {
        let unreadable = |reason: String| CalibrationError::Unreadable {
            path: path.into(),
            reason,
        };
        let text = text_file::read(path, MAX_BYTES).map_err(|error| match error {
            TextError::Unreadable(source)
                if source.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                CalibrationError::Forbidden {
                    path: path.into(),
                    source,
                }
            }
            error => unreadable(error.to_string()),
        })?;
        let calibration: Calibration =
            text_file::toml(&text).map_err(|e| unreadable(e.to_string()))?;
        if calibration.bundle != bundle {
            return Err(CalibrationError::OtherBundle {
                path: path.into(),
                calibrated: calibration.bundle,
                bundle: bundle.into(),
            });
        }
        Ok(calibration)
    }

    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let text = toml::to_string(self).map_err(std::io::Error::other)?;
        let mut file = WholeFile::create(path)?;
        writeln!(
            file,
            "# Written by aecsad calibrate; the station file names it as bundle.calibration."
        )?;
        file.write_all(text.as_bytes())?;
        file.commit_durably()?;
        share_file(path)
    }

    /// Describes the calibration in a sentence.
    pub fn describe(&self, path: &Path, own_threshold: f32) -> String {
        let made = match &self.made {
            Some(made) => format!("made {made}"),
            None => "made at an unknown time".into(),
        };
        format!(
            "{}, {made} from {} parts, {:.1} % of good parts rejected, threshold {:.3} (the bundle's own is {own_threshold:.3})",
            path.display(),
            self.parts,
            self.false_reject_rate * 100.0,
            self.threshold
        )
    }
}

/// The scale and threshold that a station judges by.
#[derive(Clone, Debug, PartialEq)]
pub enum CalibrationStatus {
    /// The bundle's own; the station file names no calibration.
    Bundle { threshold: f32 },
    /// The station's own, described.
    Calibrated(String),
    /// The bundle's, because the calibration that the station file names can't be used yet; `why` gives the reason.
    Awaited { threshold: f32, why: String },
}

impl CalibrationStatus {
    /// For a calibration file that does not exist yet.
    pub fn awaited(place: &Path, threshold: f32) -> Self {
        let why = format!(
            "there is no calibration {} yet: run `aecsad calibrate`",
            place.display()
        );
        CalibrationStatus::Awaited { threshold, why }
    }
}

impl std::fmt::Display for CalibrationStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CalibrationStatus::Bundle { threshold } => {
                write!(f, "the bundle's own, threshold {threshold:.3}")
            }
            CalibrationStatus::Calibrated(described) => f.write_str(described),
            CalibrationStatus::Awaited { threshold, why } => write!(
                f,
                "{why}; until then the bundle's own scale and threshold {threshold:.3} count"
            ),
        }
    }
}

/// Where the picture of its parts goes; none if the calibration itself would be overwritten by it.
pub fn picture_beside(calibration: &Path) -> Option<PathBuf> {
    let picture = calibration.with_extension("png");
    (picture != calibration).then_some(picture)
}

/// Applies the calibration in this file to the inspector.
pub fn apply(
    path: &Path,
    inspector: &mut Inspector,
) -> Result<CalibrationStatus, CalibrationError> {
    let own = inspector.decision().threshold;
    let calibration = Calibration::read(path, inspector.identity())?;
    let decision =
        calibration
            .apply(inspector.decision())
            .ok_or_else(|| CalibrationError::Unreadable {
                path: path.into(),
                reason: "it lacks a branch of the bundle, or holds a number that is none".into(),
            })?;
    inspector.decide_by(decision);
    Ok(CalibrationStatus::Calibrated(
        calibration.describe(path, own),
    ))
}
