//! Which damage a bundle sees: for each kind and contrast the smallest width, in pixels of the images, of which nine in ten
//! are rejected at the threshold. An engineer reads from it whether camera and lens suffice.

use std::fmt::Write;
use std::sync::atomic::AtomicBool;

use aecsad_inspect::branches::scorer::Scorer;
use aecsad_inspect::network::{Percept, Perception};
use aecsad_inspect::optics::{InputGeometry, Optics};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::frames::Frames;
use super::{FitError, stopped};
use crate::calibrate::Selection;
use crate::images::Images;
use crate::networks::Trained;
use crate::planted::graded::{Damage, damage};
use crate::planted::mark_ignored;

/// Percent of the full range by which damage is lighter or darker than what it lies on.
const CONTRASTS: [i64; 3] = [10, 20, 40];
/// Widths that are tried, in pixels.
const WIDTHS: [i64; 10] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32];
/// Good parts that each damage is put on, and how many of them must be rejected.
const PARTS: usize = 20;
const REJECTED: usize = 18;

/// Damage of one kind and contrast, and from which width on it is seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detectable {
    pub damage: String,
    pub contrast_percent: i64,
    /// In pixels of the training images; none where the widest tried is not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width_px: Option<i64>,
}

/// What is measured with.
pub struct Measurement<'a> {
    pub trained: &'a Trained,
    pub selection: &'a Selection,
    pub images: &'a Images,
    /// The validation parts as the networks see them.
    pub validation: &'a [Percept],
    pub geometry: &'a InputGeometry,
    pub seed: u64,
    pub cancel: &'a AtomicBool,
}

impl Measurement<'_> {
    /// A row for each kind and contrast; none where no good part is accepted, so that nothing can be said.
    pub fn table(&self) -> Result<Vec<Detectable>, FitError> {
        let fine = self.selection.statistics.fine.as_ref();
        let perception = self.trained.seeing(fine, self.geometry)?;
        let mut eye = self.eye(perception.fork()?);
        let parts = &self.images.validation;
        let count = parts.len().min(PARTS);
        let mut accepted = Vec::with_capacity(count);
        for part in (0..count).map(|i| i * parts.len() / count) {
            // A part that is rejected anyway says nothing about its damage.
            if !self.is_rejected(&mut eye, part, None)? {
                accepted.push(part);
            }
        }
        if accepted.is_empty() {
            return Ok(Vec::new());
        }
        let kinds = Damage::ALL.into_iter();
        let kinds = kinds.flat_map(|damage| CONTRASTS.map(|contrast| (damage, contrast)));
        let jobs = kinds
            .map(|kind| Ok((kind, self.eye(perception.fork()?))))
            .collect::<Result<Vec<_>, FitError>>()?;
        jobs.into_par_iter()
            .map(|((damage, contrast), mut eye)| {
                Ok(Detectable {
                    damage: damage.name().to_owned(),
                    contrast_percent: contrast,
                    width_px: self.narrowest(&mut eye, damage, contrast, &accepted)?,
                })
            })
            .collect()
    }

    fn eye(&self, perception: Perception) -> Eye {
        Eye {
            perception,
            scorer: Scorer::new(self.selection.statistics.clone()),
            optics: Optics::new(self.geometry.clone(), None),
            percept: Percept::empty(),
        }
    }

    /// Halves the range of widths until it is one: wider damage of a kind is seen wherever narrower is.
    fn narrowest(
        &self,
        eye: &mut Eye,
        damage: Damage,
        contrast: i64,
        parts: &[usize],
    ) -> Result<Option<i64>, FitError> {
        let (mut low, mut high) = (0, WIDTHS.len());
        while low < high {
            let middle = (low + high) / 2;
            let planted = (damage, WIDTHS[middle] as f32, contrast as f32 / 100.0);
            let mut rejected = 0;
            for part in parts {
                rejected += usize::from(self.is_rejected(eye, *part, Some(planted))?);
            }
            match rejected * PARTS >= REJECTED * parts.len() {
                true => high = middle,
                false => low = middle + 1,
            }
        }
        Ok(WIDTHS.get(low).copied())
    }

    /// Whether a validation part is rejected, with this damage on it.
    fn is_rejected(
        &self,
        eye: &mut Eye,
        part: usize,
        planted: Option<(Damage, f32, f32)>,
    ) -> Result<bool, FitError> {
        stopped(self.cancel)?;
        let frames = Frames::new(self.images, self.geometry);
        let mut frame = frames.original(&self.images.validation[part])?;
        if let Some(planted) = planted {
            let mut random = ChaCha8Rng::seed_from_u64(self.seed);
            random.set_stream(part as u64);
            let classes = &self.validation[part].classes;
            let classes = mark_ignored(classes, self.geometry.region.as_ref());
            damage(&mut frame, &classes, planted, &mut random);
        }
        let tensors = eye.optics.tensors(&frame)?;
        eye.perception.perceive(&tensors, &mut eye.percept)?;
        let raw = eye.scorer.score(&eye.percept);
        Ok(self.selection.decision.judge(&raw).reject)
    }
}

/// One thread's networks and buffers.
struct Eye {
    perception: Perception,
    scorer: Scorer,
    optics: Optics,
    percept: Percept,
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
