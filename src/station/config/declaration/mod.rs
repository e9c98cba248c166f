//! Every key of a station file, declared once: what it takes, for which kinds of its section, its range, its default and its
//! meaning. The reader, the checks, the sample file and the table in `docs/station.md` follow from it.

mod gate;
mod observers;
mod sight;

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// `section.key`.
    pub name: &'static str,
    pub takes: Type,
    /// The kinds of its section that it means something for; all if empty.
    pub kinds: &'static [&'static str],
    /// Whether a station file has to say it, where it means something.
    pub needed: bool,
    /// Of a number.
    pub limits: Option<AllowedRange>,
    pub default: Default,
    /// What it is, for the sample and the documentation.
    pub meaning: &'static str,
    /// The value in the sample file.
    pub sample: &'static str,
    /// Whether it stands in the sample file as more than a comment.
    pub is_in_force: bool,
}

/// What a value has to be.
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

/// The smallest and the largest number allowed.
#[derive(Clone, Copy, Debug)]
pub struct AllowedRange {
    pub low: f64,
    pub high: f64,
    /// Empty for a mere number.
    pub unit: &'static str,
}

/// What counts where a station file doesn't say.
#[derive(Clone, Copy, Debug)]
pub enum Default {
    /// The other keys say; or it is needed.
    None,
    /// This value, as it would be written.
    Value(&'static str),
    /// What no value can say.
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

    /// A number that can't be written with a point.
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

    /// How the sample shows it, as a comment.
    const fn sample(mut self, value: &'static str) -> Self {
        self.sample = value;
        self
    }

    /// How the sample has it.
    const fn sample_in_force(mut self, value: &'static str) -> Self {
        self.sample = value;
        self.is_in_force = true;
        self
    }

    pub fn section(&self) -> &'static str {
        self.name.split('.').next().unwrap_or_default()
    }

    /// Its name under its section.
    pub fn short_name(&self) -> &'static str {
        self.name.split('.').next_back().unwrap_or_default()
    }
}

/// All keys, section by section. What is in `camera.controls` is the camera's own.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    [sight::KEYS, gate::KEYS, observers::KEYS]
        .into_iter()
        .flatten()
}

/// The sections that a station file must have.
pub const NEEDED_SECTIONS: [&str; 4] = ["bundle", "camera", "conveyor", "reject"];

/// The key of this name.
pub fn key(name: &str) -> Option<&'static Key> {
    keys().find(|key| key.name == name)
}

/// The limits of a declared number.
pub fn limits(name: &str) -> AllowedRange {
    // A test asks for those of each number.
    key(name)
        .and_then(|key| key.limits)
        .unwrap_or(AllowedRange {
            low: f64::NEG_INFINITY,
            high: f64::INFINITY,
            unit: "",
        })
}

/// The number that counts where a station file doesn't say.
pub fn usual(name: &str) -> f64 {
    match key(name).map(|key| key.default) {
        // A test reads each.
        Some(Default::Value(value)) => value.parse().unwrap_or_default(),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests;
