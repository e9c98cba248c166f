//! The narrowest damage that a bundle rejects, as its manifest records it: for the report's page and its text.

use std::fmt::Write;

use aecsad_inspect::bundle::Manifest;
use serde::{Deserialize, Serialize};

use crate::fit::DETECTABLE;

/// Damage of one kind and contrast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Narrowest {
    pub damage: String,
    pub contrast_percent: i64,
    /// In pixels of the training images: of this width nine in ten are rejected.
    pub width_px: i64,
}

/// None of them in a bundle of an earlier version.
pub fn recorded(manifest: &Manifest) -> Vec<Narrowest> {
    let rows = manifest.provenance.get(DETECTABLE).cloned();
    rows.and_then(|rows| rows.try_into().ok())
        .unwrap_or_default()
}

const WIDTH: i64 = 420;
const ROW: i64 = 20;
const LABEL: i64 = 130;

/// A bar for each row, as long as the damage is wide.
pub fn chart(rows: &[Narrowest]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let widest = rows
        .iter()
        .map(|row| row.width_px)
        .max()
        .unwrap_or(1)
        .max(1);
    let height = ROW * (rows.len() as i64 + 1);
    let mut marks = String::new();
    for (index, row) in rows.iter().enumerate() {
        let top = ROW * index as i64;
        let length = (WIDTH - LABEL - 60) * row.width_px / widest;
        let _ = write!(
            marks,
            r#"<text x="{}" y="{}" text-anchor="end">{} at {} %</text><rect class="bar structural" x="{LABEL}" y="{}" width="{length}" height="{}"/><text x="{}" y="{}">{} px</text>"#,
            LABEL - 6,
            top + 14,
            super::html::escape(&row.damage),
            row.contrast_percent,
            top + 3,
            ROW - 6,
            LABEL + length + 6,
            top + 14,
            row.width_px
        );
    }
    format!(
        "<h2>Narrowest damage rejected</h2><p>Of damage this wide, in pixels of the training images, nine in ten parts are \
         rejected; the share is its contrast.</p><svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"Narrowest damage rejected\">{marks}</svg>"
    )
}

/// One line for each kind of damage.
pub fn lines(rows: &[Narrowest]) -> Vec<String> {
    let mut kinds: Vec<&str> = rows.iter().map(|row| row.damage.as_str()).collect();
    kinds.dedup();
    kinds
        .into_iter()
        .map(|kind| {
            let of_kind = rows.iter().filter(|row| row.damage == kind);
            let widths: Vec<String> = of_kind
                .map(|row| format!("{} px at {} % contrast", row.width_px, row.contrast_percent))
                .collect();
            format!("narrowest {kind:<12} {}", widths.join(", "))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_a_bar_and_each_kind_a_line() {
        let row = |damage: &str, contrast_percent, width_px| Narrowest {
            damage: damage.into(),
            contrast_percent,
            width_px,
        };
        let rows = [
            row("scratch", 10, 8),
            row("scratch", 40, 2),
            row("spot", 40, 6),
        ];
        let chart = chart(&rows);
        assert_eq!(chart.matches("<rect").count(), 3);
        assert!(
            chart.contains("scratch at 10 %") && chart.contains("2 px"),
            "{chart}"
        );
        assert_eq!(
            lines(&rows),
            [
                "narrowest scratch      8 px at 10 % contrast, 2 px at 40 % contrast",
                "narrowest spot         6 px at 40 % contrast"
            ]
        );
        assert!(super::chart(&[]).is_empty() && lines(&[]).is_empty());
    }
}
