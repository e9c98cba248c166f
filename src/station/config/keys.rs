//! Refuses missing keys, unknown keys, and keys that the kind of their section does not use.

use std::path::Path;

use aecsad_program::printable::printable;

use super::ConfigError;
use super::declaration::{NEEDED_SECTIONS, keys};

pub fn reject_missing(table: &toml::Table, path: &Path) -> Result<(), ConfigError> {
    let missing = |sentence: String| {
        Err(ConfigError::Contradiction {
            path: path.into(),
            sentence,
        })
    };
    for section in NEEDED_SECTIONS {
        if !table.contains_key(section) {
            return missing(format!(
                "the section [{section}] is missing: add it, calibration/station.toml shows its keys"
            ));
        }
    }
    for key in keys().filter(|key| key.needed) {
        let (section, name, kinds) = (key.section(), key.short_name(), key.kinds);
        let Some(content) = table.get(section).and_then(toml::Value::as_table) else {
            continue;
        };
        let kind = content.get("kind").and_then(toml::Value::as_str);
        let needed = kinds.is_empty() || kind.is_some_and(|kind| kinds.contains(&kind));
        if needed && !content.contains_key(name) {
            let with = match kinds {
                [] => String::new(),
                _ => format!(
                    ", which `{section}.kind = \"{}\"` needs",
                    kind.unwrap_or_default()
                ),
            };
            return missing(format!(
                "`{}` is missing{with}: add it under [{section}]",
                key.name
            ));
        }
    }
    Ok(())
}

pub fn reject_unknown(table: &toml::Table, path: &Path) -> Result<(), ConfigError> {
    let unknown = |key: String, known: &mut dyn Iterator<Item = &'static str>| {
        let nearest = known
            .map(|k| (strsim::damerau_levenshtein(k, &key), k))
            .min();
        let hint = match nearest {
            Some((distance, near)) if distance <= 4 => format!(": did you mean `{near}`?"),
            _ => ": remove it".into(),
        };
        Err(ConfigError::UnknownKey {
            path: path.into(),
            key: printable(&key).into_owned(),
            hint,
        })
    };
    let mut sections: Vec<&str> = keys().map(|key| key.section()).collect();
    sections.dedup();
    for (section, content) in table {
        if !sections.contains(&section.as_str()) {
            return unknown(section.clone(), &mut sections.into_iter());
        }
        for key in content.as_table().into_iter().flat_map(toml::Table::keys) {
            let key = format!("{section}.{key}");
            if !keys().any(|known| known.name == key) {
                return unknown(key, &mut keys().map(|key| key.name));
            }
        }
    }
    Ok(())
}

/// Refuses a key that the kind of its section does not use.
pub fn reject_foreign(table: &toml::Table, path: &Path) -> Result<(), ConfigError> {
    for key in keys().filter(|key| !key.kinds.is_empty()) {
        let (section, name, kinds) = (key.section(), key.short_name(), key.kinds);
        let Some(content) = table.get(section).and_then(toml::Value::as_table) else {
            continue;
        };
        let kind = content.get("kind").and_then(toml::Value::as_str);
        if let Some(kind) = kind
            && content.contains_key(name)
            && !kinds.contains(&kind)
        {
            return Err(ConfigError::Contradiction {
                path: path.into(),
                sentence: format!(
                    "`{}` means nothing for `{section}.kind = \"{kind}\"`, only for {}: remove it or correct the kind",
                    key.name,
                    kinds.join(" and ")
                ),
            });
        }
    }
    Ok(())
}
