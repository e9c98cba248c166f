//! The report as one self-contained page for a browser: figures, charts, and the images that matter most.

use std::fmt::{Display, Write};
use std::path::Path;

use super::picture::{data_uri, heatmap, thumbnail};
use super::report::{ByKind, Report, scores};
use super::text::figure;
use super::{EvaluateError, JudgedImage, detectability, summary, svg};
use crate::dataset::Kind;

const STYLE: &str = include_str!("page.css");
/// Images shown of each sort.
const SHOWN: usize = 6;

impl Report {
    /// The page, pictures and charts inside it. `category` is the folder that the paths in `judged` are relative to.
    pub fn html(&self, judged: &[JudgedImage], category: &Path) -> Result<String, EvaluateError> {
        Ok(page(&self.title(), &self.section(judged, category)?))
    }

    fn title(&self) -> String {
        format!(
            "{} on {}",
            escape(&self.subject.product),
            escape(&self.category)
        )
    }

    /// What [`html`](Self::html) shows, to stand in a page with others.
    pub fn section(
        &self,
        judged: &[JudgedImage],
        category: &Path,
    ) -> Result<String, EvaluateError> {
        let subject = &self.subject;
        let by_kind: Vec<svg::KindScores> = [Kind::Structural, Kind::Logical, Kind::Good]
            .into_iter()
            .map(|kind| (kind, scores(judged, kind)))
            .collect();
        let mut section = format!(
            "<h1>{}</h1>\n\
             <p>Version {}, profile {}. Checkpoint: {}.</p>\n{}\n<div class=\"charts\">{}{}</div>\n{KEY}\n{}\n{}\n{}\n",
            self.title(),
            subject.version,
            escape(&subject.profile),
            escape(&subject.checkpoint),
            self.figures(),
            svg::roc(&by_kind),
            svg::histogram(&by_kind, f64::from(subject.threshold)),
            detectability::chart(&subject.detectable),
            detectability::tolerance(&subject.tolerated),
            self.branches(),
        );
        let gallery = Gallery { category };
        for kind in [Kind::Good, Kind::Logical, Kind::Structural] {
            let mut ranked: Vec<&JudgedImage> =
                judged.iter().filter(|image| image.kind == kind).collect();
            ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
            let highest = &ranked[..ranked.len().min(SHOWN)];
            // The two ends must not show one image twice
            let rest = &ranked[highest.len()..];
            let calmest: Vec<&JudgedImage> = rest.iter().rev().take(SHOWN).copied().collect();
            section +=
                &gallery.section(&format!("Highest scores of {} parts", kind.name()), highest)?;
            section += &gallery.section(&format!("Calmest {} parts", kind.name()), &calmest)?;
        }
        Ok(section)
    }

    fn figures(&self) -> String {
        let subject = &self.subject;
        let mut rows = String::new();
        for (name, figures) in [
            ("AUROC", self.auroc),
            ("Average precision", self.average_precision),
            ("sPRO at 5 %", self.spro),
            ("PRO at 5 %", self.pro_at_5),
            ("PRO at 30 %", self.pro),
        ] {
            rows += &row(name, figures);
        }
        for (branch, figures) in &self.branch_auroc {
            rows += &row(&format!("AUROC of {branch} alone"), *figures);
        }
        let images: String = self
            .images()
            .iter()
            .map(|line| format!("<p>{}</p>", escape(line)))
            .collect();
        format!(
            "<table><tr><th></th><th>logical</th><th>structural</th><th>mean</th></tr>{rows}</table>{images}\
             <p>{} good parts rejected at threshold {:.3}, which {} good images set for {:.1} %. Missed: {} logical, \
             {} structural.</p>{}",
            self.good_rejected,
            subject.threshold,
            subject.calibration_images,
            100.0 * subject.false_reject_rate,
            self.logical_missed,
            self.structural_missed,
            self.thresholds()
        )
    }

    /// What other thresholds would reject.
    fn thresholds(&self) -> String {
        let own = f64::from(self.subject.threshold);
        let mut rows = String::new();
        for row in &self.at_thresholds {
            let here = if row.threshold == own {
                " (the bundle's)"
            } else {
                ""
            };
            let _ = write!(
                rows,
                "<tr><td>{:.3}{here}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                row.threshold, row.good, row.logical, row.structural
            );
        }
        format!(
            "<table><tr><th>threshold</th><th>good rejected</th><th>logical found</th><th>structural found</th></tr>\
             {rows}</table>"
        )
    }

    fn branches(&self) -> String {
        let mut rows = String::new();
        for choice in &self.subject.branches {
            let state = if choice.on { "on" } else { "off" };
            let _ = write!(
                rows,
                "<tr><td>{}</td><td>{state}</td><td>{}</td></tr>",
                choice.branch,
                escape(&choice.why)
            );
        }
        format!("<h2>Branches</h2><table>{rows}</table>")
    }
}

/// Several categories on one page: the tables over all of them, then each one's section.
pub fn page_of(reports: &[Report], sections: &[String]) -> String {
    let title = match reports {
        [only] => escape(&only.category),
        several => format!("{} categories", several.len()),
    };
    let body = format!(
        "<h1>{title}</h1>\n{}{}",
        summary::html(reports),
        sections.concat()
    );
    page(&title, &body)
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body>\n{body}</body></html>\n"
    )
}

const KEY: &str = "<p class=\"key\"><span class=\"good\">good</span> <span class=\"logical\">logical</span> \
                   <span class=\"structural\">structural</span></p>";

fn row(
    name: &str,
    ByKind {
        logical,
        structural,
        mean,
    }: ByKind,
) -> String {
    let cells = [logical, structural, mean].map(|value| format!("<td>{}</td>", figure(value)));
    format!("<tr><td>{name}</td>{}</tr>", cells.concat())
}

/// Renders images with their verdicts.
struct Gallery<'a> {
    category: &'a Path,
}

impl Gallery<'_> {
    fn section(&self, title: &str, images: &[&JudgedImage]) -> Result<String, EvaluateError> {
        if images.is_empty() {
            return Ok(String::new());
        }
        let mut section = format!("<h2>{title}</h2><div class=\"gallery\">");
        for image in images {
            section += &self.figure(image)?;
        }
        section.push_str("</div>\n");
        Ok(section)
    }

    fn figure(&self, image: &JudgedImage) -> Result<String, EvaluateError> {
        let path = self.category.join(&image.path);
        let plain = thumbnail(&path, image.region)?;
        let mut pictures = format!("<img src=\"{}\" alt=\"\">", data_uri(&plain, &path)?);
        if let Some(map) = &image.map {
            let overlay = data_uri(&heatmap(&plain, map), &path)?;
            let _ = write!(pictures, "<img src=\"{overlay}\" alt=\"anomaly map\">");
        }
        let right = image.reject == (image.kind != Kind::Good);
        Ok(format!(
            "<figure{}><div>{pictures}</div><figcaption>{}<br>{} · score {:.3} · p {:.3}</figcaption></figure>",
            if right { "" } else { " class=\"wrong\"" },
            escape(image.path.display()),
            if image.reject { "rejected" } else { "passed" },
            image.score,
            image.p_value
        ))
    }
}

/// Text that may hold anything, such as a file's name, made safe within an element.
pub(super) fn escape(text: impl Display) -> String {
    text.to_string()
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::super::report::tests::{category, judged, subject};
    use super::*;

    #[test]
    fn the_page_stands_alone_and_marks_wrong_verdicts() {
        let folder = tempfile::tempdir().unwrap();
        let mut images = category();
        images.push(judged("<x>&.png", Kind::Structural, 9.0));
        for image in &images {
            RgbImage::from_pixel(8, 8, Rgb([40, 80, 120]))
                .save(folder.path().join(&image.path))
                .unwrap();
        }
        let report = Report::measure(subject(), "bottles", &images).unwrap();
        let page = report.html(&images, folder.path()).unwrap();
        assert!(!page.contains("http") && !page.contains("<script") && !page.contains("src=\"/"));
        assert_eq!(
            page.matches("<figure").count(),
            images.len(),
            "each image once"
        );
        assert_eq!(
            page.matches("data:image/jpeg;base64,").count(),
            2 * images.len()
        );
        assert_eq!(
            page.matches("class=\"wrong\"").count(),
            2,
            "one good part rejected, one bad one passed"
        );
        assert!(page.contains("those with masks: 3 of 3 logical, 1 of 1 structural"));
        assert!(page.contains("&lt;x&gt;&amp;.png") && !page.contains("<x>"));
        assert!(page.contains("adds nothing &lt;to&gt; position &amp; pooled"));
    }

    #[test]
    fn a_missing_image_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let report = Report::measure(subject(), "bottles", &category()).unwrap();
        let error = report
            .html(&category(), folder.path())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("c.png") && error.contains("can't be read"),
            "{error}"
        );
    }
}
