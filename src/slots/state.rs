//! The state of the slots: what is installed, on trial and active. It is replaced as a whole. Each transition is a pure
//! function; [`super::state_file`] stores the state.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::SlotsError;

/// The format this version writes, and the only one it reads.
pub const FORMAT: u32 = 1;
/// The most products on one station.
pub const MAX_PRODUCTS: usize = 64;
/// The most events kept.
const MAX_EVENTS: usize = 64;
/// A bundle that did not finish its trial in this many starts is given up.
pub const MAX_TRIAL_STARTS: u32 = 3;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Always [`FORMAT`].
    pub format: u32,
    /// Grows with each change; the copy with the higher serial is valid.
    pub serial: u64,
    /// The product that the station inspects; none only while nothing is installed.
    pub active: Option<String>,
    #[serde(rename = "product", default)]
    pub products: Vec<ProductSlots>,
    /// Oldest first.
    #[serde(rename = "event", default)]
    pub events: Vec<Event>,
}

/// One product's two slots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductSlots {
    pub name: String,
    /// The highest version that ever passed its trial; never lowered.
    pub floor: u64,
    /// The slot to rely on; none until the first bundle has passed its trial.
    pub good: Option<SlotName>,
    pub trial: Option<TrialState>,
    pub a: Option<Installed>,
    pub b: Option<Installed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlotName {
    A,
    B,
}

impl SlotName {
    pub fn other(self) -> Self {
        match self {
            SlotName::A => SlotName::B,
            SlotName::B => SlotName::A,
        }
    }
}

impl fmt::Display for SlotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SlotName::A => "A",
            SlotName::B => "B",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialState {
    pub slot: SlotName,
    /// Starts of the station with this bundle that have begun.
    pub starts: u32,
}

/// A bundle in a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Installed {
    pub version: u64,
    /// SHA-256 of the whole file as 64 hex digits; also its name in the folder.
    pub sha256: String,
    pub bytes: u64,
    /// The id of the key that signed it.
    pub signed_by: Option<String>,
    pub condition: SlotCondition,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlotCondition {
    /// Whole, and its golden vectors were reproduced here; its trial is not over.
    Proven,
    /// Passed its trial.
    Confirmed,
    /// Failed its trial, for this reason.
    Failed(String),
    /// The file in the slot has changed, or its key is no longer trusted.
    Unusable(String),
}

/// An event for the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// UTC, by the wall clock, which may be wrong.
    pub at: String,
    pub what: String,
}

impl ProductSlots {
    fn new(name: &str) -> Self {
        ProductSlots {
            name: name.into(),
            floor: 0,
            good: None,
            trial: None,
            a: None,
            b: None,
        }
    }

    pub fn slot(&self, name: SlotName) -> Option<&Installed> {
        match name {
            SlotName::A => self.a.as_ref(),
            SlotName::B => self.b.as_ref(),
        }
    }

    fn slot_mut(&mut self, name: SlotName) -> &mut Option<Installed> {
        match name {
            SlotName::A => &mut self.a,
            SlotName::B => &mut self.b,
        }
    }

    /// The slot in use: the one on trial, else the good one.
    pub fn current(&self) -> Option<SlotName> {
        self.trial.as_ref().map(|trial| trial.slot).or(self.good)
    }

    /// The slot that a flash fills: never the good one.
    fn inactive(&self) -> SlotName {
        self.good.map_or(SlotName::A, SlotName::other)
    }

    fn set_condition(&mut self, slot: SlotName, condition: SlotCondition) {
        if let Some(installed) = self.slot_mut(slot) {
            installed.condition = condition;
        }
    }

    /// The slot to go back to when the current one is given up, if there is one.
    fn fallback(&self) -> Option<SlotName> {
        let other = self.current()?.other();
        let usable = |slot: &Installed| slot.condition == SlotCondition::Confirmed;
        self.slot(other).is_some_and(usable).then_some(other)
    }
}

impl State {
    pub fn empty() -> Self {
        State {
            format: FORMAT,
            ..State::default()
        }
    }

    pub fn product(&self, name: &str) -> Option<&ProductSlots> {
        self.products.iter().find(|p| p.name == name)
    }

    fn product_mut(&mut self, name: &str) -> Result<&mut ProductSlots, SlotsError> {
        let installed = self.product_names();
        let found = self.products.iter_mut().find(|p| p.name == name);
        found.ok_or_else(|| SlotsError::NoProduct {
            product: name.into(),
            installed,
        })
    }

    /// The product that the station inspects.
    pub fn active_product(&self) -> Option<&ProductSlots> {
        self.product(self.active.as_deref()?)
    }

    /// Names of the installed products, for a message.
    pub fn product_names(&self) -> String {
        let names: Vec<&str> = self.products.iter().map(|p| p.name.as_str()).collect();
        names.join(", ")
    }

    /// All bundles in slots.
    pub fn bundles(&self) -> impl Iterator<Item = &Installed> {
        self.products.iter().flat_map(|p| p.a.iter().chain(&p.b))
    }

    /// Puts a bundle into the inactive slot of its product, on trial. The first product becomes the active one.
    pub fn install(&mut self, product: &str, installed: Installed) -> SlotName {
        if self.product(product).is_none() {
            self.products.push(ProductSlots::new(product));
        }
        self.active.get_or_insert_with(|| product.into());
        let mut filled = SlotName::A;
        if let Ok(product) = self.product_mut(product) {
            filled = product.inactive();
            *product.slot_mut(filled) = Some(installed);
            product.trial = Some(TrialState {
                slot: filled,
                starts: 0,
            });
        }
        filled
    }

    /// Counts one more start of the product's trial, if there is one.
    pub fn count_start(&mut self, product: &str) -> Result<(), SlotsError> {
        if let Some(trial) = &mut self.product_mut(product)?.trial {
            trial.starts += 1;
        }
        Ok(())
    }

    /// Records that the bundle on trial passed: it is the good one, and no older version is accepted from here on.
    pub fn confirm(&mut self, product: &str) -> Result<u64, SlotsError> {
        let product = self.product_mut(product)?;
        let trial = product.trial.take().ok_or_else(|| SlotsError::NoTrial {
            product: product.name.clone(),
        })?;
        product.good = Some(trial.slot);
        product.set_condition(trial.slot, SlotCondition::Confirmed);
        let version = product.slot(trial.slot).map_or(0, |slot| slot.version);
        product.floor = product.floor.max(version);
        Ok(version)
    }

    /// Gives the current bundle up because of `condition`, and goes back to the other slot. Returns the version that is
    /// current from here on.
    pub fn give_up(&mut self, product: &str, condition: SlotCondition) -> Result<u64, SlotsError> {
        let product = self.product_mut(product)?;
        let nothing = || SlotsError::NothingToGoBackTo {
            product: product.name.clone(),
        };
        let current = product.current().ok_or_else(nothing)?;
        let back = product.fallback().ok_or_else(nothing)?;
        product.set_condition(current, condition);
        product.trial = None;
        product.good = Some(back);
        Ok(product.slot(back).map_or(0, |slot| slot.version))
    }

    /// Goes back to the other slot by request.
    pub fn roll_back(&mut self, product: &str) -> Result<u64, SlotsError> {
        let trial = self.product_mut(product)?.trial.is_some();
        let condition = match trial {
            true => SlotCondition::Failed("rolled back by hand during its trial".into()),
            false => SlotCondition::Confirmed,
        };
        self.give_up(product, condition)
    }

    pub fn select(&mut self, product: &str) -> Result<(), SlotsError> {
        let name = self.product_mut(product)?.name.clone();
        self.active = Some(name);
        Ok(())
    }

    pub fn note(&mut self, at: String, what: String) {
        self.events.push(Event { at, what });
        let surplus = self.events.len().saturating_sub(MAX_EVENTS);
        self.events.drain(..surplus);
    }

    /// Checks that the state is consistent; the error says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        if self.products.len() > MAX_PRODUCTS {
            return Err(format!("it has {} products", self.products.len()));
        }
        if self.active.is_some() == self.products.is_empty() {
            return Err("active product and installed products don't fit".into());
        }
        if let Some(active) = &self.active
            && self.product(active).is_none()
        {
            return Err(format!("the active product {active} is not installed"));
        }
        for (index, product) in self.products.iter().enumerate() {
            let name = &product.name;
            if self.products[..index].iter().any(|p| p.name == *name) {
                return Err(format!("product {name} stands twice"));
            }
            let current = product.current();
            for slot in [product.good, current] {
                if slot.is_some_and(|slot| product.slot(slot).is_none()) {
                    return Err(format!("product {name} points at an empty slot"));
                }
            }
            if current.is_none() {
                return Err(format!("product {name} has no bundle"));
            }
            if product.trial.is_some() && current == product.good {
                return Err(format!("the trial of {name} is in its good slot"));
            }
        }
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if let Some(wrong) = self
            .bundles()
            .find(|b| b.sha256.len() != 64 || !b.sha256.bytes().all(hex))
        {
            return Err(format!("`{}` is no SHA-256", wrong.sha256));
        }
        Ok(())
    }
}
