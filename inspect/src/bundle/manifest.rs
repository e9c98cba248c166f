//! The manifest: a bundle's description, and every file in it by name, size and SHA-256.
//!
//! A bundle need not be signed, so the manifest's last line is a comment with the SHA-256 of all lines above it:
//! a flipped bit is detected with or without a key.

use std::collections::{BTreeMap, BTreeSet};

use aecsad_program::sealed_text::{seal, unseal};
use aecsad_program::text_file;
use serde::{Deserialize, Serialize};

use super::archive::check_name;
use super::error::BundleFault;
use super::{MANIFEST_NAME, SIGNATURE_NAME};
use super::{MAX_BUNDLE_BYTES, MAX_ENTRIES, MAX_ENTRY_BYTES, MAX_MANIFEST_BYTES};
use crate::branches::Branch;
use crate::image_files::BIT_DEPTHS;
use crate::optics::InputGeometry;

/// The format this version writes, and the only one it reads.
pub const FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always [`FORMAT`].
    pub format: u32,
    /// The name of the inspected product.
    pub product: String,
    /// The version. It only grows: a station does not install an older one without `--allow-downgrade`.
    pub version: u64,
    pub profile: Profile,
    /// Program and version that wrote the bundle.
    pub created_by: String,
    /// Names of the segmentation's classes, by class index.
    pub classes: Vec<String>,
    pub input: InputGeometry,
    pub threshold: Threshold,
    pub tolerance: Tolerance,
    #[serde(rename = "branch", default)]
    pub branches: Vec<BranchStats>,
    /// Seed, number of images, minutes and the like, for people. No verdict depends on it; an export reads the seed and
    /// which images the fit kept, to see the same ones again.
    #[serde(default)]
    pub provenance: BTreeMap<String, toml::Value>,
    #[serde(rename = "entry", default)]
    pub entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Small networks for a CPU beside the line.
    Edge,
    /// The paper's networks.
    Paper,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// A fused score above this is a reject.
    pub value: f32,
    /// Share of good parts expected above it, in (0, 1).
    pub false_reject_rate: f64,
    /// Good parts the threshold was set on.
    pub calibration_parts: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tolerance {
    /// Largest difference of a normalised score from its golden value, relative where that is above 1.
    pub golden: f32,
    /// The same on a CPU without fused multiply-add, if that makes a difference. It does for int8 networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfused: Option<f32>,
    /// The same where TensorRT runs the networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensorrt: Option<f32>,
}

/// One branch: whether it is active, and its normalisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BranchStats {
    pub name: Branch,
    pub on: bool,
    pub weight: f32,
    /// Trimmed mean of the raw score over good calibration parts.
    pub mean: f32,
    /// Trimmed standard deviation of the same.
    pub std: f32,
    /// AUROC on planted logical anomalies, where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planted_logical: Option<f64>,
    /// AUROC on planted structural anomalies, where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planted_structural: Option<f64>,
    /// Why it is on or off, for people.
    pub why: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub path: String,
    /// 64 lower-case hex digits.
    pub sha256: String,
    pub bytes: u64,
}

/// The key of [`Manifest::provenance`] for when the bundle was trained.
pub const TRAINED: &str = "trained";

impl Manifest {
    /// The time of training from the provenance (RFC 3339); bundles of earlier versions lack it.
    pub fn trained(&self) -> Option<&str> {
        self.provenance.get(TRAINED)?.as_str()
    }

    /// The manifest's file: TOML, then the checksum line.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, BundleFault> {
        self.check()?;
        let text = seal(toml::to_string(self).map_err(|e| refused(e.to_string()))?);
        if text.len() as u64 > MAX_MANIFEST_BYTES {
            return Err(BundleFault::TooLarge {
                name: MANIFEST_NAME.into(),
                bytes: text.len() as u64,
                limit: MAX_MANIFEST_BYTES,
            });
        }
        Ok(text.into_bytes())
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Manifest, BundleFault> {
        let above = unseal(bytes).ok_or(BundleFault::ManifestDamaged)?;
        let text = text_file::decode(above).map_err(|e| refused(e.to_string()))?;
        let table: toml::Table = text_file::toml(text).map_err(|e| refused(e.to_string()))?;
        // The format is checked first, because a later format has fields that this version doesn't know.
        match table.get("format").and_then(toml::Value::as_integer) {
            Some(found) if found != i64::from(FORMAT) => {
                return Err(BundleFault::Format {
                    found,
                    known: FORMAT,
                });
            }
            Some(_) => {}
            None => return Err(refused("it has no `format` number")),
        }
        let manifest: Manifest = text_file::toml(text).map_err(|e| refused(e.to_string()))?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), BundleFault> {
        Self::check_product(&self.product)?;
        self.check_numbers()?;
        self.check_branches()?;
        check_entries(&self.entries)
    }

    /// Checks a product's name.
    pub fn check_product(product: &str) -> Result<(), BundleFault> {
        let bad_char = |c: char| c.is_control() || c == '/' || c == '\\';
        if product.trim().is_empty()
            || product.chars().count() > 64
            || product.starts_with('.')
            || product.contains(bad_char)
        {
            return Err(refused(
                "product must be 1 to 64 characters without slashes, not starting with a dot",
            ));
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<(), BundleFault> {
        let InputGeometry {
            width,
            height,
            mean,
            std,
            bit_depth,
            fine,
            trained_on,
            region,
            exposure,
            ..
        } = &self.input;
        if !(16..=4096).contains(width) || !(16..=4096).contains(height) {
            return Err(refused(format!(
                "input size {width}×{height} is outside 16 to 4096"
            )));
        }
        let finite = |x: &f32| x.is_finite();
        if !mean.iter().all(finite) || !std.iter().all(|s| s.is_finite() && *s > 0.0) {
            return Err(refused("input mean or std is not a usable number"));
        }
        let fits = |side: &u32| side.is_multiple_of(32) && (64..=4096).contains(side);
        if fine.is_some_and(|fine| !fits(&fine.width) || !fits(&fine.height)) {
            return Err(refused(
                "input.fine is not of multiples of 32 from 64 to 4096",
            ));
        }
        if bit_depth.is_some_and(|depth| !BIT_DEPTHS.contains(&depth)) {
            return Err(refused("input.bit_depth is outside 8 to 16"));
        }
        if trained_on
            .as_ref()
            .is_some_and(|images| !images.is_usable())
        {
            return Err(refused("input.trained_on is not a size and two shapes"));
        }
        if exposure.is_some_and(|range| !range.is_usable()) {
            return Err(refused("input.exposure is not two ranges"));
        }
        if let Some(region) = region {
            if let Some(fault) = region.fault() {
                return Err(refused(format!("input.region {fault}")));
            }
            let seen = region.area.size();
            if trained_on
                .as_ref()
                .is_some_and(|images| (images.width, images.height) != (seen.width, seen.height))
            {
                return Err(refused(
                    "input.region has another size than input.trained_on",
                ));
            }
        }
        if !self.threshold.value.is_finite() {
            return Err(refused("threshold.value is not a number"));
        }
        let rate = self.threshold.false_reject_rate;
        if !(rate > 0.0 && rate < 1.0) {
            return Err(refused(
                "threshold.false_reject_rate is not between 0 and 1",
            ));
        }
        for (name, tolerance) in [
            ("golden", Some(self.tolerance.golden)),
            ("unfused", self.tolerance.unfused),
            ("tensorrt", self.tolerance.tensorrt),
        ] {
            if tolerance.is_some_and(|t| !(t.is_finite() && t > 0.0)) {
                return Err(refused(format!(
                    "tolerance.{name} is not a positive number"
                )));
            }
        }
        Ok(())
    }

    fn check_branches(&self) -> Result<(), BundleFault> {
        let mut seen = BTreeSet::new();
        for branch in &self.branches {
            if !seen.insert(branch.name) {
                return Err(refused(format!("branch `{}` stands twice", branch.name)));
            }
            let usable = branch.weight.is_finite()
                && branch.weight >= 0.0
                && branch.mean.is_finite()
                && branch.std.is_finite()
                && branch.std > 0.0;
            if !usable {
                return Err(refused(format!(
                    "branch `{}` has a weight, mean or std that is not usable",
                    branch.name
                )));
            }
        }
        if !self.branches.iter().any(|b| b.on && b.weight > 0.0) {
            return Err(refused("no branch is on, so nothing would be judged"));
        }
        Ok(())
    }
}

fn check_entries(entries: &[Entry]) -> Result<(), BundleFault> {
    if entries.is_empty() {
        return Err(refused("it lists no entries"));
    }
    if entries.len() > MAX_ENTRIES {
        return Err(BundleFault::TooManyEntries {
            found: entries.len(),
            limit: MAX_ENTRIES,
        });
    }
    let mut seen = BTreeSet::new();
    let mut total = MAX_MANIFEST_BYTES;
    for entry in entries {
        check_name(&entry.path)?;
        if entry.path == MANIFEST_NAME || entry.path == SIGNATURE_NAME {
            return Err(refused(format!("`{}` can't be an entry", entry.path)));
        }
        if !seen.insert(entry.path.as_str()) {
            return Err(BundleFault::Duplicate {
                name: entry.path.clone(),
            });
        }
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if entry.sha256.len() != 64 || !entry.sha256.bytes().all(hex) {
            return Err(refused(format!(
                "the sha256 of `{}` is not 64 lower-case hex digits",
                entry.path
            )));
        }
        total = total.saturating_add(entry.bytes);
        let limit = MAX_ENTRY_BYTES;
        if entry.bytes > limit {
            return Err(BundleFault::TooLarge {
                name: entry.path.clone(),
                bytes: entry.bytes,
                limit,
            });
        }
    }
    if total > MAX_BUNDLE_BYTES {
        return Err(BundleFault::TooLarge {
            name: "the whole bundle".into(),
            bytes: total,
            limit: MAX_BUNDLE_BYTES,
        });
    }
    Ok(())
}

fn refused(why: impl Into<String>) -> BundleFault {
    BundleFault::Manifest { why: why.into() }
}
