//! The report as a terminal shows it.

use super::at_thresholds::table;
use super::report::{ByKind, Report};
use crate::fit::{detectability_text, tolerance_text};

impl Report {
    /// A few short tables, one fact a line, ending in a newline.
    pub fn text(&self) -> String {
        let subject = &self.subject;
        let mut text = format!(
            "{} version {} ({}) on {}\n\n                 logical  structural  mean\n",
            subject.product, subject.version, subject.profile, self.category
        );
        row(&mut text, "AUROC", self.auroc);
        row(&mut text, "avg. precision", self.average_precision);
        row(&mut text, "sPRO at 5 %", self.spro);
        row(&mut text, "PRO at 5 %", self.pro_at_5);
        row(&mut text, "PRO at 30 %", self.pro);
        text.push_str("AUROC by branch\n");
        for (branch, figures) in &self.branch_auroc {
            row(&mut text, &format!("  {branch}"), *figures);
        }
        text.push('\n');
        lines(&mut text, &self.images());
        text += &detectability_text(&subject.detectable);
        text += &tolerance_text(&subject.tolerated);
        lines(
            &mut text,
            &[
                String::new(),
                format!(
                    "good parts rejected    {} (threshold {:.3}, set for {:.1} % on {} good images)",
                    self.good_rejected,
                    subject.threshold,
                    100.0 * subject.false_reject_rate,
                    subject.calibration_images
                ),
                format!("logical missed         {}", self.logical_missed),
                format!("structural missed      {}", self.structural_missed),
                String::new(),
            ],
        );
        text += &table(&self.at_thresholds, subject.threshold);
        lines(
            &mut text,
            &[
                String::new(),
                format!("checkpoint             {}", subject.checkpoint),
                "branches".to_owned(),
            ],
        );
        for choice in &subject.branches {
            let state = if choice.on { "on" } else { "off" };
            lines(
                &mut text,
                &[format!("  {:<12} {state:<4} {}", choice.branch, choice.why)],
            );
        }
        text
    }
}

fn row(text: &mut String, name: &str, figures: ByKind) {
    let ByKind {
        logical,
        structural,
        mean,
    } = figures;
    let cells = [logical, structural, mean].map(figure);
    lines(
        text,
        &[format!(
            "{name:<17}{:<9}{:<12}{}",
            cells[0], cells[1], cells[2]
        )],
    );
}

fn lines(text: &mut String, lines: &[String]) {
    for line in lines {
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

/// Three digits, or a dash where there is nothing to measure.
pub(super) fn figure(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{category, subject};
    use super::*;

    #[test]
    fn the_terminal_shows_every_figure_once() {
        let report = Report::measure(subject(), "bottles", &category()).unwrap();
        let expected = "\
bottle version 3 (edge) on bottles

                 logical  structural  mean
AUROC            0.889    –           0.889
avg. precision   0.917    –           0.917
sPRO at 5 %      0.983    –           0.983
PRO at 5 %       0.983    –           0.983
PRO at 30 %      0.997    –           0.997
AUROC by branch
  position       0.111    –           0.111

AUROC, avg. precision  over 3 good, 3 logical and 0 structural images
sPRO, PRO              over 3 good images and those with masks: 3 of 3 logical, 0 of 0 structural

good parts rejected    1 of 3 (threshold 2.000, set for 5.0 % on 40 good images)
logical missed         1 of 3
structural missed      0 of 0

threshold   good rejected   logical found   structural found
    3.000               0               2                  0
    2.000               1               2                  0  ← the bundle's

checkpoint             the last of 40 epochs
branches
  position     on   planted anomalies: 0.93
  global       off  adds nothing <to> position & pooled
";
        assert_eq!(report.text(), expected);
    }
}
