//! Every key of a station file, declared once: its type, the kinds of its section that use it, its range, its default
//! and its meaning. The reader, the checks, the sample file and the table in `docs/station.md` follow from it.

mod camera;
mod gate;
mod observers;

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// `section.key`.
    pub name: &'static str,
    pub takes: Type,
    /// The kinds of its section that use it; all if empty.
    pub kinds: &'static [&'static str],
    /// Whether a station file must contain it, for the kinds that use it.
    pub needed: bool,
    /// Of a number.
    pub limits: Option<AllowedRange>,
    pub default: Default,
    /// Its description in the sample and the documentation.
    pub meaning: &'static str,
    /// The value in the sample file.
    pub sample: &'static str,
    /// Whether the sample file sets it; otherwise it is commented out there.
    pub is_in_force: bool,
}

/// The type of a value.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    Text,
    OneOf(&'static [&'static str]),
    Number,
    Whole,
    Switch,
    Region,
    Controls,
}

/// The smallest and the largest permitted number.
#[derive(Clone, Copy, Debug)]
pub struct AllowedRange {
    pub low: f64,
    pub high: f64,
    /// Empty for a number without a unit.
    pub unit: &'static str,
}

/// The default of a key.
#[derive(Clone, Copy, Debug)]
pub enum Default {
    /// None: the key is required, or other keys decide.
    None,
    /// This value, as a station file would contain it.
    Value(&'static str),
    /// A default that is no value, in words.
    Words(&'static str),
}

impl Key {
    const fn new(name: &'static str, takes: Type, meaning: &'static str) -> Self {
        Key {
            name,
            takes,
            kinds: &[],
            needed: false,
            limits: None,
            default: Default::None,
            meaning,
            sample: "",
            is_in_force: false,
        }
    }

    const fn text(name: &'static str, meaning: &'static str) -> Self {
        Self::new(name, Type::Text, meaning)
    }

    const fn switch(name: &'static str, meaning: &'static str) -> Self {
        Self::new(name, Type::Switch, meaning)
    }

    const fn word(
        name: &'static str,
        words: &'static [&'static str],
        meaning: &'static str,
    ) -> Self {
        Self::new(name, Type::OneOf(words), meaning)
    }

    const fn number(name: &'static str, (low, high): (f64, f64), meaning: &'static str) -> Self {
        let unit = "";
        let mut key = Self::new(name, Type::Number, meaning);
        key.limits = Some(AllowedRange { low, high, unit });
        key
    }

    /// A whole number.
    const fn whole(name: &'static str, (low, high): (f64, f64), meaning: &'static str) -> Self {
        let mut key = Self::number(name, (low, high), meaning);
        key.takes = Type::Whole;
        key
    }

    const fn in_unit(mut self, unit: &'static str) -> Self {
        if let Some(limits) = &mut self.limits {
            limits.unit = unit;
        }
        self
    }

    const fn of(mut self, kinds: &'static [&'static str]) -> Self {
        self.kinds = kinds;
        self
    }

    const fn needed(mut self) -> Self {
        self.needed = true;
        self
    }

    const fn default(mut self, value: &'static str) -> Self {
        self.default = Default::Value(value);
        self
    }

    const fn default_in_words(mut self, words: &'static str) -> Self {
        self.default = Default::Words(words);
        self
    }

    /// Sets the value in the sample, commented out.
    const fn sample(mut self, value: &'static str) -> Self {
        self.sample = value;
        self
    }

    /// Sets the value in the sample.
    const fn sample_in_force(mut self, value: &'static str) -> Self {
        self.sample = value;
        self.is_in_force = true;
        self
    }

    pub fn section(&self) -> &'static str {
        self.name.split('.').next().unwrap_or_default()
    }

    /// Its name without the section.
    pub fn short_name(&self) -> &'static str {
        self.name.split('.').next_back().unwrap_or_default()
    }
}

/// All keys, section by section. The keys of `camera.controls` belong to the camera.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    [camera::KEYS, gate::KEYS, observers::KEYS]
        .into_iter()
        .flatten()
}

/// The sections that a station file must have.
pub const NEEDED_SECTIONS: [&str; 4] = ["bundle", "camera", "conveyor", "reject"];

/// The key of this name.
pub fn key(name: &str) -> Option<&'static Key> {
    keys().find(|key| key.name == name)
}

/// The range of a declared number.
pub fn limits(name: &str) -> AllowedRange {
    // A test reads the range of each number.
    key(name)
        .and_then(|key| key.limits)
        .unwrap_or(AllowedRange {
            low: f64::NEG_INFINITY,
            high: f64::INFINITY,
            unit: "",
        })
}

/// The default of a declared number.
pub fn usual(name: &str) -> f64 {
    match key(name).map(|key| key.default) {
        // A test reads each.
        Some(Default::Value(value)) => value.parse().unwrap_or_default(),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests;
