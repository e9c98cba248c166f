//! The kind of anomaly that an image shows, as its folder says.

use serde::{Deserialize, Serialize};

/// What a test image is known to show. The names are those of MVTec LOCO AD's folders under `test/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Good,
    /// A part missing, surplus or in the wrong place, each piece of it sound.
    Logical,
    /// Damage: a scratch, a dent, contamination.
    Structural,
}

impl Kind {
    pub const ANOMALOUS: [Kind; 2] = [Kind::Logical, Kind::Structural];

    /// The folder under `test/` and `ground_truth/`.
    pub fn folder(self) -> &'static str {
        match self {
            Kind::Good => "good",
            Kind::Logical => "logical_anomalies",
            Kind::Structural => "structural_anomalies",
        }
    }

    /// The word in tables and charts.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Good => "good",
            Kind::Logical => "logical",
            Kind::Structural => "structural",
        }
    }
}
