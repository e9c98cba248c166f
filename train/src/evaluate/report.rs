//! The figures of one evaluation, in the form in which they are kept (JSON) and from which both the text and the page
//! are rendered.

use std::collections::BTreeMap;

use aecsad_inspect::branches::Branch;
use serde::{Deserialize, Serialize};

use super::at_thresholds::{AtThreshold, at_thresholds};
use super::{EvaluateError, JudgedImage};
use crate::dataset::Kind;
use crate::fit::{Detectable, Tolerated};
use crate::metrics::{Located, PRO_LIMIT, SPRO_LIMIT, pro, spro};
use crate::metrics::{auroc, average_precision};

/// What was evaluated, as its bundle says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    pub product: String,
    /// The bundle's version, which only grows.
    pub version: u64,
    pub profile: String,
    /// One sentence on how the evaluated weights were chosen, such as "the last of 120 epochs". Never by test images.
    pub checkpoint: String,
    /// A part scoring above this is rejected.
    pub threshold: f32,
    /// The share of good parts that the threshold was set to reject.
    pub false_reject_rate: f32,
    /// Good images held back to set the threshold.
    pub calibration_images: usize,
    /// What of the images is looked at, in words; all of them if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    pub branches: Vec<BranchUse>,
    /// The narrowest damage that it rejects, where that was measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detectable: Vec<Detectable>,
    pub tolerated: Vec<Tolerated>,
}

/// Whether a branch takes part in the score, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BranchUse {
    pub branch: Branch,
    pub on: bool,
    pub why: String,
}

/// A figure for each kind of anomaly, each against the good images; None where the category has none of that kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ByKind {
    pub logical: Option<f64>,
    pub structural: Option<f64>,
    /// Of those present.
    pub mean: Option<f64>,
}

impl ByKind {
    fn of(mut figure: impl FnMut(Kind) -> Option<f64>) -> Self {
        let [logical, structural] = Kind::ANOMALOUS.map(&mut figure);
        let present: Vec<f64> = [logical, structural].into_iter().flatten().collect();
        let mean =
            (!present.is_empty()).then(|| present.iter().sum::<f64>() / present.len() as f64);
        Self {
            logical,
            structural,
            mean,
        }
    }
}

/// `count` of `of` images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fraction {
    pub count: usize,
    pub of: usize,
}

impl Fraction {
    fn of(judged: &[JudgedImage], kind: Kind, counted: impl Fn(&JudgedImage) -> bool) -> Self {
        let of_kind = || judged.iter().filter(|image| image.kind == kind);
        Self {
            count: of_kind().filter(|image| counted(image)).count(),
            of: of_kind().count(),
        }
    }
}

impl std::fmt::Display for Fraction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.count, self.of)
    }
}

/// One bundle measured on one category's test images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub subject: Subject,
    /// The category's folder name.
    pub category: String,
    pub auroc: ByKind,
    pub average_precision: ByKind,
    /// AUROC of each active branch's own score.
    pub branch_auroc: BTreeMap<Branch, ByKind>,
    /// At 5 % pixel false-positive rate; over images with masks and the good ones.
    pub spro: ByKind,
    /// At 30 %.
    pub pro: ByKind,
    /// At 5 %, as sPRO.
    pub pro_at_5: ByKind,
    pub good_rejected: Fraction,
    pub logical_missed: Fraction,
    pub structural_missed: Fraction,
    /// The anomalous images that sPRO and PRO are over: those whose defect is known, of those judged.
    #[serde(default)]
    pub logical_located: Fraction,
    #[serde(default)]
    pub structural_located: Fraction,
    /// Test images that no figure is over: unreadable ones, and those that lie in no kind's folder.
    #[serde(default)]
    pub left_out: usize,
    /// Test images that were known bad parts in training.
    #[serde(default)]
    pub known_bad: usize,
    /// Test images of each kind above other thresholds.
    #[serde(default)]
    pub at_thresholds: Vec<AtThreshold>,
}

impl Report {
    /// Measures; every score and map must be finite, and both good and anomalous images are needed.
    pub fn measure(
        subject: Subject,
        category: &str,
        judged: &[JudgedImage],
    ) -> Result<Self, EvaluateError> {
        check(judged)?;
        let located_of = |kind| {
            Fraction::of(judged, kind, |image| {
                !image.regions.is_empty() && image.map.is_some()
            })
        };
        let missed = |kind| Fraction::of(judged, kind, |image| !image.reject);
        Ok(Self {
            at_thresholds: at_thresholds(judged, subject.threshold),
            subject,
            category: category.to_owned(),
            auroc: ByKind::of(|kind| auroc(&scores(judged, Kind::Good), &scores(judged, kind))),
            average_precision: ByKind::of(|kind| {
                average_precision(&scores(judged, Kind::Good), &scores(judged, kind))
            }),
            branch_auroc: Branch::ALL
                .into_iter()
                .filter_map(|branch| branch_auroc(judged, branch))
                .collect(),
            spro: ByKind::of(|kind| spro(&located(judged, kind), SPRO_LIMIT)),
            pro: ByKind::of(|kind| pro(&located(judged, kind), PRO_LIMIT)),
            pro_at_5: ByKind::of(|kind| pro(&located(judged, kind), SPRO_LIMIT)),
            good_rejected: Fraction::of(judged, Kind::Good, |image| image.reject),
            logical_missed: missed(Kind::Logical),
            structural_missed: missed(Kind::Structural),
            logical_located: located_of(Kind::Logical),
            structural_located: located_of(Kind::Structural),
            left_out: 0,
            known_bad: 0,
        })
    }
}

impl Report {
    /// Over how many images the figures are, one sentence each.
    pub(super) fn images(&self) -> Vec<String> {
        let (good, logical, structural) = (
            self.good_rejected.of,
            self.logical_missed.of,
            self.structural_missed.of,
        );
        let mut lines = vec![
            format!(
                "AUROC, avg. precision  over {good} good, {logical} logical and {structural} structural images"
            ),
            format!(
                "sPRO, PRO              over {good} good images and those with masks: {} logical, {} structural",
                self.logical_located, self.structural_located
            ),
        ];
        if let Some(region) = &self.subject.region {
            lines.push(format!(
                "looked at              {region}; a defect elsewhere counts in no figure of sPRO and PRO"
            ));
        }
        if self.known_bad > 0 {
            lines.push(format!(
                "known in training      {} test images were known bad parts of this fit, so the figures flatter",
                self.known_bad
            ));
        }
        if self.left_out > 0 {
            lines.push(format!(
                "left out               {} test images, in no figure; the warnings say which and why",
                self.left_out
            ));
        }
        lines
    }
}

/// The fused scores of one kind of image.
pub(super) fn scores(judged: &[JudgedImage], kind: Kind) -> Vec<f64> {
    judged
        .iter()
        .filter(|image| image.kind == kind)
        .map(|image| f64::from(image.score))
        .collect()
}

fn branch_auroc(judged: &[JudgedImage], branch: Branch) -> Option<(Branch, ByKind)> {
    let own = |kind| -> Vec<f64> {
        judged
            .iter()
            .filter(|image| image.kind == kind)
            .flat_map(|image| &image.branches)
            .filter(|(which, _)| *which == branch)
            .map(|(_, score)| f64::from(*score))
            .collect()
    };
    let figures = ByKind::of(|kind| auroc(&own(Kind::Good), &own(kind)));
    figures.mean.map(|_| (branch, figures))
}

/// The good images and those of `kind` that say where their defect is. An anomalous image without a mask is left out:
/// its defect would count as false positives.
fn located(judged: &[JudgedImage], kind: Kind) -> Vec<Located<'_>> {
    judged
        .iter()
        .filter(|image| {
            image.kind == Kind::Good || (image.kind == kind && !image.regions.is_empty())
        })
        .filter_map(|image| {
            Some(Located {
                map: image.map.as_ref()?,
                size: image.size,
                regions: &image.regions,
                ignored: image.ignored.as_deref(),
            })
        })
        .collect()
}

fn check(judged: &[JudgedImage]) -> Result<(), EvaluateError> {
    for image in judged {
        let not_finite = |what: &str| {
            Err(EvaluateError::NotFinite {
                path: image.path.clone(),
                what: what.to_owned(),
            })
        };
        if !image.score.is_finite() {
            return not_finite("score");
        }
        if let Some((branch, _)) = image.branches.iter().find(|(_, score)| !score.is_finite()) {
            return not_finite(&format!("{branch} score"));
        }
        if image
            .map
            .as_ref()
            .is_some_and(|map| map.iter().any(|value| !value.is_finite()))
        {
            return not_finite("anomaly map");
        }
    }
    let good = judged
        .iter()
        .filter(|image| image.kind == Kind::Good)
        .count();
    if good == 0 || good == judged.len() {
        Err(EvaluateError::OneSided)
    } else {
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::metrics::DefectRegion;

    pub fn subject() -> Subject {
        Subject {
            product: "bottle".into(),
            version: 3,
            profile: "edge".into(),
            checkpoint: "the last of 40 epochs".into(),
            threshold: 2.0,
            false_reject_rate: 0.05,
            calibration_images: 40,
            region: None,
            branches: vec![
                BranchUse {
                    branch: Branch::Position,
                    on: true,
                    why: "planted anomalies: 0.93".into(),
                },
                BranchUse {
                    branch: Branch::Global,
                    on: false,
                    why: "adds nothing <to> position & pooled".into(),
                },
            ],
            detectable: Vec::new(),
            tolerated: Vec::new(),
        }
    }

    /// An 8 by 8 image whose map rises at its first pixel, where an anomalous one has its defect.
    pub fn judged(name: &str, kind: Kind, score: f32) -> JudgedImage {
        let mut map = Array2::zeros((8, 8));
        map[(0, 0)] = score;
        let defect = DefectRegion {
            pixels: vec![0],
            saturation_px: 1.0,
        };
        JudgedImage {
            path: name.into(),
            kind,
            size: (8, 8),
            score,
            p_value: 0.5,
            reject: score > 2.0,
            branches: vec![(Branch::Position, -score)],
            map: Some(map),
            region: None,
            regions: if kind == Kind::Good {
                vec![]
            } else {
                vec![defect]
            },
            ignored: None,
        }
    }

    /// Three good images, of which one is rejected, three logical ones, of which one is missed, and no structural one.
    pub fn category() -> Vec<JudgedImage> {
        vec![
            judged("a.png", Kind::Good, 0.5),
            judged("b.png", Kind::Good, 1.0),
            judged("c.png", Kind::Good, 3.0),
            judged("d.png", Kind::Logical, 1.5),
            judged("e.png", Kind::Logical, 4.0),
            judged("f.png", Kind::Logical, 5.0),
        ]
    }

    #[test]
    fn counts_and_ranks_each_kind_against_the_good() {
        let report = Report::measure(subject(), "bottles", &category()).unwrap();
        // Eight of nine pairs are in order
        assert_eq!(report.auroc.logical, Some(8.0 / 9.0));
        assert_eq!(
            (report.auroc.structural, report.auroc.mean),
            (None, report.auroc.logical)
        );
        assert_eq!(report.good_rejected, Fraction { count: 1, of: 3 });
        assert_eq!(report.logical_missed, Fraction { count: 1, of: 3 });
        assert_eq!(report.structural_missed, Fraction { count: 0, of: 0 });
        let position = report.branch_auroc[&Branch::Position].logical.unwrap();
        assert!(
            (position - 1.0 / 9.0).abs() < 1e-12,
            "a branch that ranks backwards must show: {position}"
        );
        assert_eq!(report.branch_auroc.len(), 1);
    }

    #[test]
    fn localisation_leaves_out_anomalies_without_a_mask() {
        let mut judged = category();
        let located = Report::measure(subject(), "bottles", &judged).unwrap();
        judged[3].regions.clear();
        let without = Report::measure(subject(), "bottles", &judged).unwrap();
        // Both remaining defects lie above every pixel outside; the third's lay below a good image's
        assert_eq!(without.spro.logical, Some(1.0));
        assert_eq!(without.logical_located, Fraction { count: 2, of: 3 });
        assert!(located.spro.logical < without.spro.logical);
        for image in &mut judged {
            image.map = None;
        }
        assert_eq!(
            Report::measure(subject(), "bottles", &judged).unwrap().spro,
            ByKind::default()
        );
    }

    #[test]
    fn json_names_branches_and_leaves_what_was_not_measured_null() {
        let report = Report::measure(subject(), "bottles", &category()).unwrap();
        let text = serde_json::to_string(&report).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["subject"]["branches"][1]["branch"], "global");
        assert!(value["branch_auroc"]["position"]["logical"].is_f64());
        assert!(value["auroc"]["structural"].is_null());
        assert_eq!(value["good_rejected"]["count"], 1);
        assert_eq!(
            serde_json::from_str::<Report>(&text).unwrap().subject,
            report.subject
        );
    }

    #[test]
    fn what_cannot_be_measured_is_named() {
        let refused = |judged: &[JudgedImage]| {
            Report::measure(subject(), "bottles", judged)
                .unwrap_err()
                .to_string()
        };
        let mut judged = category();
        judged[1].score = f32::NAN;
        assert!(refused(&judged).starts_with("b.png: its score is not a finite number"));
        judged = category();
        judged[4].branches[0].1 = f32::INFINITY;
        assert!(refused(&judged).contains("its position score"));
        assert!(refused(&category()[..3]).contains("nothing but good ones"));
        assert!(refused(&[]).contains("hold no good one"));
    }
}
