//! The narrowest damage that a bundle rejects and the harmless changes that it tolerates, as its manifest records them, for
//! the report.

use std::fmt::Write;

use aecsad_inspect::bundle::Manifest;
use serde::de::DeserializeOwned;

use crate::fit::{Detectable, Tolerated};

/// The rows of a table of the provenance; none in a bundle of an earlier version.
pub fn recorded<Row: DeserializeOwned>(manifest: &Manifest, table: &str) -> Vec<Row> {
    let rows = manifest.provenance.get(table).cloned();
    rows.and_then(|rows| rows.try_into().ok())
        .unwrap_or_default()
}

const WIDTH: i64 = 420;
const ROW: i64 = 20;
const LABEL: i64 = 130;

/// A bar for each row, as long as the damage is wide.
pub fn chart(rows: &[Detectable]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let widest = rows.iter().filter_map(|row| row.width_px).max();
    let widest = widest.unwrap_or(1).max(1);
    let height = ROW * (rows.len() as i64 + 1);
    let mut marks = String::new();
    for (index, row) in rows.iter().enumerate() {
        let top = ROW * index as i64;
        let _ = write!(
            marks,
            r#"<text x="{}" y="{}" text-anchor="end">{} at {} %</text>"#,
            LABEL - 6,
            top + 14,
            super::html::escape(&row.damage),
            row.contrast_percent
        );
        let Some(width_px) = row.width_px else {
            let _ = write!(
                marks,
                r#"<text x="{LABEL}" y="{}">not seen</text>"#,
                top + 14
            );
            continue;
        };
        let length = (WIDTH - LABEL - 60) * width_px / widest;
        let _ = write!(
            marks,
            r#"<rect class="bar structural" x="{LABEL}" y="{}" width="{length}" height="{}"/><text x="{}" y="{}">{width_px} px</text>"#,
            top + 3,
            ROW - 6,
            LABEL + length + 6,
            top + 14
        );
    }
    format!(
        "<h2>Detectable damage rejected</h2><p>Of damage this wide, in pixels of the training images, nine in ten parts are \
         rejected; the share is its contrast.</p><svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"Detectable damage rejected\">{marks}</svg>"
    )
}

/// A row for each harmless change.
pub fn tolerance(rows: &[Tolerated]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut cells = String::new();
    for row in rows {
        let _ = write!(
            cells,
            "<tr><td>{}</td><td>{}</td></tr>",
            super::html::escape(&row.change),
            super::html::escape(row.furthest())
        );
    }
    format!(
        "<h2>Harmless changes tolerated</h2><p>Nine in ten good parts are still accepted.</p><table>{cells}</table>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_has_a_bar() {
        let row = |contrast_percent, width_px| Detectable {
            damage: "scratch".into(),
            contrast_percent,
            width_px,
        };
        let chart = chart(&[row(10, None), row(20, Some(8)), row(40, Some(2))]);
        assert_eq!(chart.matches("<rect").count(), 2);
        assert!(
            chart.contains("scratch at 10 %") && chart.contains(">2 px"),
            "{chart}"
        );
        assert!(chart.contains("not seen"), "{chart}");
        assert!(super::chart(&[]).is_empty());
    }

    #[test]
    fn each_change_has_a_row() {
        let row = |change: &str, up_to| Tolerated {
            change: change.into(),
            unit: "px".into(),
            up_to,
        };
        let table = tolerance(&[row("blurred", Some(1.5)), row("<b>", None)]);
        assert!(
            table.contains("<td>blurred</td><td>up to 1.5 px</td>"),
            "{table}"
        );
        assert!(
            table.contains("<td>&lt;b&gt;</td><td>none of those tried</td>"),
            "{table}"
        );
        assert!(tolerance(&[]).is_empty());
    }
}
