//! A station's own normalisation and threshold, from good parts in its own light, and when to refuse them: parts of
//! another product, or a camera that was moved.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::inspector::Inspector;
use crate::ownership::share_file;
use crate::score::Branch;
use crate::score::conformal::Conformal;
use crate::score::decision::{Decision, Voice};
use crate::score::registration::Pose;
use crate::score::scorer::RawScores;
use crate::score::trimmed_z::{TrimmedZ, quantile};
use crate::whole_file::WholeFile;

/// Fewer parts say nothing about a spread.
pub const FEWEST: usize = 20;
/// In the bundle's own standard deviations: further off than this half of the parts look like no part of this product.
const STRANGE: f64 = 12.0;
/// A shift of this share of the picture, or this turn, of half of the parts is the camera's.
const MOVED_SHARE: f64 = 0.05;
const TURNED_DEGREES: f64 = 4.0;
/// No station file is larger.
const MAX_BYTES: u64 = 4 << 20;

#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    #[error(
        "{found} usable parts are too few to calibrate on, {needed} are needed: let more good parts pass"
    )]
    TooFew { found: usize, needed: usize },
    #[error(
        "the parts don't look like this bundle's product, by {strange} of {voices} branches ({worst} by {off:.0} standard deviations): check that the right bundle and good parts are on the line, then its light and lens"
    )]
    WrongProduct {
        strange: usize,
        voices: usize,
        worst: Branch,
        off: f64,
    },
    #[error(
        "the parts are shifted by {shift_percent:.0} % of the picture and turned by {degrees:.0}° against those the bundle was trained on: the camera was moved, put it back or train on pictures from here"
    )]
    CameraMoved { shift_percent: f64, degrees: f64 },
    #[error(
        "the parts differ from the bundle's in {branch} by {off:.0} standard deviations, more than a change of light explains: look at parts, light and camera, or train on pictures from here"
    )]
    Strange { branch: Branch, off: f64 },
    #[error("the calibration {} can't be read ({reason}): calibrate again with `aecsad calibrate`", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("the calibration {} can't be read ({source}): give the station's user read permission on it", path.display())]
    Forbidden {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("`bundle.calibration` is the file {}, which has no effect with `bundle.slots`: name a folder, with one PRODUCT.toml for each product", .0.display())]
    NotAFolder(PathBuf),
    #[error("`bundle.calibration` is the folder {}, which has no effect with `bundle.path`: name the file that `aecsad calibrate` writes", .0.display())]
    NotAFile(PathBuf),
    #[error("the calibration {} is for {calibrated}, but the bundle is {bundle}: calibrate again with `aecsad calibrate`, or move the file away to work with the bundle's own threshold until then", path.display())]
    OtherBundle {
        path: PathBuf,
        calibrated: String,
        bundle: String,
    },
}

/// What `aecsad calibrate` writes, as TOML.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Product and version of the bundle.
    pub bundle: String,
    /// By this machine's clock, RFC 3339; files of earlier versions don't say.
    #[serde(default)]
    pub made: Option<String>,
    pub parts: u32,
    pub false_reject_rate: f64,
    pub threshold: f32,
    /// Fused scores of the parts, ascending.
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

/// What one good part looked like.
pub struct Sample {
    pub raw: RawScores,
    pub pose: Pose,
}

impl Calibration {
    /// Fits scale and threshold to good parts, or says why they are not this bundle's.
    pub fn fit(
        bundle: &str,
        decision: &Decision,
        samples: &[Sample],
        rate: f64,
    ) -> Result<Self, CalibrationError> {
        let needed = FEWEST.max(Conformal::needed(rate));
        let whole = |sample: &&Sample| {
            decision
                .voices
                .iter()
                .all(|v| sample.raw[v.branch as usize].is_some_and(f32::is_finite))
        };
        let samples: Vec<&Sample> = samples.iter().filter(whole).collect();
        if samples.len() < needed {
            let found = samples.len();
            return Err(CalibrationError::TooFew { found, needed });
        }
        refuse_moved(&samples)?;
        refuse_strange(decision, &samples)?;
        let mut fitted = decision.clone();
        let mut branches = Vec::new();
        for voice in &mut fitted.voices {
            voice.z = TrimmedZ::fit(&column(&samples, voice.branch));
            branches.push(BranchScale {
                name: voice.branch,
                mean: voice.z.mean,
                std: voice.z.std,
            });
        }
        let scores = samples
            .iter()
            .map(|sample| fitted.judge(&sample.raw).score)
            .collect();
        let conformal = Conformal::new(scores);
        let found = samples.len();
        let threshold = conformal
            .threshold(rate)
            .ok_or(CalibrationError::TooFew { found, needed })?;
        Ok(Calibration {
            bundle: bundle.into(),
            made: None,
            parts: samples.len() as u32,
            false_reject_rate: rate,
            threshold,
            scores: conformal.scores().to_vec(),
            branches,
        })
    }

    /// The bundle's decision with this station's scale and threshold.
    pub fn apply(&self, decision: &Decision) -> Option<Decision> {
        let rescaled = |voice: &Voice| {
            let scale = self.branches.iter().find(|b| b.name == voice.branch)?;
            let usable = scale.mean.is_finite() && scale.std.is_finite() && scale.std > 0.0;
            usable.then_some(Voice {
                z: TrimmedZ {
                    mean: scale.mean,
                    std: scale.std,
                },
                ..*voice
            })
        };
        let voices = decision
            .voices
            .iter()
            .map(rescaled)
            .collect::<Option<_>>()?;
        let usable = self.threshold.is_finite() && self.scores.iter().all(|s| s.is_finite());
        usable.then(|| Decision {
            voices,
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
        let text = read_text(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::PermissionDenied => CalibrationError::Forbidden {
                path: path.into(),
                source: error,
            },
            _ => unreadable(error.to_string()),
        })?;
        let calibration: Calibration =
            toml::from_str(&text).map_err(|e| unreadable(e.message().replace('\n', " ")))?;
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

    /// What a person wants to know of it.
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

/// By which scale and threshold a station judges.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// The station file asks for no other.
    Bundle { threshold: f32 },
    /// The station's own, described.
    Calibrated(String),
    /// The station file asks for its own, but for this reason it is the bundle's.
    Awaited { threshold: f32, why: String },
}

impl Standing {
    /// Of a station file that names this place for the bundle's calibration, but there is none yet.
    pub fn awaited(place: &Path, threshold: f32) -> Self {
        let why = format!(
            "there is no calibration {} yet: run `aecsad calibrate`",
            place.display()
        );
        Standing::Awaited { threshold, why }
    }
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Standing::Bundle { threshold } => {
                write!(f, "the bundle's own, threshold {threshold:.3}")
            }
            Standing::Calibrated(described) => f.write_str(described),
            Standing::Awaited { threshold, why } => write!(
                f,
                "{why}; until then the bundle's own scale and threshold {threshold:.3} count"
            ),
        }
    }
}

/// Lets the inspector judge by the calibration in this file.
pub fn apply(path: &Path, inspector: &mut Inspector) -> Result<Standing, CalibrationError> {
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
    Ok(Standing::Calibrated(calibration.describe(path, own)))
}

fn read_text(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let mut file = std::fs::File::open(path)?.take(MAX_BYTES + 1);
    file.read_to_string(&mut text)?;
    match text.len() as u64 > MAX_BYTES {
        true => Err(std::io::Error::other(format!(
            "it has more than {MAX_BYTES} bytes"
        ))),
        false => Ok(text),
    }
}

fn column(samples: &[&Sample], branch: Branch) -> Vec<f32> {
    samples
        .iter()
        .filter_map(|s| s.raw[branch as usize])
        .collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    quantile(&values, 0.5)
}

fn refuse_moved(samples: &[&Sample]) -> Result<(), CalibrationError> {
    let of_poses = |value: fn(&Pose) -> f32| {
        median(samples.iter().map(|s| f64::from(value(&s.pose))).collect())
    };
    let (x, y) = (of_poses(|p| p.shift_x), of_poses(|p| p.shift_y));
    let shift = x.hypot(y);
    let degrees = of_poses(|p| p.turn).to_degrees();
    if shift > MOVED_SHARE || degrees.abs() > TURNED_DEGREES {
        return Err(CalibrationError::CameraMoved {
            shift_percent: shift * 100.0,
            degrees,
        });
    }
    Ok(())
}

fn refuse_strange(decision: &Decision, samples: &[&Sample]) -> Result<(), CalibrationError> {
    let off = |voice: &Voice| {
        let z = column(samples, voice.branch)
            .into_iter()
            .map(|s| f64::from(voice.z.apply(s)));
        (voice.branch, median(z.collect()))
    };
    let off: Vec<(Branch, f64)> = decision.voices.iter().map(off).collect();
    let strange = off.iter().filter(|(_, off)| *off > STRANGE).count();
    let Some(&(worst, most)) = off.iter().max_by(|a, b| a.1.total_cmp(&b.1)) else {
        return Ok(());
    };
    if strange == 0 {
        return Ok(());
    }
    if strange * 2 > off.len() {
        return Err(CalibrationError::WrongProduct {
            strange,
            voices: off.len(),
            worst,
            off: most,
        });
    }
    Err(CalibrationError::Strange {
        branch: worst,
        off: most,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRANCHES: [Branch; 3] = [Branch::Layout, Branch::Position, Branch::Pooled];

    fn decision() -> Decision {
        let voice = |branch| Voice {
            branch,
            weight: 1.0,
            z: TrimmedZ {
                mean: 10.0,
                std: 1.0,
            },
        };
        Decision {
            voices: BRANCHES.into_iter().map(voice).collect(),
            threshold: 9.0,
            calibration: Conformal::new(vec![0.0]),
        }
    }

    /// Good parts whose scores lie `off` above the bundle's, by branch.
    fn samples(count: usize, off: [f32; 3], pose: &Pose) -> Vec<Sample> {
        let mut rng = fastrand::Rng::with_seed(5);
        let sample = |_| {
            let mut raw: RawScores = Default::default();
            for (branch, off) in BRANCHES.into_iter().zip(off) {
                raw[branch as usize] = Some(10.0 + off + rng.f32() * 2.0);
            }
            Sample { raw, pose: *pose }
        };
        (0..count).map(sample).collect()
    }

    fn fit(samples: &[Sample]) -> Result<Calibration, CalibrationError> {
        Calibration::fit("bottle 3", &decision(), samples, 0.05)
    }

    #[test]
    fn another_light_is_fitted_and_keeps_its_promise() {
        let still = Pose::default();
        let parts = samples(200, [3.0, 0.0, 5.0], &still);
        let calibration = fit(&parts).unwrap();
        let fitted = calibration.apply(&decision()).unwrap();
        let rejected = |decision: &Decision| {
            parts
                .iter()
                .filter(|s| decision.judge(&s.raw).reject)
                .count()
        };
        assert!(rejected(&decision()) > 100);
        assert!(rejected(&fitted) <= 10);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calibration.toml");
        calibration.write(&path).unwrap();
        assert_eq!(Calibration::read(&path, "bottle 3").unwrap(), calibration);
        let error = Calibration::read(&path, "bottle 4")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("is for bottle 3, but the bundle is bottle 4"),
            "{error}"
        );
        std::fs::write(&path, "threshold = 1").unwrap();
        assert!(matches!(
            Calibration::read(&path, "bottle 3"),
            Err(CalibrationError::Unreadable { .. })
        ));
    }

    #[test]
    fn what_is_not_this_station_s_is_refused_with_its_reason() {
        let still = Pose::default();
        assert!(matches!(
            fit(&samples(19, [0.0; 3], &still)),
            Err(CalibrationError::TooFew {
                found: 19,
                needed: 20
            })
        ));
        assert!(matches!(
            fit(&samples(50, [90.0; 3], &still)),
            Err(CalibrationError::WrongProduct { strange: 3, .. })
        ));
        assert!(matches!(
            fit(&samples(50, [0.0, 40.0, 0.0], &still)),
            Err(CalibrationError::Strange {
                branch: Branch::Position,
                ..
            })
        ));
        let shifted = Pose {
            shift_x: 0.1,
            ..Pose::default()
        };
        assert!(matches!(
            fit(&samples(50, [0.0; 3], &shifted)),
            Err(CalibrationError::CameraMoved { .. })
        ));
    }
}
