//! Several categories side by side, as the paper's tables have them: image AUROC by kind of anomaly (its Table 1), each
//! branch alone against all of them together (Table 2), and where the defects are (Table 3, at 5 %).

use std::collections::BTreeSet;
use std::fmt::Write;

use aecsad_inspect::branches::Branch;
use serde::Serialize;

use super::html::escape;
use super::report::{ByKind, Report};
use super::text::figure;
use crate::dataset::Kind;

/// One table: a name, the columns, a row for each category and one for their mean.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SummaryTable {
    pub title: String,
    pub columns: Vec<String>,
    /// A dash where a category has nothing to measure.
    pub rows: Vec<(String, Vec<Option<f64>>)>,
}

/// The tables over all reports; the last row of each is the mean of the figures above it.
pub fn tables(reports: &[Report]) -> Vec<SummaryTable> {
    let mut tables = vec![by_kind("Image AUROC", reports, |report| report.auroc)];
    let branches: BTreeSet<Branch> = reports
        .iter()
        .flat_map(|report| report.branch_auroc.keys().copied())
        .collect();
    for kind in Kind::ANOMALOUS {
        let mut columns: Vec<String> = branches.iter().map(|branch| branch.to_string()).collect();
        columns.push("fused".into());
        let title = format!(
            "Image AUROC on {} anomalies, each branch alone",
            kind.name()
        );
        tables.push(table(&title, columns, reports, |report| {
            let alone = branches.iter().map(|branch| {
                let figures = report.branch_auroc.get(branch);
                figures.and_then(|figures| of(kind, *figures))
            });
            alone.chain([of(kind, report.auroc)]).collect()
        }));
    }
    tables.push(by_kind("sPRO at 5 %", reports, |report| report.spro));
    tables.push(by_kind("PRO at 5 %", reports, |report| report.pro_at_5));
    tables.push(by_kind("PRO at 30 %", reports, |report| report.pro));
    tables
}

/// The tables and how each category's checkpoint was chosen, for a terminal.
pub fn text(reports: &[Report]) -> String {
    let mut text = String::new();
    for table in tables(reports) {
        let _ = write!(text, "{}\n{:<24}", table.title, "");
        for column in &table.columns {
            let _ = write!(text, "{column:<12}");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        for (name, figures) in &table.rows {
            let mut row = format!("{name:<24}");
            for value in figures {
                let _ = write!(row, "{:<12}", figure(*value));
            }
            text += row.trim_end();
            text.push('\n');
        }
        text.push('\n');
    }
    for report in reports {
        let _ = writeln!(
            text,
            "{}: {} good parts rejected; checkpoint: {}",
            report.category, report.good_rejected, report.subject.checkpoint
        );
        for line in report.images() {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

/// The tables as HTML.
pub(super) fn html(reports: &[Report]) -> String {
    let mut html = String::new();
    for table in tables(reports) {
        let header: String = table
            .columns
            .iter()
            .map(|c| format!("<th>{}</th>", escape(c)))
            .collect();
        let _ = write!(
            html,
            "<h2>{}</h2><table><tr><th></th>{header}</tr>",
            escape(&table.title)
        );
        for (name, figures) in &table.rows {
            let cells: String = figures
                .iter()
                .map(|value| format!("<td>{}</td>", figure(*value)))
                .collect();
            let _ = write!(html, "<tr><td>{}</td>{cells}</tr>", escape(name));
        }
        html += "</table>\n";
    }
    html
}

fn by_kind(title: &str, reports: &[Report], figures: fn(&Report) -> ByKind) -> SummaryTable {
    let columns = ["logical", "structural", "mean"].map(String::from).to_vec();
    table(title, columns, reports, |report| {
        let ByKind {
            logical,
            structural,
            mean,
        } = figures(report);
        vec![logical, structural, mean]
    })
}

fn of(kind: Kind, figures: ByKind) -> Option<f64> {
    match kind {
        Kind::Good => None,
        Kind::Logical => figures.logical,
        Kind::Structural => figures.structural,
    }
}

fn table(
    title: &str,
    columns: Vec<String>,
    reports: &[Report],
    figures: impl Fn(&Report) -> Vec<Option<f64>>,
) -> SummaryTable {
    let mut rows: Vec<(String, Vec<Option<f64>>)> = reports
        .iter()
        .map(|report| (report.category.clone(), figures(report)))
        .collect();
    let mean = |column: usize| {
        let known: Vec<f64> = rows
            .iter()
            .filter_map(|(_, figures)| figures[column])
            .collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    };
    let means = (0..columns.len()).map(mean).collect();
    rows.push(("mean".into(), means));
    SummaryTable {
        title: title.into(),
        columns,
        rows,
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{category, subject};
    use super::*;

    #[test]
    fn categories_stand_side_by_side_with_their_mean() {
        let mut reports = vec![
            Report::measure(subject(), "bottles", &category()).unwrap(),
            Report::measure(subject(), "<bags>", &category()).unwrap(),
        ];
        reports[1].auroc.logical = Some(0.789);
        let tables = tables(&reports);
        let first = &tables[0];
        assert_eq!(first.rows.len(), 3);
        let mean = first.rows[2].1[0].unwrap();
        assert!((mean - (reports[0].auroc.logical.unwrap() + 0.789) / 2.0).abs() < 1e-12);
        assert_eq!(first.rows[2].1[1], None, "nothing structural was measured");
        assert_eq!(tables[1].columns, ["position", "fused"]);
        assert_eq!(tables[1].rows[1].1[1], Some(0.789));
        let text = text(&reports);
        assert!(
            text.contains("bottles: 1 of 3 good parts rejected; checkpoint: the last of 40 epochs"),
            "{text}"
        );
        assert!(html(&reports).contains("&lt;bags&gt;"));
    }
}
