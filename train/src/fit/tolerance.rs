//! Which harmless changes of the picture a bundle tolerates: another lamp, another exposure, focus and coding. For each
//! the furthest step at which nine in ten good parts are still accepted.

use std::fmt::Write;

use aecsad_inspect::frame::Frame;
use aecsad_inspect::inspector::Inspector;
use aecsad_inspect::network::Perception;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::FitError;
use super::edited_parts::{EditablePart, EditedParts};
use crate::conditions::jpeg::as_jpeg;
use crate::conditions::{blur, each_value};

/// A change in steps from small to large.
struct ConditionChange {
    name: &'static str,
    unit: &'static str,
    steps: &'static [f64],
    apply: fn(&mut Frame, &EditablePart<'_>, f64),
}

const CHANGES: [ConditionChange; 6] = [
    ConditionChange {
        name: "darker",
        unit: "× brightness",
        steps: &[0.95, 0.9, 0.8, 0.7, 0.6, 0.5],
        apply: |frame, _, factor| each_value(frame, |v| v * factor),
    },
    ConditionChange {
        name: "brighter",
        unit: "× brightness",
        steps: &[1.05, 1.1, 1.2, 1.3, 1.5, 2.0],
        apply: |frame, _, factor| each_value(frame, |v| v * factor),
    },
    ConditionChange {
        name: "flatter",
        unit: "gamma",
        steps: &[0.95, 0.9, 0.8, 0.7, 0.5],
        apply: |frame, _, gamma| each_value(frame, |v| v.powf(gamma)),
    },
    ConditionChange {
        name: "steeper",
        unit: "gamma",
        steps: &[1.05, 1.1, 1.2, 1.4, 2.0],
        apply: |frame, _, gamma| each_value(frame, |v| v.powf(gamma)),
    },
    ConditionChange {
        name: "blurred",
        unit: "px",
        steps: &[0.5, 0.7, 1.0, 1.5, 2.0, 3.0],
        apply: |frame, _, sigma| blur(frame, sigma as f32),
    },
    ConditionChange {
        name: "JPEG",
        unit: "quality",
        steps: &[95.0, 90.0, 80.0, 70.0, 50.0, 30.0],
        apply: |frame, part, quality| {
            if let Some(coded) = as_jpeg(frame, quality as u8, true, part.path) {
                *frame = coded;
            }
        },
    },
];

/// How far one change may go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tolerated {
    pub change: String,
    pub unit: String,
    /// None where the smallest step tried rejects good parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<f64>,
}

impl Tolerated {
    /// For a person.
    pub fn furthest(&self) -> String {
        match self.up_to {
            Some(up_to) => format!("up to {up_to} {}", self.unit),
            None => "none of those tried".to_owned(),
        }
    }
}

/// A row for each change; none where no good part is accepted.
pub fn table(parts: &EditedParts<'_>, networks: &Perception) -> Result<Vec<Tolerated>, FitError> {
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let jobs = CHANGES
        .iter()
        .map(|change| Ok((change, parts.inspector(networks)?)))
        .collect::<Result<Vec<_>, FitError>>()?;
    jobs.into_par_iter()
        .map(|(change, mut inspector)| {
            Ok(Tolerated {
                change: change.name.to_owned(),
                unit: change.unit.to_owned(),
                up_to: furthest(parts, &mut inspector, change)?,
            })
        })
        .collect()
}

/// Step by step: a change may be harmless again where it is large, which is chance.
fn furthest(
    parts: &EditedParts<'_>,
    inspector: &mut Inspector,
    change: &ConditionChange,
) -> Result<Option<f64>, FitError> {
    let mut furthest = None;
    for step in change.steps {
        let edit = |frame: &mut Frame, part: &EditablePart<'_>| (change.apply)(frame, part, *step);
        if !parts.are_accepted(inspector, &edit)? {
            break;
        }
        furthest = Some(*step);
    }
    Ok(furthest)
}

/// The table for a person; empty without rows.
pub fn text(rows: &[Tolerated]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut text =
        "harmless changes of the picture that nine in ten good parts withstand\n".to_owned();
    for row in rows {
        let _ = writeln!(text, "{:10}{}", row.change, row.furthest());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_has_a_line() {
        let row = |change: &str, up_to| Tolerated {
            change: change.into(),
            unit: "px".into(),
            up_to,
        };
        let text = text(&[row("blurred", Some(1.5)), row("JPEG", None)]);
        assert!(text.contains("blurred   up to 1.5 px"), "{text}");
        assert!(text.contains("JPEG      none of those tried"), "{text}");
    }
}
