//! `aecsad slots`: what is installed, what is on trial, what is active, and what happened. Also where the commands that
//! change it find the folder.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use aecsad_inspect::bundle::{BundleError, KeyRing, Manifest, Trust};
use aecsad_program::inputs::InputPath;
use clap::Args;

use super::{print_all, print_lines, say_station_file, station_file};
use crate::cli::error::Result;
use crate::engines::EngineSettings;
use crate::operator::{OperatorRecords, ThresholdChange};
use crate::slots::state::{SlotCondition, SlotName};
use crate::slots::{SlotsError, trial};
use crate::station::config::StationConfig;
use crate::station::config::bundle::{BundleConfig, BundleSource};
use crate::station::installed::InstalledBundles;

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
    /// The default where the station file is not known or not right yet.
    pub engine: EngineSettings,
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
                engine: EngineSettings::default(),
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
            engine: StationConfig::load(&self.config)
                .map(|station| station.engine)
                .unwrap_or_default(),
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

    /// The station's section, if its file is known.
    fn config(&self) -> Option<&BundleConfig> {
        match &self.trust {
            Trusted::Folder(_) => None,
            Trusted::Station(config) => Some(config),
        }
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
    let thresholds = match place.config() {
        Some(_) => thresholds(&args.place.config)?,
        None => Vec::new(),
    };
    let trust = place.trust()?;
    let installed = InstalledBundles::read(&place.folder, &trust, place.config(), thresholds)?;
    if args.json {
        return print_all(&format!("{:#}\n", installed.json()?));
    }
    print_lines(&table(&installed))
}

/// The thresholds that persons set at this station. Slots can be listed with a station file whose other sections are not
/// right yet.
fn thresholds(station_file: &Path) -> Result<Vec<ThresholdChange>> {
    let Some(journal) = StationConfig::load(station_file)
        .ok()
        .and_then(|config| config.journal)
    else {
        return Ok(Vec::new());
    };
    match OperatorRecords::open_existing(&journal.path)? {
        Some(records) => Ok(records.thresholds_in_force()?),
        None => Ok(Vec::new()),
    }
}

fn table(installed: &InstalledBundles<'_>) -> String {
    let state = &installed.state;
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
            let Some(bundle) = product.slot(slot) else {
                let _ = writeln!(text, "  {arrow} {slot}  empty");
                continue;
            };
            let found = installed.found(product, slot);
            let condition = match found {
                Some(Err(why)) => SlotCondition::Unusable(why.clone()),
                _ => bundle.condition.clone(),
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
                bundle.version,
                &bundle.sha256[..12],
                bundle.signed_by.as_deref().unwrap_or("-"),
            );
            if let Some(region) = manifest.and_then(|manifest| manifest.input.region.as_ref()) {
                let _ = writeln!(text, "       looks at {region}");
            }
        }
        let floor = product.floor;
        let _ = writeln!(text, "       nothing below version {floor} is accepted");
        if let Some(calibration) = installed.calibration(product) {
            let _ = writeln!(text, "       calibration: {calibration}");
        }
        if let Some(threshold) = installed.threshold(product) {
            let _ = writeln!(text, "       threshold: {threshold}");
        }
    }
    text.push('\n');
    for event in state.events.iter().rev().take(LATEST).rev() {
        let _ = writeln!(text, "{}  {}", event.at, event.what);
    }
    text
}
