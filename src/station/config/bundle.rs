//! The `[bundle]` section of the station file: the bundle's place and the keys that it must be signed with.

use std::fmt;
use std::path::{Path, PathBuf};

use aecsad_inspect::bundle::{Bundle, BundleError, KeyRing, PublicKey, Trust};
use aecsad_program::text_file;
use serde::Deserialize;

use super::ConfigError;
use super::declaration::{AllowedRange, limits, usual};
use crate::calibration::CalibrationError;
use crate::slots::Slots;
use crate::station::JudgeError;

/// A checked section. Paths are as seen from the working directory.
#[derive(Clone, Debug, PartialEq)]
pub struct BundleConfig {
    pub source: BundleSource,
    /// Folder of the public keys whose bundles are accepted.
    pub keys: Option<PathBuf>,
    /// The demo's bundle is accepted as well.
    pub demo: bool,
    /// The station's own scale and threshold: a file, with slots a folder of one file a product.
    pub calibration: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum BundleSource {
    /// One file, put there by hand.
    File(PathBuf),
    /// What `aecsad flash` fills.
    Slots {
        folder: PathBuf,
        /// Parts that a new bundle is on trial for.
        trial_parts: u32,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BundleSection {
    path: Option<PathBuf>,
    slots: Option<PathBuf>,
    keys: Option<PathBuf>,
    trial_parts: Option<u32>,
    #[serde(default)]
    demo: bool,
    calibration: Option<PathBuf>,
}

const TRIAL_PARTS: &str = "bundle.trial_parts";

impl BundleSection {
    /// `path` is the station file's.
    pub(super) fn check(self, path: &Path) -> Result<BundleConfig, ConfigError> {
        let contradiction = |sentence: &str| ConfigError::Contradiction {
            path: path.into(),
            sentence: sentence.into(),
        };
        let here = path.parent().unwrap_or(Path::new(""));
        let source = match (self.path, self.slots) {
            (Some(file), None) => {
                if self.trial_parts.is_some() {
                    return Err(contradiction(
                        "`bundle.trial_parts` has no meaning with `bundle.path`: use `bundle.slots`, or remove it",
                    ));
                }
                BundleSource::File(here.join(file))
            }
            (None, Some(folder)) => {
                if self.keys.is_none() {
                    return Err(contradiction(
                        "`bundle.slots` takes signed bundles only: name the folder of public keys as `bundle.keys`",
                    ));
                }
                let trial_parts = self.trial_parts.unwrap_or(usual(TRIAL_PARTS) as u32);
                let AllowedRange { low, high, unit } = limits(TRIAL_PARTS);
                if !(low..=high).contains(&f64::from(trial_parts)) {
                    return Err(ConfigError::OutOfRange {
                        path: path.into(),
                        key: TRIAL_PARTS,
                        value: trial_parts.into(),
                        unit,
                        low,
                        high,
                    });
                }
                BundleSource::Slots {
                    folder: here.join(folder),
                    trial_parts,
                }
            }
            _ => {
                return Err(contradiction(
                    "give either `bundle.path`, one file, or `bundle.slots`, the folder that `aecsad flash` fills",
                ));
            }
        };
        Ok(BundleConfig {
            source,
            keys: self.keys.map(|keys| here.join(keys)),
            demo: self.demo,
            calibration: self.calibration.map(|path| here.join(path)),
        })
    }
}

impl BundleConfig {
    /// Reads this section without checking the others, because flashing needs no camera.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        #[derive(Deserialize)]
        struct Only {
            bundle: BundleSection,
        }
        let text = super::read(path)?;
        let only: Only = text_file::toml(&text).map_err(|mistake| ConfigError::Malformed {
            path: path.into(),
            mistake,
        })?;
        only.bundle.check(path)
    }

    /// The bundle that the station would start with, without starting anything.
    pub fn read(&self) -> Result<Bundle, JudgeError> {
        let trust = self.trust()?;
        match &self.source {
            BundleSource::File(path) => Ok(Bundle::read(path, &trust)?),
            BundleSource::Slots { folder, .. } => Ok(Slots::look(folder)?.start(&trust)?.bundle),
        }
    }

    /// The path of the station's own calibration for `product`, if the station file names one.
    pub fn calibration_place(&self, product: &str) -> Result<Option<PathBuf>, CalibrationError> {
        let Some(place) = self.calibration.clone() else {
            return Ok(None);
        };
        match self.source {
            BundleSource::File(_) if place.is_dir() => Err(CalibrationError::NotAFile(place)),
            BundleSource::File(_) => Ok(Some(place)),
            BundleSource::Slots { .. } if place.is_file() => {
                Err(CalibrationError::NotAFolder(place))
            }
            // A product's name contains no slash and doesn't start with a dot, so this path stays in the folder.
            BundleSource::Slots { .. } => Ok(Some(place.join(format!("{product}.toml")))),
        }
    }

    pub fn has_slots(&self) -> bool {
        matches!(self.source, BundleSource::Slots { .. })
    }

    /// The keys that this station accepts, read from its key folder now.
    pub fn trust(&self) -> Result<Trust, BundleError> {
        match &self.keys {
            Some(folder) => {
                let mut ring = KeyRing::from_folder(folder)?;
                if self.demo {
                    ring.add(PublicKey::demo()?);
                }
                Ok(Trust::Keys(ring))
            }
            None if self.demo => Ok(Trust::Anyone),
            None => Ok(Trust::AnyoneButDemo),
        }
    }
}

impl fmt::Display for BundleConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            BundleSource::File(path) => path.display().fmt(f),
            BundleSource::Slots { folder, .. } => {
                write!(f, "current in the folder of slots {}", folder.display())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(section: &str) -> Result<BundleConfig, String> {
        let section: BundleSection = toml::from_str(section).map_err(|e| e.to_string())?;
        let checked = section.check(Path::new("line 3/station.toml"));
        checked.map_err(|e| e.to_string())
    }

    #[test]
    fn a_file_or_slots() {
        let file = parsed("path = 'a.aecsad'").unwrap();
        assert_eq!(file.source, BundleSource::File("line 3/a.aecsad".into()));
        assert!(matches!(file.trust(), Ok(Trust::AnyoneButDemo)));
        let slots = parsed("slots = 'slots'\nkeys = 'keys'").unwrap();
        let folder = "line 3/slots".into();
        let trial_parts = crate::slots::trial::PARTS;
        assert_eq!(
            slots.source,
            BundleSource::Slots {
                folder,
                trial_parts
            }
        );
        assert!(slots.trust().is_err(), "the folder of keys is not there");
    }

    #[test]
    fn contradictions_are_said() {
        for (section, said) in [
            ("", "give either"),
            ("path = 'a'\nslots = 'b'\nkeys = 'k'", "give either"),
            ("slots = 'b'", "bundle.keys"),
            ("path = 'a'\ntrial_parts = 3", "has no meaning"),
            (
                "slots = 'b'\nkeys = 'k'\ntrial_parts = 0",
                "allowed is 1 to 100000",
            ),
        ] {
            let error = parsed(section).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
