//! What the foundation models are run with. The defaults are the paper's.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::tags::Tag;
use crate::paper::Device;

/// Which files are run, where, and how.
#[derive(Clone, Debug)]
pub struct FoundationOptions {
    /// Folder of the models.
    pub models: PathBuf,
    /// ONNX Runtime's library; the system's if none.
    pub onnxruntime: Option<PathBuf>,
    pub device: Device,
    /// What to look for; RAM++ finds it if none.
    pub tags: Option<Vec<Tag>>,
    /// Which of RAM++'s words are no parts; that of the models' folder or the one built in if none.
    pub tag_filter: Option<PathBuf>,
    /// Weights of WideResNet-50-2 by which parts are distinguished; EfficientNet-Lite0's if none.
    pub backbone: Option<PathBuf>,
    pub settings: Settings,
}

/// All thresholds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    pub boxes: BoxSettings,
    pub automatic: AutomaticSettings,
    pub filter: FilterSettings,
}

/// Which of GroundingDINO's boxes are believed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoxSettings {
    /// The most probable word piece must be above it.
    pub threshold: f32,
    /// The most probable piece of a tag must be above it, or the box has no name and is dropped.
    pub text_threshold: f32,
    /// A box that overlaps a better one by more is dropped (intersection over union).
    pub overlap: f32,
}

impl Default for BoxSettings {
    fn default() -> Self {
        Self {
            threshold: 0.3,
            text_threshold: 0.25,
            overlap: 0.5,
        }
    }
}

/// Which of SAM's masks are candidates when it is not prompted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AutomaticSettings {
    /// Points along each side of the grid.
    pub points: usize,
    /// Points that are prompted at once.
    pub batch: usize,
    pub least_quality: f32,
    /// Of a mask against itself at a stricter and a looser threshold.
    pub least_stability: f32,
    /// How much stricter and looser, in logits.
    pub stability_offset: f32,
    /// A mask whose box overlaps that of a better one by more is dropped.
    pub overlap: f32,
    /// Holes and islands of fewer pixels are closed and removed.
    pub least_region: usize,
}

impl Default for AutomaticSettings {
    fn default() -> Self {
        Self {
            points: 32,
            batch: 64,
            least_quality: 0.88,
            least_stability: 0.96,
            stability_offset: 1.0,
            overlap: 0.7,
            least_region: 500,
        }
    }
}

/// Which candidates are parts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FilterSettings {
    /// A candidate that overlaps the background by so much is none.
    pub background: f32,
    /// A candidate must overlap an object by more.
    pub object: f32,
    /// A mask that smaller ones cover by so much adds nothing.
    pub covered: f32,
    /// A mask below this share of the image is noise.
    pub least_share: f32,
    /// Pieces of no more pixels are dropped.
    pub least_piece: usize,
}

impl Default for FilterSettings {
    fn default() -> Self {
        Self {
            background: 0.95,
            object: 0.9,
            covered: 0.9,
            least_share: 0.001,
            least_piece: 50,
        }
    }
}
