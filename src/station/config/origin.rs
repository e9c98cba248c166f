//! The keys of a station file with the value that each has, and where it comes from.

use std::path::Path;

use aecsad_program::text_file;
use serde::Serialize;

use super::ConfigError;
use super::declaration::{Default, Key, keys};

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeyValue {
    pub key: &'static str,
    /// As a station file would contain it, or in words.
    pub value: String,
    /// `station file` or `default`.
    pub origin: &'static str,
    pub meaning: &'static str,
    pub unit: &'static str,
}

/// All keys that count for the kinds of this station file. The file was checked when the station started.
pub fn key_values(path: &Path) -> Result<Vec<KeyValue>, ConfigError> {
    let text = super::read(path)?;
    let table: toml::Table = text_file::toml(&text).map_err(|mistake| ConfigError::Malformed {
        path: path.into(),
        mistake,
    })?;
    Ok(keys().filter_map(|key| key_value(key, &table)).collect())
}

fn key_value(key: &Key, table: &toml::Table) -> Option<KeyValue> {
    let section = table.get(key.section()).and_then(toml::Value::as_table);
    let set = section.and_then(|section| section.get(key.short_name()));
    let kind = section.and_then(|section| section.get("kind")?.as_str());
    let counts = key.kinds.is_empty() || kind.is_some_and(|kind| key.kinds.contains(&kind));
    let (value, origin) = match (set, key.default) {
        (Some(value), _) => (value.to_string(), "station file"),
        (None, Default::Value(value) | Default::Words(value)) if counts => {
            (value.to_owned(), "default")
        }
        _ => return None,
    };
    Some(KeyValue {
        key: key.name,
        value,
        origin,
        meaning: key.meaning,
        unit: key.limits.map_or("", |limits| limits.unit),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_the_file_s_or_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("station.toml");
        let text = "[camera]\nkind = 'folder'\npath = 'parts'\n[journal]\npath = 'journal'\nrecords = 5e3\n";
        std::fs::write(&path, text).unwrap();
        let values = key_values(&path).unwrap();
        let value = |key: &str| {
            let found = values.iter().find(|value| value.key == key)?;
            Some((found.value.as_str(), found.origin))
        };
        assert_eq!(value("journal.records"), Some(("5000.0", "station file")));
        assert_eq!(value("journal.images_mb"), Some(("500", "default")));
        assert_eq!(value("camera.path"), Some(("\"parts\"", "station file")));
        // Of another kind of camera.
        assert_eq!(value("camera.device"), None);
    }
}
