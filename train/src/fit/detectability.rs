//! Which damage a bundle sees: for each kind and contrast the smallest width, in pixels of the images, of which nine in ten
//! are rejected at the threshold. An engineer reads from it whether camera and lens suffice.

use std::fmt::Write;

use aecsad_inspect::inspector::Inspector;
use aecsad_inspect::network::Perception;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::FitError;
use super::edited_parts::EditedParts;
use crate::planted::graded::{Damage, damage};

/// Percent of the full range by which damage is lighter or darker than what it lies on.
const CONTRASTS: [i64; 3] = [10, 20, 40];
/// Widths that are tried, in pixels.
const WIDTHS: [i64; 10] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32];

/// Damage of one kind and contrast, and from which width on it is seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detectable {
    pub damage: String,
    pub contrast_percent: i64,
    /// In pixels of the training images; none where the widest tried is not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width_px: Option<i64>,
}

/// A row for each kind and contrast; none where no good part is accepted, so that nothing can be said.
pub fn table(
    parts: &EditedParts<'_>,
    networks: &Perception,
    seed: u64,
) -> Result<Vec<Detectable>, FitError> {
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let kinds = Damage::ALL.into_iter();
    let kinds = kinds.flat_map(|damage| CONTRASTS.map(|contrast| (damage, contrast)));
    let jobs = kinds
        .map(|kind| Ok((kind, parts.inspector(networks)?)))
        .collect::<Result<Vec<_>, FitError>>()?;
    jobs.into_par_iter()
        .map(|((damage, contrast), mut inspector)| {
            Ok(Detectable {
                damage: damage.name().to_owned(),
                contrast_percent: contrast,
                width_px: narrowest(parts, &mut inspector, (damage, contrast), seed)?,
            })
        })
        .collect()
}

/// Halves the range of widths until it is one: wider damage of a kind is seen wherever narrower is.
fn narrowest(
    parts: &EditedParts<'_>,
    inspector: &mut Inspector,
    (kind, contrast): (Damage, i64),
    seed: u64,
) -> Result<Option<i64>, FitError> {
    let (mut low, mut high) = (0, WIDTHS.len());
    while low < high {
        let middle = (low + high) / 2;
        let planted = (kind, WIDTHS[middle] as f32, contrast as f32 / 100.0);
        let is_seen = parts.are_rejected(inspector, &|frame, part| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(part.index as u64);
            damage(frame, &part.classes, planted, &mut random);
        })?;
        match is_seen {
            true => high = middle,
            false => low = middle + 1,
        }
    }
    Ok(WIDTHS.get(low).copied())
}

/// The table for a person: a line for each kind of damage, a column for each contrast. Empty without rows.
pub fn text(rows: &[Detectable]) -> String {
    let Some(first) = rows.first() else {
        return String::new();
    };
    let mut text = format!(
        "narrowest damage of which nine in ten are rejected, in pixels of the training images\n{:10}",
        "contrast"
    );
    for row in rows.iter().filter(|row| row.damage == first.damage) {
        let _ = write!(text, "{:>6} %", row.contrast_percent);
    }
    let mut kind = "";
    for row in rows {
        if row.damage != kind {
            kind = &row.damage;
            let _ = write!(text, "\n{kind:10}");
        }
        let width = match row.width_px {
            Some(width) => width.to_string(),
            None => format!("> {}", WIDTHS[WIDTHS.len() - 1]),
        };
        let _ = write!(text, "{width:>8}");
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_line_and_each_contrast_a_column() {
        let row = |damage: &str, contrast_percent, width_px| Detectable {
            damage: damage.into(),
            contrast_percent,
            width_px,
        };
        let rows = [
            row("scratch", 10, Some(8)),
            row("scratch", 40, Some(2)),
            row("spot", 10, None),
            row("spot", 40, Some(6)),
        ];
        let text = text(&rows);
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "contrast      10 %    40 %",
                "scratch          8       2",
                "spot          > 32       6"
            ]
        );
        assert!(super::text(&[]).is_empty());
    }
}
