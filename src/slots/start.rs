//! Chooses the bundle that a station starts with: the current one if it is unchanged since the flash, else the other
//! slot's.

use std::io;

use aecsad_inspect::bundle::{Bundle, Manifest, Trust};

use super::state::{Installed, MAX_TRIAL_STARTS, ProductSlots, SlotCondition, SlotName, State};
use super::storage::Storage;
use super::{SlotAlarm, Slots, SlotsError, file_name, now};

/// Whether the changed choice of a slot is recorded in the state.
#[derive(PartialEq)]
enum Choice {
    ToRemember,
    /// It applies to this start only.
    Passing,
}

/// The bundle to work with.
#[derive(Debug)]
pub struct Started {
    pub bundle: Bundle,
    pub product: String,
    pub slot: SlotName,
    /// Its trial is not over.
    pub on_trial: bool,
    /// Sentences for the operator.
    pub alarms: Vec<String>,
}

impl<S: Storage> Slots<S> {
    /// Chooses and reads the active product's bundle. A damaged slot, or a trial that never ends, is given up for the
    /// other slot. Where nothing can be written the choice is the same, but not recorded.
    pub fn start(&self, trust: &Trust) -> Result<Started, SlotsError> {
        let mut alarms = Vec::new();
        let (mut state, writable) = match self.settled() {
            Err(SlotsError::Storage(error)) => {
                alarms.push(unwritable(&error));
                (self.state()?, false)
            }
            settled => (settled?, true),
        };
        let before = state.clone();
        let name = state.active.clone().ok_or(SlotsError::Empty)?;
        end_endless_trial(&mut state, &name, &mut alarms)?;
        let (bundle, slot, found) = self.usable(&mut state, &name, trust, &mut alarms)?;
        state.count_start(&name)?;
        let on_trial = state.product(&name).is_some_and(|p| p.trial.is_some());
        for alarm in &alarms {
            state.note(now(), alarm.clone());
        }
        if writable
            && found == Choice::ToRemember
            && state != before
            && let Err(error) = self.commit(state)
        {
            alarms.push(unwritable(&error));
        }
        Ok(Started {
            bundle,
            product: name,
            slot,
            on_trial,
            alarms,
        })
    }

    fn usable(
        &self,
        state: &mut State,
        name: &str,
        trust: &Trust,
        alarms: &mut Vec<String>,
    ) -> Result<(Bundle, SlotName, Choice), SlotsError> {
        let mut found = Choice::ToRemember;
        loop {
            let current = state.product(name).and_then(current);
            let (slot, installed) = current.ok_or(SlotsError::Empty)?;
            let why = match self.load(&installed, trust) {
                Ok(bundle) => return Ok((bundle, slot, found)),
                Err(why) => why,
            };
            let version = installed.version;
            let back = state.give_up(name, SlotCondition::Unusable(why.clone()));
            let back = back.map_err(|_| SlotsError::NothingUsable {
                product: name.into(),
                why: why.clone(),
            })?;
            let product = name.to_owned();
            let alarm = match self.is_forbidden(&installed) {
                true => {
                    found = Choice::Passing;
                    SlotAlarm::Forbidden {
                        slot,
                        product,
                        version,
                        why,
                        back,
                    }
                }
                false => SlotAlarm::Unusable {
                    slot,
                    product,
                    version,
                    why,
                    back,
                },
            };
            alarms.push(alarm.to_string());
        }
    }

    /// The file may be whole, but this user has no permission to read it.
    fn is_forbidden(&self, installed: &Installed) -> bool {
        let read = self.storage.read(&file_name(&installed.sha256));
        read.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    }

    /// The bundle in a slot, if it is unchanged since the flash.
    fn load(&self, installed: &Installed, trust: &Trust) -> Result<Bundle, String> {
        let name = file_name(&installed.sha256);
        let file = self.storage.read(&name);
        let file = file.map_err(|e| match e.kind() {
            io::ErrorKind::PermissionDenied => {
                format!("this user has no permission to read its file {name}")
            }
            _ => format!("it can't be read ({e})"),
        })?;
        let bundle = Bundle::from_reader(file, "it", trust);
        let bundle = bundle.map_err(|error| match error.fault() {
            Some(fault) => fault.to_string(),
            None => error.to_string(),
        })?;
        if bundle.sha256() != installed.sha256 {
            return Err("it is another bundle than the one that was flashed".into());
        }
        Ok(bundle)
    }

    /// Reads every slot and says what is wrong with it, in the order of products and slots; changes nothing.
    pub fn inspect(&self, trust: &Trust) -> Result<Vec<SlotCheck>, SlotsError> {
        let state = self.state()?;
        let mut found = Vec::new();
        for product in &state.products {
            for slot in [SlotName::A, SlotName::B] {
                if let Some(installed) = product.slot(slot) {
                    let whole = self.load(installed, trust).map(|bundle| bundle.manifest);
                    found.push((product.name.clone(), slot, whole));
                }
            }
        }
        Ok(found)
    }
}

/// The product, its slot, and the bundle's manifest or what is wrong with it.
pub type SlotCheck = (String, SlotName, Result<Manifest, String>);

fn unwritable(why: &dyn std::fmt::Display) -> String {
    let why = why.to_string();
    SlotAlarm::Unwritable { why }.to_string()
}

fn current(product: &ProductSlots) -> Option<(SlotName, Installed)> {
    let slot = product.current()?;
    Some((slot, product.slot(slot)?.clone()))
}

/// Gives up a bundle that crashed the station in several starts before its trial was over.
fn end_endless_trial(
    state: &mut State,
    name: &str,
    alarms: &mut Vec<String>,
) -> Result<(), SlotsError> {
    let product = state.product(name).ok_or(SlotsError::Empty)?;
    let starts = product.trial.as_ref().map_or(0, |trial| trial.starts);
    if starts < MAX_TRIAL_STARTS {
        return Ok(());
    }
    let version = current(product).map_or(0, |(_, installed)| installed.version);
    let why = format!("the station started {starts} times with it and no trial came to its end");
    let product = name.to_owned();
    let alarm = match state.give_up(name, SlotCondition::Failed(why.clone())) {
        Ok(back) => SlotAlarm::GivenUp {
            version,
            product,
            why,
            back,
        },
        Err(SlotsError::NothingToGoBackTo { .. }) => SlotAlarm::NoneToGoBackTo { why, product },
        Err(other) => return Err(other),
    };
    alarms.push(alarm.to_string());
    Ok(())
}
