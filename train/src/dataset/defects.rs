//! `defects_config.json` of MVTec LOCO AD: how much of each defect's region must be found for it to count in full.

use std::collections::BTreeSet;
use std::path::Path;

use aecsad_program::text_file;
use serde::Deserialize;

use super::DatasetError;

/// No such file is larger.
const MAX_BYTES: u64 = 1 << 20;

/// One kind of defect, distinguished from the others by the value that its pixels have in the masks.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct DefectConfig {
    #[serde(rename = "defect_name")]
    pub name: String,
    pub pixel_value: u8,
    /// From here on more overlap earns nothing: pixels, or a share of the region if `relative_saturation`.
    pub saturation_threshold: f64,
    pub relative_saturation: bool,
}

/// The configuration in a category's folder, if there is one.
pub(super) fn read(category: &Path) -> Result<Option<Vec<DefectConfig>>, DatasetError> {
    let path = category.join("defects_config.json");
    let text = match text_file::read(&path, MAX_BYTES) {
        Ok(text) => text,
        Err(e) if e.is_missing() => return Ok(None),
        Err(e) => return Err(refused(&path, e)),
    };
    let defects: Vec<DefectConfig> = serde_json::from_str(&text).map_err(|e| refused(&path, e))?;
    let mut values = BTreeSet::new();
    for defect in &defects {
        let name = &defect.name;
        if defect.pixel_value == 0 || !values.insert(defect.pixel_value) {
            let value = defect.pixel_value;
            let why = format!("the pixel_value {value} of `{name}` is zero or taken already");
            return Err(refused(&path, why));
        }
        let threshold = defect.saturation_threshold;
        let too_much = defect.relative_saturation && threshold > 1.0;
        if threshold.is_nan() || threshold <= 0.0 || too_much {
            let why = format!("the saturation_threshold {threshold} of `{name}` is out of range");
            return Err(refused(&path, why));
        }
    }
    Ok(Some(defects))
}

fn refused(path: &Path, why: impl std::fmt::Display) -> DatasetError {
    DatasetError::DefectsConfig {
        path: path.into(),
        why: why.to_string(),
    }
}
