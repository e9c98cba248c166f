//! Fits scale and threshold to good parts. Refuses parts of another product, of a moved camera, or with bad parts among
//! them.

use aecsad_inspect::branches::Branch;
use aecsad_inspect::branches::scorer::RawScores;
use aecsad_inspect::branches::shared::registration::Pose;
use aecsad_inspect::bundle::Bundle;
use aecsad_inspect::decision::conformal::Conformal;
use aecsad_inspect::decision::outliers;
use aecsad_inspect::decision::planted_scores::{DetectionRate, PlantedScores};
use aecsad_inspect::decision::trimmed_z::{TrimmedZ, quantile};
use aecsad_inspect::decision::{Decision, WeightedBranch};
use aecsad_inspect::inspector::{InspectorError, decision_of, planted_of};

use super::{BranchScale, Calibration, CalibrationError};

/// The fewest parts that a spread can be estimated from.
pub const FEWEST: usize = 20;
/// If half of the parts are further off than this, in the bundle's own standard deviations, they are of another
/// product.
const FAR_OFF: f64 = 12.0;
/// If half of the parts are shifted by this share of the picture, or turned by this angle, the camera was moved.
const MOVED_SHARE: f64 = 0.05;
const TURNED_DEGREES: f64 = 4.0;

/// The raw scores and the pose of one good part.
#[derive(Clone, Copy, Debug)]
pub struct CalibrationPart {
    pub raw: RawScores,
    pub pose: Pose,
}

/// A calibration, with what the operator should know about the fit.
pub struct Fit {
    pub calibration: Calibration,
    /// Samples that lie far off all others and were left out, by index.
    pub left_out: Vec<usize>,
    /// Planted anomalies that the calibration rejects, and those that the bundle's own scale and threshold reject; none
    /// for a bundle that doesn't carry them.
    pub planted: Option<(DetectionRate, DetectionRate)>,
}

/// What of a bundle a calibration is fitted for.
#[derive(Clone, Debug)]
pub struct Bundled {
    /// Product and version.
    pub identity: String,
    pub decision: Decision,
    pub planted: Option<PlantedScores>,
}

impl Bundled {
    pub fn of(bundle: &Bundle) -> Result<Self, InspectorError> {
        let decision = decision_of(bundle)?;
        Ok(Bundled {
            identity: format!("{} {}", bundle.manifest.product, bundle.manifest.version),
            planted: planted_of(bundle, &decision)?,
            decision,
        })
    }
}

/// More than one outlier in this many parts refuses the calibration.
pub const OUTLIER_OF: usize = 10;

/// Indices of the samples that lie far off all others. Samples that can't be scored are not included. Outliers widen
/// the scale that the others are measured by, so the rest is checked again until none is far off.
pub fn outliers(decision: &Decision, samples: &[CalibrationPart]) -> Vec<usize> {
    let mut kept = usable(decision, samples);
    let mut far = Vec::new();
    loop {
        let of_kept: Vec<&CalibrationPart> = kept.iter().map(|i| &samples[*i]).collect();
        let scores = scores(&rescaled(decision, &of_kept), &of_kept);
        let limit = outliers::limit(&scores, outliers::FAR).unwrap_or(f32::INFINITY);
        let before = far.len();
        let scored = kept.iter().zip(scores);
        far.extend(
            scored
                .filter(|(_, score)| *score > limit)
                .map(|(sample, _)| *sample),
        );
        if far.len() == before {
            far.sort_unstable();
            return far;
        }
        kept.retain(|sample| !far.contains(sample));
    }
}

fn usable(decision: &Decision, samples: &[CalibrationPart]) -> Vec<usize> {
    let whole = |sample: &usize| {
        let raw = &samples[*sample].raw;
        let mut branches = decision.branches.iter();
        branches.all(|weighted| raw[weighted.branch as usize].is_some_and(f32::is_finite))
    };
    (0..samples.len()).filter(whole).collect()
}

/// The decision with the scale of these parts. A branch with the same score for all of them keeps the bundle's
/// deviation.
fn rescaled(decision: &Decision, samples: &[&CalibrationPart]) -> Decision {
    let mut fitted = decision.clone();
    for weighted in &mut fitted.branches {
        let column = column(samples, weighted.branch);
        let own = weighted.z.std;
        weighted.z = TrimmedZ::fit(&column).unwrap_or_else(|| TrimmedZ {
            mean: median(column.into_iter().map(f64::from).collect()) as f32,
            std: own,
        });
    }
    fitted
}

fn scores(decision: &Decision, samples: &[&CalibrationPart]) -> Vec<f32> {
    let scores = samples
        .iter()
        .map(|sample| decision.judge(&sample.raw).score);
    scores.collect()
}

impl Calibration {
    /// Fits scale and threshold to good parts; the error says why they do not fit this bundle. Parts that lie far off
    /// all others are left out unless `keep_outliers`.
    pub fn fit(
        bundle: &Bundled,
        samples: &[CalibrationPart],
        rate: f64,
        keep_outliers: bool,
    ) -> Result<Fit, CalibrationError> {
        let decision = &bundle.decision;
        let left_out = match keep_outliers {
            true => Vec::new(),
            false => outliers(decision, samples),
        };
        let mut kept = usable(decision, samples);
        if kept.len() < FEWEST {
            let (found, needed) = (kept.len(), FEWEST);
            return Err(CalibrationError::TooFew { found, needed });
        }
        if left_out.len() * OUTLIER_OF > samples.len() {
            return Err(CalibrationError::TooManyOutliers {
                outliers: left_out.len(),
                parts: samples.len(),
            });
        }
        kept.retain(|sample| !left_out.contains(sample));
        let kept: Vec<&CalibrationPart> = kept.into_iter().map(|sample| &samples[sample]).collect();
        refuse_moved(&kept)?;
        refuse_far_off(decision, &kept)?;
        let mut fitted = rescaled(decision, &kept);
        fitted.calibration = Conformal::new(scores(&fitted, &kept));
        fitted.threshold = fitted
            .calibration
            .threshold(rate)
            .ok_or(CalibrationError::TooFew {
                found: kept.len(),
                needed: Conformal::needed(rate),
            })?;
        let planted = bundle.planted.as_ref().map(|planted| {
            let own = planted.caught(decision, decision);
            (planted.caught(&fitted, decision), own)
        });
        if let Some((here, own)) = planted
            && here.is_next_to_none()
            && !own.is_next_to_none()
        {
            let threshold = fitted.threshold;
            return Err(CalibrationError::Blind {
                threshold,
                here,
                own,
            });
        }
        let branches = fitted.branches.iter().map(|weighted| BranchScale {
            name: weighted.branch,
            mean: weighted.z.mean,
            std: weighted.z.std,
        });
        let calibration = Calibration {
            bundle: bundle.identity.clone(),
            made: None,
            parts: kept.len() as u32,
            false_reject_rate: rate,
            threshold: fitted.threshold,
            scores: fitted.calibration.scores().to_vec(),
            branches: branches.collect(),
        };
        Ok(Fit {
            calibration,
            left_out,
            planted,
        })
    }
}

fn column(samples: &[&CalibrationPart], branch: Branch) -> Vec<f32> {
    samples
        .iter()
        .filter_map(|s| s.raw[branch as usize])
        .collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    quantile(&values, 0.5)
}

fn refuse_moved(samples: &[&CalibrationPart]) -> Result<(), CalibrationError> {
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

fn refuse_far_off(
    decision: &Decision,
    samples: &[&CalibrationPart],
) -> Result<(), CalibrationError> {
    let off = |weighted: &WeightedBranch| {
        let z = column(samples, weighted.branch)
            .into_iter()
            .map(|s| f64::from(weighted.z.apply(s)));
        (weighted.branch, median(z.collect()))
    };
    let off: Vec<(Branch, f64)> = decision.branches.iter().map(off).collect();
    let far_off = off.iter().filter(|(_, off)| *off > FAR_OFF).count();
    let Some(&(worst, most)) = off.iter().max_by(|a, b| a.1.total_cmp(&b.1)) else {
        return Ok(());
    };
    if far_off == 0 {
        return Ok(());
    }
    if far_off * 2 > off.len() {
        return Err(CalibrationError::WrongProduct {
            far_off,
            branches: off.len(),
            worst,
            off: most,
        });
    }
    Err(CalibrationError::FarOff {
        branch: worst,
        off: most,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRANCHES: [Branch; 3] = [Branch::Layout, Branch::Position, Branch::Pooled];

    fn decision() -> Decision {
        let weighted = |branch| WeightedBranch {
            branch,
            weight: 1.0,
            z: TrimmedZ {
                mean: 10.0,
                std: 1.0,
            },
        };
        Decision {
            branches: BRANCHES.into_iter().map(weighted).collect(),
            threshold: 9.0,
            calibration: Conformal::new(vec![0.0]),
        }
    }

    /// Good parts whose scores lie `off` above the bundle's, by branch.
    fn samples(count: usize, off: [f32; 3], pose: &Pose) -> Vec<CalibrationPart> {
        let mut rng = fastrand::Rng::with_seed(5);
        let sample = |_| {
            let mut raw: RawScores = Default::default();
            for (branch, off) in BRANCHES.into_iter().zip(off) {
                raw[branch as usize] = Some(10.0 + off + rng.f32() * 2.0);
            }
            CalibrationPart { raw, pose: *pose }
        };
        (0..count).map(sample).collect()
    }

    fn fit(samples: &[CalibrationPart]) -> Result<Fit, CalibrationError> {
        let bundle = Bundled {
            identity: "bottle 3".into(),
            decision: decision(),
            planted: None,
        };
        Calibration::fit(&bundle, samples, 0.05, false)
    }

    #[test]
    fn another_light_is_fitted_and_keeps_its_promise() {
        let still = Pose::default();
        let parts = samples(200, [3.0, 0.0, 5.0], &still);
        let calibration = fit(&parts).unwrap().calibration;
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
            Err(CalibrationError::WrongProduct { far_off: 3, .. })
        ));
        assert!(matches!(
            fit(&samples(50, [0.0, 40.0, 0.0], &still)),
            Err(CalibrationError::FarOff {
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

    #[test]
    fn a_threshold_beyond_nearly_all_planted_anomalies_is_refused() {
        let own = decision();
        let z = ndarray::Array2::from_elem((40, BRANCHES.len()), 5.0);
        let planted = PlantedScores::new(z, &own).unwrap();
        let bundle = Bundled {
            identity: "bottle 3".into(),
            decision: own,
            planted: Some(planted),
        };
        let mut parts = samples(40, [0.0; 3], &Pose::default());
        let fitted = Calibration::fit(&bundle, &parts, 0.05, true).unwrap();
        assert_eq!(fitted.planted.unwrap().0.rejected, 40);
        // Three bad parts that someone insists on.
        for part in &mut parts[..3] {
            part.raw = BRANCHES.iter().fold(part.raw, |mut raw, branch| {
                raw[*branch as usize] = Some(500.0);
                raw
            });
        }
        let refused = Calibration::fit(&bundle, &parts, 0.05, true);
        let Err(CalibrationError::Blind { here, own, .. }) = refused else {
            panic!("a threshold without any use is fitted");
        };
        assert_eq!((here.rejected, own.rejected), (0, 40));
    }
}
