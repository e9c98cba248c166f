//! `aecsad slots`: what is installed, what is on trial, what is active, and what happened. Also where the commands that
//! change it find the folder.

use std::fmt::Write as _;
use std::path::PathBuf;

use aecsad_inspect::bundle::{BundleError, KeyRing, Manifest, Trust};
use aecsad_program::inputs::InputPath;
use clap::Args;

use super::{print_all, print_lines, say_station_file, station_file};
use crate::calibration::{Calibration, CalibrationStatus};
use crate::cli::error::Result;
use crate::slots::state::{ProductSlots, SlotCondition, SlotName, State};
use crate::slots::{SlotCheck, Slots, SlotsError, trial};
use crate::station::config::bundle::{BundleConfig, BundleSource};

/// Events that are shown unless all are requested.
const LATEST: usize = 8;

/// Where the slots are, and whose bundles they take.
#[derive(Args)]
pub struct SlotsArgs {
    /// The station file, whose section [bundle] names the folders of slots and keys; if not given, station.toml here,
    /// else /etc/aecsad/station.toml
    #[arg(long, value_name = "FILE", default_value_os_t = station_file(), hide_default_value = true)]
    pub config: InputPath,
    /// The folder of slots, instead of the station file's
    #[arg(long, value_name = "DIR", requires = "keys")]
    pub slots: Option<PathBuf>,
    /// The folder of public keys, instead of the station file's
    #[arg(long, value_name = "DIR", requires = "slots")]
    pub keys: Option<PathBuf>,
}

pub struct SlotsPlace {
    pub folder: PathBuf,
    pub trial_parts: u32,
    trust: Trusted,
}

enum Trusted {
    Folder(PathBuf),
    Station(BundleConfig),
}

impl SlotsArgs {
    pub fn resolve(&self) -> Result<SlotsPlace> {
        if let (Some(folder), Some(keys)) = (&self.slots, &self.keys) {
            return Ok(SlotsPlace {
                folder: folder.clone(),
                trial_parts: trial::PARTS,
                trust: Trusted::Folder(keys.clone()),
            });
        }
        say_station_file(&self.config);
        let config = BundleConfig::load(&self.config)?;
        let BundleSource::Slots {
            folder,
            trial_parts,
        } = config.source.clone()
        else {
            let path = self.config.to_path_buf();
            return Err(SlotsError::NotConfigured { path }.into());
        };
        Ok(SlotsPlace {
            folder,
            trial_parts,
            trust: Trusted::Station(config),
        })
    }
}

impl SlotsPlace {
    pub fn trust(&self) -> Result<Trust, BundleError> {
        match &self.trust {
            Trusted::Folder(keys) => Ok(Trust::Keys(KeyRing::from_folder(keys)?)),
            Trusted::Station(config) => config.trust(),
        }
    }

    /// By which scale and threshold the station judges with this bundle, if its file is known.
    fn calibration(&self, manifest: &Manifest) -> Option<String> {
        let Trusted::Station(config) = &self.trust else {
            return None;
        };
        let threshold = manifest.threshold.value;
        let place = match config.calibration_place(&manifest.product) {
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
}

#[derive(Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub place: SlotsArgs,
    /// As JSON, with everything that is known
    #[arg(long)]
    pub json: bool,
}

pub fn run(args: &ListArgs) -> Result<()> {
    let place = args.place.resolve()?;
    let slots = Slots::look(&place.folder)?;
    let state = slots.state()?;
    let whole = slots.inspect(&place.trust()?)?;
    let found = |product: &ProductSlots, slot: SlotName| {
        let of = |(name, at, _): &&SlotCheck| *name == product.name && *at == slot;
        whole.iter().find(of).map(|(_, _, found)| found)
    };
    let calibration = |product: &ProductSlots| {
        let manifest = found(product, product.current()?)?.as_ref().ok()?;
        place.calibration(manifest)
    };
    if args.json {
        let text = json(&state, &found, &calibration);
        let text = text.map_err(|e| SlotsError::Contradiction { why: e.to_string() })?;
        return print_all(&format!("{text}\n"));
    }
    print_lines(&table(&state, &found, &calibration))
}

type ManifestOf<'a> = &'a dyn Fn(&ProductSlots, SlotName) -> Option<&'a Result<Manifest, String>>;
type Calibrations<'a> = &'a dyn Fn(&ProductSlots) -> Option<String>;

/// The state with what the bundles and the station file add to it.
fn json(
    state: &State,
    found: ManifestOf<'_>,
    calibration: Calibrations<'_>,
) -> serde_json::Result<String> {
    let mut json = serde_json::to_value(state)?;
    for (n, product) in state.products.iter().enumerate() {
        let shown = &mut json["product"][n];
        shown["calibration"] = calibration(product).into();
        for (slot, key) in [(SlotName::A, "a"), (SlotName::B, "b")] {
            if let Some(Ok(manifest)) = found(product, slot) {
                shown[key]["trained"] = manifest.trained().into();
                let region = manifest.input.region.as_ref();
                shown[key]["region"] = region.map(ToString::to_string).into();
            }
        }
    }
    serde_json::to_string_pretty(&json)
}

fn table(state: &State, found: ManifestOf<'_>, calibration: Calibrations<'_>) -> String {
    if state.products.is_empty() {
        return "nothing is installed yet: `aecsad flash FILE` does it\n".into();
    }
    let mut text = String::new();
    for product in &state.products {
        let at_work = match state.active.as_deref() == Some(&product.name) {
            true => ", the station works with it",
            false => "",
        };
        let _ = writeln!(text, "{}{at_work}", product.name);
        for slot in [SlotName::A, SlotName::B] {
            let arrow = match product.current() == Some(slot) {
                true => "→",
                false => " ",
            };
            let Some(installed) = product.slot(slot) else {
                let _ = writeln!(text, "  {arrow} {slot}  empty");
                continue;
            };
            let found = found(product, slot);
            let condition = match found {
                Some(Err(why)) => SlotCondition::Unusable(why.clone()),
                _ => installed.condition.clone(),
            };
            let manifest = found.and_then(|found| found.as_ref().ok());
            let trained = manifest.and_then(Manifest::trained).unwrap_or("-");
            let status = match condition {
                SlotCondition::Unusable(why) => format!("UNUSABLE: {why}"),
                SlotCondition::Failed(why) => format!("failed its trial: {why}"),
                SlotCondition::Confirmed => "proven".into(),
                SlotCondition::Proven => {
                    let starts = product.trial.as_ref().map_or(0, |trial| trial.starts);
                    format!("on trial, {starts} starts so far")
                }
            };
            let _ = writeln!(
                text,
                "  {arrow} {slot}  version {:<6} {}…  trained {trained}  key {}  {status}",
                installed.version,
                &installed.sha256[..12],
                installed.signed_by.as_deref().unwrap_or("-"),
            );
            if let Some(region) = manifest.and_then(|manifest| manifest.input.region.as_ref()) {
                let _ = writeln!(text, "       looks at {region}");
            }
        }
        let floor = product.floor;
        let _ = writeln!(text, "       nothing below version {floor} is accepted");
        if let Some(calibration) = calibration(product) {
            let _ = writeln!(text, "       calibration: {calibration}");
        }
    }
    text.push('\n');
    for event in state.events.iter().rev().take(LATEST).rev() {
        let _ = writeln!(text, "{}  {}", event.at, event.what);
    }
    text
}
