//! The station file: everything that differs from one line to the next. It is checked as a whole before anything
//! starts, and each mistake is one sentence that names the key.

mod bounds;
pub mod bundle;
mod check;
pub mod declaration;
mod file;
mod keys;
pub mod origin;
mod types;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aecsad_inspect::optics::Region;
use aecsad_program::inputs;
use aecsad_program::text_file::{self, Mistake, TextError};

use crate::camera::presence::Presence;
use crate::camera::sensor::Edge;
use crate::camera::v4l2::V4l2Settings;
use crate::engines::EngineSettings;
use crate::line::{Conveyor, Policies};
use crate::reject::RejectSettings;
use bundle::{BundleConfig, BundleSource};

/// No station file is larger.
const MAX_BYTES: u64 = 1 << 20;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{}", missing(.0))]
    Missing(PathBuf),
    #[error("the station file {path} can't be used: {source}")]
    Unreadable { path: PathBuf, source: TextError },
    #[error("{}, line {}: {}", path.display(), mistake.line, mistake.reason)]
    Malformed { path: PathBuf, mistake: Mistake },
    #[error("{path}: unknown key `{key}`{hint}")]
    UnknownKey {
        path: PathBuf,
        key: String,
        /// The nearest known key as the end of the sentence, or empty.
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

/// The station file in the working directory, and the one of an installed station.
const LOCAL: &str = "station.toml";
pub const INSTALLED: &str = "/etc/aecsad/station.toml";

/// The station file where none is named: the one in `here`, else the installed one.
pub fn station_file(here: &Path, installed: &Path) -> PathBuf {
    let there = |path: &Path| path.symlink_metadata().is_ok();
    match !there(&here.join(LOCAL)) && there(installed) {
        true => installed.into(),
        false => LOCAL.into(),
    }
}

fn missing(path: &Path) -> String {
    match path == Path::new(LOCAL) {
        true => format!(
            "there is neither a station file {LOCAL} in this folder nor {INSTALLED}: name one with --config"
        ),
        false => format!(
            "there is no station file {}: name one with --config",
            path.display()
        ),
    }
}

/// A checked station file. Paths are as seen from the working directory.
#[derive(Clone, Debug)]
pub struct StationConfig {
    pub bundle: BundleConfig,
    pub camera: CameraConfig,
    pub trigger: TriggerConfig,
    /// The region to inspect; `None` for the whole frame.
    pub region: Option<Region>,
    /// The picture of an evenly lit sheet that each frame is corrected by.
    pub flat_field: Option<PathBuf>,
    pub conveyor: Conveyor,
    /// The kernel counter that the belt's encoder is wired to, if it isn't wired to the actuator.
    pub counter: Option<PathBuf>,
    pub reject: RejectSettings,
    /// How long after its pulse the sensor behind the gate sees a part, if there is one.
    pub confirm_within: Option<Duration>,
    pub policies: Policies,
    pub journal: Option<JournalConfig>,
    /// Where the metrics are served, if anywhere.
    pub monitor: Option<MonitorConfig>,
    /// When the shifts start, minutes after midnight, local time.
    pub shifts: Vec<u16>,
    pub watchdog: WatchdogConfig,
    pub system: SystemConfig,
    /// What runs the networks.
    pub engine: EngineSettings,
}

#[derive(Clone, Debug)]
pub enum CameraConfig {
    /// The images of a folder, in the order of their names, at a steady rate.
    Folder {
        path: PathBuf,
        period: Duration,
    },
    V4l2(V4l2Settings),
}

#[derive(Clone, Debug)]
pub enum TriggerConfig {
    /// Each frame is a part.
    Frame,
    Presence(Presence),
    Gpio {
        chip: PathBuf,
        line: u32,
        edge: Edge,
        debounce: Duration,
        wait: SensorWait,
    },
    Serial {
        device: PathBuf,
        baud: u32,
        wait: SensorWait,
    },
}

/// The delays from a sensor's signal to the part's frame.
#[derive(Clone, Copy, Debug)]
pub struct SensorWait {
    /// The time until the part is in front of the camera.
    pub delay: Duration,
    /// How much later a frame may be and still show the part.
    pub patience: Duration,
}

#[derive(Clone, Debug)]
pub struct JournalConfig {
    /// A folder of its own.
    pub path: PathBuf,
    /// Parts kept in the journal, the latest.
    pub records: u64,
    /// The most bytes for pictures of parts that were not good.
    pub images_bytes: u64,
    /// The most bytes for pictures of good parts.
    pub samples_bytes: u64,
    /// One good part in so many is pictured; none if 0.
    pub sample_every: u32,
    /// Good parts with a score of at least this share of the threshold are pictured; none if 1.
    pub borderline: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonitorConfig {
    pub address: SocketAddr,
    /// Whether the station file names the address. The default address may be in use, and the line goes on without
    /// metrics.
    pub requested: bool,
}

impl MonitorConfig {
    fn requested(address: SocketAddr) -> Self {
        MonitorConfig {
            address,
            requested: true,
        }
    }

    fn default_address() -> Self {
        MonitorConfig {
            address: SocketAddr::from(([127, 0, 0, 1], 9464)),
            requested: false,
        }
    }
}

#[derive(Clone, Debug)]
pub struct WatchdogConfig {
    /// The machine's watchdog, if it is used. systemd's is always used where there is one.
    pub device: Option<PathBuf>,
    /// How long a thread, the camera or the gate may make no progress.
    pub patience: Duration,
}

#[derive(Clone, Copy, Debug)]
pub struct SystemConfig {
    /// Real-time priority of the threads, 0 for none.
    pub priority: u8,
    pub lock_memory: bool,
    /// How many threads compute a verdict.
    pub threads: usize,
}

impl StationConfig {
    /// Reads a station file. From here on no output is written over it or over a file that it names to be read.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let config = Self::parse(&read(path)?, path)?;
        config
            .inputs(path)
            .iter()
            .for_each(|path| inputs::keep(path));
        Ok(config)
    }

    /// The files that a station reads, this station file at `path` among them.
    fn inputs(&self, path: &Path) -> Vec<PathBuf> {
        let bundle = match &self.bundle.source {
            BundleSource::File(bundle) => Some(bundle.clone()),
            BundleSource::Slots { .. } => None,
        };
        let files = [Some(path.into()), bundle, self.flat_field.clone()];
        files.into_iter().flatten().collect()
    }

    /// `path` is the station file's; relative paths in the text start from its folder.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let malformed = |mistake: Mistake| ConfigError::Malformed {
            path: path.into(),
            mistake,
        };
        let table: toml::Table = text_file::toml(text).map_err(malformed)?;
        keys::reject_unknown(&table, path)?;
        types::reject_wrong(text).map_err(malformed)?;
        keys::reject_foreign(&table, path)?;
        keys::reject_missing(&table, path)?;
        let file: file::StationFile = text_file::toml(text).map_err(malformed)?;
        check::Checker::new(path).check(file)
    }
}

/// The text of a station file.
pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    text_file::read(path, MAX_BYTES).map_err(|source| match source.is_missing() {
        true => ConfigError::Missing(path.into()),
        false => ConfigError::Unreadable {
            path: path.into(),
            source,
        },
    })
}

#[cfg(test)]
mod each_key;
#[cfg(test)]
mod tests;
