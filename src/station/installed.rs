//! What is installed in the slots, with what the bundles and the station file add to it.

use std::path::Path;

use aecsad_inspect::bundle::{Manifest, Trust};
use serde_json::Value;

use super::config::bundle::BundleConfig;
use crate::calibration::{Calibration, CalibrationStatus};
use crate::operator::ThresholdChange;
use crate::slots::state::{ProductSlots, SlotName, State};
use crate::slots::{SlotCheck, Slots, SlotsError};

pub struct InstalledBundles<'c> {
    pub state: State,
    checks: Vec<SlotCheck>,
    /// The station's, if its file is known.
    config: Option<&'c BundleConfig>,
    thresholds: Vec<ThresholdChange>,
}

impl<'c> InstalledBundles<'c> {
    /// `thresholds` are those that persons set at this station.
    pub fn read(
        folder: &Path,
        trust: &Trust,
        config: Option<&'c BundleConfig>,
        thresholds: Vec<ThresholdChange>,
    ) -> Result<Self, SlotsError> {
        let slots = Slots::look(folder)?;
        Ok(InstalledBundles {
            state: slots.state()?,
            checks: slots.inspect(trust)?,
            config,
            thresholds,
        })
    }

    /// The manifest of the bundle in this slot, or what is wrong with it.
    pub fn found(
        &self,
        product: &ProductSlots,
        slot: SlotName,
    ) -> Option<&Result<Manifest, String>> {
        let of = |(name, at, _): &&SlotCheck| *name == product.name && *at == slot;
        self.checks.iter().find(of).map(|(_, _, found)| found)
    }

    fn current(&self, product: &ProductSlots) -> Option<&Manifest> {
        self.found(product, product.current()?)?.as_ref().ok()
    }

    /// By which scale and threshold the station judges with the product's current bundle.
    pub fn calibration(&self, product: &ProductSlots) -> Option<String> {
        let manifest = self.current(product)?;
        let threshold = manifest.threshold.value;
        let place = match self.config?.calibration_place(&manifest.product) {
            Ok(Some(place)) => place,
            Ok(None) => return Some(CalibrationStatus::Bundle { threshold }.to_string()),
            Err(error) => return Some(error.to_string()),
        };
        if place.symlink_metadata().is_err() {
            return Some(CalibrationStatus::awaited(&place, threshold).to_string());
        }
        let identity = format!("{} {}", manifest.product, manifest.version);
        Some(match Calibration::read(&place, &identity) {
            Ok(calibration) => calibration.describe(&place, threshold),
            Err(error) => error.to_string(),
        })
    }

    /// The threshold that a person set for the product's current bundle.
    pub fn threshold(&self, product: &ProductSlots) -> Option<String> {
        let manifest = self.current(product)?;
        let identity = format!("{} {}", manifest.product, manifest.version);
        let mut set = self.thresholds.iter();
        let set = set.find(|set| set.bundle == identity)?;
        Some(set.to_string())
    }

    pub fn json(&self) -> Result<Value, SlotsError> {
        let unwritten = |error: serde_json::Error| SlotsError::Contradiction {
            why: error.to_string(),
        };
        let mut json = serde_json::to_value(&self.state).map_err(unwritten)?;
        for (n, product) in self.state.products.iter().enumerate() {
            let shown = &mut json["product"][n];
            shown["calibration"] = self.calibration(product).into();
            shown["threshold"] = self.threshold(product).into();
            for (slot, key) in [(SlotName::A, "a"), (SlotName::B, "b")] {
                if let Some(Ok(manifest)) = self.found(product, slot) {
                    shown[key]["trained"] = manifest.trained().into();
                    let region = manifest.input.region.as_ref();
                    shown[key]["region"] = region.map(ToString::to_string).into();
                }
            }
        }
        Ok(json)
    }
}
