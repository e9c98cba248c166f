//! The sample file and the documentation are what the declaration says. To write both anew after a change:
//! `UPDATE_STATION_KEYS=1 cargo nextest run --workspace declaration`.

use std::path::Path;

use super::*;

const HEADER: &str = "| key | meaning | unit, range | default |\n|---|---|---|---|\n";
const SAMPLE: &str = "calibration/station.toml";
const DOCUMENT: &str = "docs/station.md";
const WIDTH: usize = 118;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn must_be(path: &str, found: String, declared: String) {
    if found != declared && std::env::var_os("UPDATE_STATION_KEYS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        std::fs::write(path, &declared).unwrap();
        return;
    }
    let differs = found.lines().zip(declared.lines()).find(|(a, b)| a != b);
    assert!(
        found == declared,
        "{path} is not what the declaration says: {differs:?}"
    );
}

fn range(key: &Key) -> String {
    let number = |v: f64| match v >= 1e8 {
        true => format!("{v:e}"),
        false => v.to_string(),
    };
    let words = match (key.limits, key.takes) {
        (Some(AllowedRange { low, high, .. }), _) => format!("{} to {}", number(low), number(high)),
        (None, Type::OneOf(words)) => words
            .iter()
            .map(|word| format!("`\"{word}\"`"))
            .collect::<Vec<_>>()
            .join(", "),
        (None, Type::Switch) => "`true`, `false`".into(),
        _ => String::new(),
    };
    let unit = key.limits.map_or("", |limits| limits.unit);
    match unit.is_empty() || unit.starts_with("of the") {
        true => words,
        false => format!("{unit}, {words}"),
    }
}

fn default(key: &Key) -> &'static str {
    match key.default {
        Default::Value(value) => value,
        Default::Words(words) => words,
        Default::None if key.needed => "needed",
        Default::None => "",
    }
}

fn of_kinds(key: &Key) -> String {
    match key.kinds {
        [] => String::new(),
        kinds => format!("{}: ", kinds.join(", ")),
    }
}

fn table() -> String {
    let row = |key: &Key| {
        let (kinds, meaning) = (of_kinds(key), key.meaning);
        let (range, default) = (range(key), default(key));
        let name = key.name;
        format!("| `{name}` | {kinds}{meaning} | {range} | {default} |\n")
    };
    keys().map(row).collect()
}

/// A comment of lines that are not too long.
fn comment(text: &str) -> String {
    let mut lines = vec![String::from("#")];
    for word in text.split(' ') {
        let line = lines.last_mut().unwrap();
        match line.chars().count() + 1 + word.chars().count() > WIDTH {
            true => lines.push(format!("# {word}")),
            false => *line = format!("{line} {word}"),
        }
    }
    lines.join("\n") + "\n"
}

fn sample() -> String {
    let mut text = comment(
        "One inspection station. Every key there is stands here, most of them as a comment; a relative path starts at this \
         file.",
    );
    let mut section = "";
    for key in keys() {
        if key.section() != section {
            section = key.section();
            text += &format!("\n[{section}]\n");
        }
        let mut said = of_kinds(key) + key.meaning;
        if said.starts_with(char::is_lowercase) && key.kinds.is_empty() {
            said = said[..1].to_uppercase() + &said[1..];
        }
        let range = range(key);
        let usual = match (key.needed, default(key)) {
            (false, default) if !default.is_empty() => format!("if left out: {default}"),
            _ => String::new(),
        };
        let limits: Vec<&str> = [&range[..], &usual]
            .into_iter()
            .filter(|words| !words.is_empty())
            .collect();
        said += &match limits.is_empty() {
            true => ".".into(),
            false => format!(" ({}).", limits.join("; ")),
        };
        let mark = if key.is_in_force { "" } else { "# " };
        text += &comment(&said);
        text += &format!("{mark}{} = {}\n", key.short_name(), key.sample);
    }
    text
}

#[test]
fn the_sample_file_is_what_is_declared() {
    must_be(SAMPLE, read(SAMPLE), sample());
}

#[test]
fn the_documented_table_is_what_is_declared() {
    let document = read(DOCUMENT);
    let start = document.find(HEADER).expect("the table's header") + HEADER.len();
    let length = document[start..].find("\n\n").unwrap() + 1;
    let declared = [&document[..start], &table(), &document[start + length..]].concat();
    must_be(DOCUMENT, document, declared);
}

#[test]
fn each_number_has_limits_and_each_default_is_a_value() {
    for key in keys() {
        let is_number = matches!(key.takes, Type::Number);
        assert!(!is_number || key.limits.is_some(), "{}", key.name);
        for value in [Some(key.sample), value(key.default)].into_iter().flatten() {
            let text = format!("value = {value}");
            assert!(toml::from_str::<toml::Table>(&text).is_ok(), "{}", key.name);
        }
        if let (Some(AllowedRange { low, high, .. }), Some(value)) =
            (key.limits, value(key.default))
        {
            let value: f64 = value.parse().unwrap();
            assert!((low..=high).contains(&value), "{}", key.name);
        }
    }
}

fn value(default: Default) -> Option<&'static str> {
    match default {
        Default::Value(value) => Some(value),
        Default::Words(_) | Default::None => None,
    }
}
