//! Every key there is, and what kind of camera, trigger or gate it belongs to.

use std::path::Path;

use aecsad_program::printable::printable;

use super::ConfigError;

/// As `section.key`. What is in `camera.controls` is the camera's own.
pub const KEYS: [&str; 67] = [
    "bundle.path",
    "bundle.slots",
    "bundle.keys",
    "bundle.trial_parts",
    "bundle.demo",
    "bundle.calibration",
    "camera.kind",
    "camera.path",
    "camera.rate_per_min",
    "camera.device",
    "camera.width",
    "camera.height",
    "camera.format",
    "camera.frame_rate",
    "camera.shift",
    "camera.stall_ms",
    "camera.controls",
    "trigger.kind",
    "trigger.belt_level",
    "trigger.contrast",
    "trigger.share",
    "trigger.at",
    "trigger.axis",
    "trigger.chip",
    "trigger.line",
    "trigger.edge",
    "trigger.debounce_ms",
    "trigger.device",
    "trigger.baud",
    "trigger.delay_ms",
    "trigger.wait_ms",
    "optics.region",
    "optics.flat_field",
    "conveyor.speed_mm_s",
    "conveyor.distance_mm",
    "conveyor.travel_ms",
    "conveyor.encoder",
    "conveyor.counts_per_mm",
    "conveyor.part_mm",
    "reject.kind",
    "reject.device",
    "reject.baud",
    "reject.parity",
    "reject.stop_bits",
    "reject.pulse_ms",
    "reject.lead_ms",
    "reject.margin_ms",
    "reject.unit",
    "reject.coil",
    "reject.channel",
    "reject.confirm_within_ms",
    "reject.confirm_input",
    "policy.late",
    "policy.queue_full",
    "policy.engine_error",
    "policy.camera_lost",
    "policy.gate_lost",
    "policy.rejects_in_a_row",
    "journal.path",
    "journal.records",
    "journal.images_mb",
    "monitor.listen",
    "watchdog.device",
    "watchdog.patience_s",
    "system.priority",
    "system.lock_memory",
    "system.threads",
];

/// Keys that mean something for some kinds of their section only.
const OF_KINDS: [(&str, &[&str]); 26] = [
    ("camera.path", &["folder"]),
    ("camera.rate_per_min", &["folder"]),
    ("camera.device", &["v4l2"]),
    ("camera.width", &["v4l2"]),
    ("camera.height", &["v4l2"]),
    ("camera.format", &["v4l2"]),
    ("camera.frame_rate", &["v4l2"]),
    ("camera.shift", &["v4l2"]),
    ("camera.stall_ms", &["v4l2"]),
    ("camera.controls", &["v4l2"]),
    ("trigger.belt_level", &["presence"]),
    ("trigger.contrast", &["presence"]),
    ("trigger.share", &["presence"]),
    ("trigger.at", &["presence"]),
    ("trigger.axis", &["presence"]),
    ("trigger.chip", &["gpio"]),
    ("trigger.line", &["gpio"]),
    ("trigger.edge", &["gpio"]),
    ("trigger.debounce_ms", &["gpio"]),
    ("trigger.device", &["serial"]),
    ("trigger.baud", &["serial"]),
    ("trigger.delay_ms", &["gpio", "serial"]),
    ("trigger.wait_ms", &["gpio", "serial"]),
    ("reject.unit", &["modbus"]),
    ("reject.coil", &["modbus"]),
    ("reject.channel", &["lcus", "kmtronic"]),
];

/// Keys that each station file has, whatever its kinds, and those that a kind needs.
const NEEDED: [(&str, &[&str]); 18] = [
    ("camera.kind", &[]),
    ("camera.path", &["folder"]),
    ("camera.rate_per_min", &["folder"]),
    ("camera.device", &["v4l2"]),
    ("camera.width", &["v4l2"]),
    ("camera.height", &["v4l2"]),
    ("camera.format", &["v4l2"]),
    ("trigger.kind", &[]),
    ("trigger.belt_level", &["presence"]),
    ("trigger.contrast", &["presence"]),
    ("trigger.chip", &["gpio"]),
    ("trigger.line", &["gpio"]),
    ("trigger.device", &["serial"]),
    ("trigger.wait_ms", &["gpio", "serial"]),
    ("reject.kind", &[]),
    ("reject.device", &[]),
    ("reject.pulse_ms", &[]),
    ("journal.path", &[]),
];
const NEEDED_SECTIONS: [&str; 4] = ["bundle", "camera", "conveyor", "reject"];

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
    for (key, kinds) in NEEDED {
        let Some((section, name)) = key.split_once('.') else {
            continue;
        };
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
                "`{key}` is missing{with}: add it under [{section}]"
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
    let mut sections: Vec<&str> = KEYS.iter().filter_map(|k| k.split('.').next()).collect();
    sections.dedup();
    for (section, content) in table {
        if !sections.contains(&section.as_str()) {
            return unknown(section.clone(), &mut sections.into_iter());
        }
        for key in content.as_table().into_iter().flat_map(toml::Table::keys) {
            let key = format!("{section}.{key}");
            if !KEYS.contains(&key.as_str()) {
                return unknown(key, &mut KEYS.into_iter());
            }
        }
    }
    Ok(())
}

/// A key that its section's kind does not use was meant for something else.
pub fn reject_foreign(table: &toml::Table, path: &Path) -> Result<(), ConfigError> {
    for (key, kinds) in OF_KINDS {
        let Some((section, name)) = key.split_once('.') else {
            continue;
        };
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
                    "`{key}` means nothing for `{section}.kind = \"{kind}\"`, only for {}: remove it or correct the kind",
                    kinds.join(" and ")
                ),
            });
        }
    }
    Ok(())
}
