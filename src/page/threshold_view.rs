//! The scores on both sides of the threshold: what a person needs to set it.

use std::path::Path;

use aecsad_inspect::decision::Decision;
use aecsad_inspect::inspector::decision_of;
use serde::Serialize;

use crate::calibration::Calibration;
use crate::journal::{self, Filter, JournalError};
use crate::operator::{Basis, Mark, OperatorError, OperatorRecords, ThresholdChange};
use crate::station::JudgeError;
use crate::station::config::StationConfig;

#[derive(Debug, thiserror::Error)]
pub enum ThresholdViewError {
    #[error(transparent)]
    Bundle(#[from] JudgeError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Operator(#[from] OperatorError),
}

/// Of the bundle that the station works with. Scores ascend.
#[derive(Clone, Debug, Serialize)]
pub struct ThresholdView {
    /// Product and version.
    pub bundle: String,
    /// The threshold in force.
    pub value: f32,
    /// The bundle's threshold, or that of the station's calibration.
    pub own: f32,
    /// Of the latest parts without a review, `[parts]`.
    pub parts: Vec<f32>,
    /// Of good calibration parts, `[parts]`.
    pub validation: Vec<f32>,
    /// Of parts that a person marked as good, `[parts]`.
    pub reviewed_good: Vec<f32>,
    /// Of parts that a person marked as bad, `[parts]`.
    pub reviewed_bad: Vec<f32>,
    /// The latest first.
    pub changes: Vec<ThresholdChange>,
}

/// How many parts score above a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    pub parts: usize,
    pub validation: usize,
    pub reviewed_good: usize,
    pub reviewed_bad: usize,
}

impl ThresholdView {
    /// The bundle that the station works with, and its own threshold.
    pub fn basis(config: &StationConfig) -> Result<Basis, JudgeError> {
        let (bundle, decision) = own(config)?;
        Ok(Basis {
            bundle,
            own: decision.threshold,
        })
    }

    /// Reads the scores of the latest `last` parts from the journal in `folder`.
    pub fn read(
        config: &StationConfig,
        folder: &Path,
        records: Option<&OperatorRecords>,
        last: u32,
    ) -> Result<Self, ThresholdViewError> {
        let (bundle, decision) = own(config)?;
        let basis = Basis {
            bundle,
            own: decision.threshold,
        };
        let mut view = ThresholdView {
            bundle: basis.bundle.clone(),
            value: basis.own,
            own: basis.own,
            parts: Vec::new(),
            validation: decision.calibration.scores().to_vec(),
            reviewed_good: Vec::new(),
            reviewed_bad: Vec::new(),
            changes: Vec::new(),
        };
        let mut marked = std::collections::HashSet::new();
        if let Some(records) = records {
            view.value = records
                .threshold(&basis)?
                .map_or(basis.own, |set| set.value);
            view.changes = records.threshold_changes(&basis.bundle)?;
            for review in records.reviews()? {
                marked.insert((review.run, review.part));
                let Some(score) = review.score.filter(|_| review.bundle == basis.bundle) else {
                    continue;
                };
                match review.mark {
                    Mark::Good => view.reviewed_good.push(score as f32),
                    Mark::Bad => view.reviewed_bad.push(score as f32),
                }
            }
        }
        let filter = Filter {
            bundle: Some(basis.bundle),
            limit: Some(last),
            ..Filter::default()
        };
        let found = journal::find(folder, &filter, &mut |record| {
            let score = record.score.filter(|score| score.is_finite());
            if let Some(score) = score.filter(|_| !marked.contains(&(record.run, record.part))) {
                view.parts.push(score as f32);
            }
            true
        });
        match found {
            Ok(_) | Err(JournalError::Missing(_)) => {}
            Err(error) => return Err(error.into()),
        }
        for scores in [
            &mut view.parts,
            &mut view.reviewed_good,
            &mut view.reviewed_bad,
        ] {
            scores.sort_by(f32::total_cmp);
        }
        Ok(view)
    }

    pub fn rejected(&self, threshold: f32) -> Rejected {
        let above = |scores: &[f32]| scores.len() - scores.partition_point(|s| *s <= threshold);
        Rejected {
            parts: above(&self.parts),
            validation: above(&self.validation),
            reviewed_good: above(&self.reviewed_good),
            reviewed_bad: above(&self.reviewed_bad),
        }
    }
}

/// Product and version of the station's bundle, and how the station judges by it but for a person's threshold.
fn own(config: &StationConfig) -> Result<(String, Decision), JudgeError> {
    let bundle = config.bundle.read()?;
    let manifest = &bundle.manifest;
    let identity = format!("{} {}", manifest.product, manifest.version);
    let decision = decision_of(&bundle)?;
    let place = config.bundle.calibration_place(&manifest.product)?;
    // A calibration that can't be used is reported when the station starts; until then the bundle's own counts.
    let calibration = place.and_then(|place| Calibration::read(&place, &identity).ok());
    let calibrated = calibration.and_then(|calibration| calibration.apply(&decision));
    Ok((identity, calibrated.unwrap_or(decision)))
}
