//! `aecsad slots`: what is installed, what is on trial, what is active, and what happened. Also where the commands that
//! change it find the folder.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::{print_all, print_lines};
use crate::bundle::{BundleError, KeyRing, Trust};
use crate::error::Result;
use crate::slots::state::{Condition, Product, SlotName, State};
use crate::slots::{Slots, SlotsError, trial};
use crate::station::bundle_section::{BundleConfig, BundleSource};

/// Events that are shown unless all are asked for.
const LATEST: usize = 8;

/// Where the slots are, and whose bundles they take.
#[derive(Args)]
pub struct SlotsArgs {
    /// The station file; its section [bundle] names the folders of slots and keys
    #[arg(long, default_value = "station.toml")]
    pub config: PathBuf,
    /// The folder of slots, instead of the station file's
    #[arg(long, value_name = "DIR", requires = "keys")]
    pub slots: Option<PathBuf>,
    /// The folder of public keys, instead of the station file's
    #[arg(long, value_name = "DIR", requires = "slots")]
    pub keys: Option<PathBuf>,
}

pub struct Place {
    pub folder: PathBuf,
    pub trial_parts: u32,
    trust: Trusted,
}

enum Trusted {
    Folder(PathBuf),
    Station(BundleConfig),
}

impl SlotsArgs {
    pub fn resolve(&self) -> Result<Place> {
        if let (Some(folder), Some(keys)) = (&self.slots, &self.keys) {
            return Ok(Place {
                folder: folder.clone(),
                trial_parts: trial::PARTS,
                trust: Trusted::Folder(keys.clone()),
            });
        }
        let config = BundleConfig::load(&self.config)?;
        let BundleSource::Slots {
            folder,
            trial_parts,
        } = config.source.clone()
        else {
            let path = self.config.clone();
            return Err(SlotsError::NotConfigured { path }.into());
        };
        Ok(Place {
            folder,
            trial_parts,
            trust: Trusted::Station(config),
        })
    }
}

impl Place {
    pub fn trust(&self) -> Result<Trust, BundleError> {
        match &self.trust {
            Trusted::Folder(keys) => Ok(Trust::Keys(KeyRing::from_folder(keys)?)),
            Trusted::Station(config) => config.trust(),
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
    let slots = Slots::look(&place.folder)?;
    let state = slots.state()?;
    let whole = slots.inspect(&place.trust()?)?;
    if args.json {
        let text = serde_json::to_string_pretty(&state);
        let text = text.map_err(|e| SlotsError::Contradiction { why: e.to_string() })?;
        return print_all(&format!("{text}\n"));
    }
    let complaint = |product: &Product, slot: SlotName| {
        let found = whole
            .iter()
            .find(|(p, s, _)| *p == product.name && *s == slot);
        found.and_then(|(_, _, whole)| whole.as_ref().err().cloned())
    };
    print_lines(&table(&state, &complaint))
}

fn table(state: &State, complaint: &dyn Fn(&Product, SlotName) -> Option<String>) -> String {
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
            let condition = match complaint(product, slot) {
                Some(why) => Condition::Unusable(why),
                None => installed.condition.clone(),
            };
            let standing = match condition {
                Condition::Unusable(why) => format!("UNUSABLE: {why}"),
                Condition::Failed(why) => format!("failed its trial: {why}"),
                Condition::Confirmed => "proven".into(),
                Condition::Proven => {
                    let starts = product.trial.as_ref().map_or(0, |trial| trial.starts);
                    format!("on trial, {starts} starts so far")
                }
            };
            let _ = writeln!(
                text,
                "  {arrow} {slot}  version {:<6} {}…  key {}  {standing}",
                installed.version,
                &installed.sha256[..12],
                installed.signed_by.as_deref().unwrap_or("-"),
            );
        }
        let floor = product.floor;
        let _ = writeln!(text, "       nothing below version {floor} is accepted");
    }
    text.push('\n');
    for event in state.events.iter().rev().take(LATEST).rev() {
        let _ = writeln!(text, "{}  {}", event.at, event.what);
    }
    text
}
