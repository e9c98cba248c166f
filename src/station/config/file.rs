//! The station file as it is written, before anything is checked.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::bundle::BundleSection;
use super::declaration::usual;
use crate::camera::presence::BeltAxis;
use crate::camera::sensor::Edge;
use crate::engines::EngineRequest;
use crate::line::OnTrouble;
use crate::serial::Parity;

#[derive(Deserialize)]
pub struct StationFile {
    pub bundle: BundleSection,
    pub camera: CameraSection,
    #[serde(default)]
    pub trigger: TriggerSection,
    #[serde(default)]
    pub optics: OpticsSection,
    pub conveyor: ConveyorSection,
    pub reject: RejectSection,
    #[serde(default)]
    pub policy: PolicySection,
    pub journal: Option<JournalSection>,
    #[serde(default)]
    pub monitor: MonitorSection,
    #[serde(default)]
    pub watchdog: WatchdogSection,
    #[serde(default)]
    pub system: SystemSection,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum CameraSection {
    Folder {
        path: PathBuf,
        rate_per_min: f64,
    },
    V4l2 {
        device: PathBuf,
        width: f64,
        height: f64,
        format: String,
        frame_rate: Option<f64>,
        shift: Option<f64>,
        stall_ms: Option<f64>,
        #[serde(default)]
        controls: BTreeMap<String, ControlValue>,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
pub enum ControlValue {
    Switch(bool),
    Number(i64),
}

#[derive(Default, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum TriggerSection {
    #[default]
    Frame,
    Presence {
        belt_level: f64,
        contrast: f64,
        #[serde(default = "default_share")]
        share: f64,
        #[serde(default = "default_at")]
        at: f64,
        #[serde(default)]
        axis: BeltAxis,
    },
    Gpio {
        chip: PathBuf,
        line: u32,
        #[serde(default)]
        edge: Edge,
        #[serde(default)]
        debounce_ms: f64,
        #[serde(default)]
        delay_ms: f64,
        wait_ms: f64,
    },
    Serial {
        device: PathBuf,
        #[serde(default = "default_sensor_baud")]
        baud: u32,
        #[serde(default)]
        delay_ms: f64,
        wait_ms: f64,
    },
}

fn default_share() -> f64 {
    usual("trigger.share")
}

fn default_at() -> f64 {
    usual("trigger.at")
}

fn default_sensor_baud() -> u32 {
    usual("trigger.baud") as u32
}

#[derive(Default, Deserialize)]
pub struct OpticsSection {
    /// Left, top, width and height in pixels.
    pub region: Option<[u32; 4]>,
    pub flat_field: Option<PathBuf>,
}

#[derive(Deserialize)]
pub struct ConveyorSection {
    pub speed_mm_s: Option<f64>,
    pub distance_mm: Option<f64>,
    pub travel_ms: Option<f64>,
    /// "link", or a counter's file.
    pub encoder: Option<PathBuf>,
    pub counts_per_mm: Option<f64>,
    #[serde(default)]
    pub part_mm: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RejectKind {
    Framed,
    Modbus,
    Lcus,
    Kmtronic,
}

#[derive(Deserialize)]
pub struct RejectSection {
    pub kind: RejectKind,
    pub device: PathBuf,
    pub baud: Option<u32>,
    #[serde(default)]
    pub parity: Parity,
    pub stop_bits: Option<f64>,
    pub pulse_ms: f64,
    #[serde(default)]
    pub lead_ms: f64,
    #[serde(default = "default_margin_ms")]
    pub margin_ms: f64,
    pub unit: Option<f64>,
    pub coil: Option<f64>,
    pub channel: Option<f64>,
    pub confirm_within_ms: Option<f64>,
    pub confirm_input: Option<f64>,
}

fn default_margin_ms() -> f64 {
    usual("reject.margin_ms")
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnLoss {
    #[default]
    Alarm,
    Stop,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct PolicySection {
    pub late: OnTrouble,
    pub queue_full: OnTrouble,
    pub engine_error: OnTrouble,
    pub camera_lost: OnLoss,
    pub gate_lost: OnLoss,
    pub rejects_in_a_row: Option<f64>,
}

#[derive(Deserialize)]
pub struct JournalSection {
    pub path: PathBuf,
    #[serde(default = "default_records")]
    pub records: f64,
    #[serde(default = "default_images_mb")]
    pub images_mb: f64,
    #[serde(default = "default_sample_every")]
    pub sample_every: f64,
    #[serde(default = "default_borderline")]
    pub borderline: f64,
    #[serde(default = "default_samples_mb")]
    pub samples_mb: f64,
}

fn default_records() -> f64 {
    usual("journal.records")
}

fn default_images_mb() -> f64 {
    usual("journal.images_mb")
}

fn default_sample_every() -> f64 {
    usual("journal.sample_every")
}

fn default_borderline() -> f64 {
    usual("journal.borderline")
}

fn default_samples_mb() -> f64 {
    usual("journal.samples_mb")
}

#[derive(Default, Deserialize)]
pub struct MonitorSection {
    pub listen: Option<String>,
    pub shifts: Option<String>,
}

#[derive(Deserialize)]
#[serde(default)]
pub struct WatchdogSection {
    pub device: Option<PathBuf>,
    pub patience_s: f64,
}

impl Default for WatchdogSection {
    fn default() -> Self {
        WatchdogSection {
            device: None,
            patience_s: usual("watchdog.patience_s"),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct SystemSection {
    pub priority: f64,
    pub lock_memory: bool,
    pub threads: Option<f64>,
    pub engine: EngineRequest,
    pub half_precision: bool,
    pub plans: Option<PathBuf>,
}
