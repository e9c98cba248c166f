//! The station file: everything that differs from one line to the next. It is checked as a whole before anything starts,
//! and each mistake is one sentence that names the key.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::bundle_section::{BundleConfig, BundleSection};
use crate::line::{Conveyor, OnTrouble, Policies};
use crate::reject::framed::FramedSettings;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the station file {path} can't be read ({source}): name one with --config")]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path}, line {line}: {reason}")]
    Malformed {
        path: PathBuf,
        line: usize,
        reason: String,
    },
    #[error("{path}: unknown key `{key}`{hint}")]
    UnknownKey {
        path: PathBuf,
        key: String,
        /// Empty, or the nearest known key as the end of the sentence.
        hint: String,
    },
    #[error("{path}: `{key}` is {value} {unit}, allowed is {low} to {high}: correct it there")]
    OutOfRange {
        path: PathBuf,
        key: &'static str,
        value: f64,
        unit: &'static str,
        low: f64,
        high: f64,
    },
    #[error("{path}: {sentence}")]
    Contradiction { path: PathBuf, sentence: String },
}

/// A checked station file. Paths are as seen from the working directory.
#[derive(Clone, Debug)]
pub struct StationConfig {
    pub bundle: BundleConfig,
    pub camera: CameraConfig,
    pub conveyor: Conveyor,
    pub reject: FramedSettings,
    pub policies: Policies,
}

#[derive(Clone, Debug)]
pub enum CameraConfig {
    /// The images of a folder, in the order of their names, at a steady rate.
    Folder { path: PathBuf, period: Duration },
}

#[derive(Deserialize)]
struct StationFile {
    bundle: BundleSection,
    camera: CameraSection,
    conveyor: ConveyorSection,
    reject: RejectSection,
    #[serde(default)]
    policy: PolicySection,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum CameraSection {
    Folder { path: PathBuf, rate_per_min: f64 },
}

#[derive(Deserialize)]
struct ConveyorSection {
    speed_mm_s: Option<f64>,
    distance_mm: Option<f64>,
    travel_ms: Option<f64>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum RejectSection {
    Framed {
        device: PathBuf,
        #[serde(default = "default_baud")]
        baud: u32,
        pulse_ms: f64,
        #[serde(default)]
        lead_ms: f64,
        #[serde(default = "default_margin_ms")]
        margin_ms: f64,
    },
}

fn default_baud() -> u32 {
    115_200
}

fn default_margin_ms() -> f64 {
    40.0
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PolicySection {
    late: OnTrouble,
    queue_full: OnTrouble,
    engine_error: OnTrouble,
}

/// Every key there is, as `section.key`.
const KEYS: [&str; 20] = [
    "bundle.path",
    "bundle.slots",
    "bundle.keys",
    "bundle.trial_parts",
    "bundle.demo",
    "camera.kind",
    "camera.path",
    "camera.rate_per_min",
    "conveyor.speed_mm_s",
    "conveyor.distance_mm",
    "conveyor.travel_ms",
    "reject.kind",
    "reject.device",
    "reject.baud",
    "reject.pulse_ms",
    "reject.lead_ms",
    "reject.margin_ms",
    "policy.late",
    "policy.queue_full",
    "policy.engine_error",
];

const RATE_PER_MIN: RangeInclusive<f64> = 1.0..=6_000.0;
const SPEED_MM_S: RangeInclusive<f64> = 1.0..=20_000.0;
const DISTANCE_MM: RangeInclusive<f64> = 1.0..=100_000.0;
const TRAVEL_MS: RangeInclusive<f64> = 10.0..=600_000.0;
const BAUD: RangeInclusive<f64> = 1_200.0..=4_000_000.0;
const PULSE_MS: RangeInclusive<f64> = 1.0..=5_000.0;
const LEAD_MS: RangeInclusive<f64> = 0.0..=5_000.0;
const MARGIN_MS: RangeInclusive<f64> = 1.0..=5_000.0;

impl StationConfig {
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.into(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// `path` is where the text came from: relative paths in it start there.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let malformed = |error: toml::de::Error| {
            let before = &text[..error.span().map_or(0, |span| span.start.min(text.len()))];
            ConfigError::Malformed {
                path: path.into(),
                line: before.matches('\n').count() + 1,
                reason: error.message().replace('\n', " "),
            }
        };
        let table: toml::Table = toml::from_str(text).map_err(malformed)?;
        reject_unknown_keys(&table, path)?;
        let file: StationFile = toml::from_str(text).map_err(malformed)?;
        file.check(path)
    }
}

impl StationFile {
    fn check(self, path: &Path) -> Result<StationConfig, ConfigError> {
        let contradiction = |sentence: String| ConfigError::Contradiction {
            path: path.into(),
            sentence,
        };
        let within = |key, value: f64, allowed: RangeInclusive<f64>, unit| {
            // NaN is in no range.
            if allowed.contains(&value) {
                return Ok(value);
            }
            let (low, high) = allowed.into_inner();
            Err(ConfigError::OutOfRange {
                path: path.into(),
                key,
                value,
                unit,
                low,
                high,
            })
        };
        let here = path.parent().unwrap_or(Path::new(""));

        let CameraSection::Folder {
            path: folder,
            rate_per_min,
        } = self.camera;
        let rate_per_min = within(
            "camera.rate_per_min",
            rate_per_min,
            RATE_PER_MIN,
            "parts/min",
        )?;
        let period = Duration::from_secs_f64(60.0 / rate_per_min);

        let ConveyorSection {
            speed_mm_s,
            distance_mm,
            travel_ms,
        } = self.conveyor;
        let travel_ms = match (travel_ms, speed_mm_s, distance_mm) {
            (Some(travel_ms), None, None) => {
                within("conveyor.travel_ms", travel_ms, TRAVEL_MS, "ms")?
            }
            (None, Some(speed), Some(distance)) => {
                let speed = within("conveyor.speed_mm_s", speed, SPEED_MM_S, "mm/s")?;
                let distance = within("conveyor.distance_mm", distance, DISTANCE_MM, "mm")?;
                within(
                    "conveyor.distance_mm / conveyor.speed_mm_s",
                    distance / speed * 1e3,
                    TRAVEL_MS,
                    "ms",
                )?
            }
            _ => {
                return Err(contradiction(
                    "give either `conveyor.travel_ms`, or `conveyor.speed_mm_s` with `conveyor.distance_mm`".into(),
                ));
            }
        };

        let RejectSection::Framed {
            device,
            baud,
            pulse_ms,
            lead_ms,
            margin_ms,
        } = self.reject;
        within("reject.baud", f64::from(baud), BAUD, "baud")?;
        let pulse_ms = within("reject.pulse_ms", pulse_ms, PULSE_MS, "ms")?;
        let lead_ms = within("reject.lead_ms", lead_ms, LEAD_MS, "ms")?;
        let margin_ms = within("reject.margin_ms", margin_ms, MARGIN_MS, "ms")?;
        if lead_ms + margin_ms >= travel_ms {
            return Err(contradiction(format!(
                "a part is at the gate {travel_ms} ms after its picture, but `reject.lead_ms` and `reject.margin_ms` together are {} ms: move the gate or lower them",
                lead_ms + margin_ms
            )));
        }
        let period_ms = period.as_secs_f64() * 1e3;
        if pulse_ms >= period_ms {
            return Err(contradiction(format!(
                "`reject.pulse_ms` is {pulse_ms} ms, but parts come every {period_ms} ms: a longer pulse would hit the next part"
            )));
        }

        Ok(StationConfig {
            bundle: self.bundle.check(path)?,
            camera: CameraConfig::Folder {
                path: here.join(folder),
                period,
            },
            conveyor: Conveyor {
                travel: millis(travel_ms),
                lead: millis(lead_ms),
                margin: millis(margin_ms),
            },
            reject: FramedSettings {
                device: here.join(device),
                baud,
                pulse: millis(pulse_ms),
            },
            policies: Policies {
                late: self.policy.late,
                queue_full: self.policy.queue_full,
                engine_error: self.policy.engine_error,
            },
        })
    }
}

fn millis(ms: f64) -> Duration {
    Duration::from_secs_f64(ms / 1e3)
}

fn reject_unknown_keys(table: &toml::Table, path: &Path) -> Result<(), ConfigError> {
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
            key,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::station::bundle_section::BundleSource;

    const SAMPLE: &str = include_str!("../../calibration/station.toml");

    fn parse(text: &str) -> Result<StationConfig, ConfigError> {
        StationConfig::parse(text, Path::new("line 3/station.toml"))
    }

    fn sentence(from: &str, to: &str) -> String {
        assert!(SAMPLE.contains(from), "{from:?} is not in the sample");
        let error = parse(&SAMPLE.replacen(from, to, 1))
            .unwrap_err()
            .to_string();
        assert!(!error.contains('\n'), "{error}");
        error
    }

    #[test]
    fn the_sample_is_valid_and_documents_every_key() {
        let config = parse(SAMPLE).unwrap();
        let bundle = BundleSource::File("line 3/product.aecsad".into());
        assert_eq!(config.bundle.source, bundle);
        assert_eq!(config.reject.device, Path::new("/dev/ttyUSB0"));
        assert_eq!(config.conveyor.travel, Duration::from_millis(2_000));
        let mut section = "";
        let mut seen = Vec::new();
        for line in SAMPLE.lines() {
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                section = name;
            }
            // A key may stand in the sample as a comment, as the other of two choices.
            if let Some((key, _)) = line.trim_start_matches("# ").split_once(" = ") {
                seen.push(format!("{section}.{key}"));
            }
        }
        for key in KEYS {
            assert!(seen.iter().any(|k| k == key), "{key} is not in the sample");
        }
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_nearest() {
        let error = sentence("pulse_ms", "puls_ms");
        assert_eq!(
            error,
            "line 3/station.toml: unknown key `reject.puls_ms`: did you mean `reject.pulse_ms`?"
        );
        let error = sentence("[policy]", "[polcy]");
        assert!(
            error.ends_with("unknown key `polcy`: did you mean `policy`?"),
            "{error}"
        );
        let error = sentence("[policy]", "[policy]\nmaximum_temperature = 3");
        assert!(
            error.ends_with("`policy.maximum_temperature`: remove it"),
            "{error}"
        );
    }

    #[test]
    fn a_value_out_of_range_is_answered_with_the_range() {
        assert_eq!(
            sentence("rate_per_min = 120", "rate_per_min = 0"),
            "line 3/station.toml: `camera.rate_per_min` is 0 parts/min, allowed is 1 to 6000: correct it there"
        );
        for (from, to) in [
            ("rate_per_min = 120", "rate_per_min = nan"),
            ("rate_per_min = 120", "rate_per_min = -inf"),
            ("speed_mm_s = 200", "speed_mm_s = 0"),
            ("distance_mm = 400", "distance_mm = 1e9"),
            ("baud = 115200", "baud = 1"),
            ("pulse_ms = 40", "pulse_ms = 6000"),
            ("lead_ms = 15", "lead_ms = -1"),
            ("margin_ms = 40", "margin_ms = 0"),
        ] {
            let error = sentence(from, to);
            assert!(error.contains("allowed is"), "{error}");
        }
    }

    #[test]
    fn contradictions_and_wrong_types_are_named() {
        let error = sentence("speed_mm_s = 200", "travel_ms = 100");
        assert!(error.contains("give either"), "{error}");
        let error = sentence("pulse_ms = 40", "pulse_ms = 500");
        assert!(error.contains("would hit the next part"), "{error}");
        let error = sentence("lead_ms = 15", "lead_ms = 1990");
        assert!(error.contains("move the gate"), "{error}");
        let error = sentence("late = \"reject\"", "late = \"maybe\"");
        assert!(
            error.contains("line ") && error.contains("maybe"),
            "{error}"
        );
        let error = sentence("pulse_ms = 40", "pulse_ms = \"long\"");
        assert!(error.contains("line "), "{error}");
        let error = sentence("kind = \"folder\"", "kind = \"webcam\"");
        assert!(error.contains("webcam"), "{error}");
        let error = sentence("[bundle]", "[bundle");
        assert!(error.contains("line "), "{error}");
        let error = sentence("path = \"product.aecsad\"", "");
        assert!(error.contains("give either `bundle.path`"), "{error}");
    }
}
