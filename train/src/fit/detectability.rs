//! Which damage a bundle sees: for each kind and contrast the smallest width, in pixels of the images, of which nine in ten
//! are rejected at the threshold. An engineer reads from it whether camera and lens suffice.

use std::sync::atomic::AtomicBool;

use aecsad_inspect::branches::scorer::Scorer;
use aecsad_inspect::network::Percept;
use aecsad_inspect::optics::{InputGeometry, Optics};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::frames::Frames;
use super::{FitError, stopped};
use crate::calibrate::Selection;
use crate::images::Images;
use crate::networks::Trained;
use crate::planted::graded::{Damage, damage};

/// Shares of the full range by which damage is lighter or darker than what it lies on.
pub const CONTRASTS: [f32; 3] = [0.1, 0.2, 0.4];
/// Widths that are tried, in pixels.
const WIDTHS: [f32; 10] = [1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0];
/// Good parts that each damage is put on, and how many of them must be rejected.
const PARTS: usize = 20;
const REJECTED: usize = 18;

/// One kind of damage.
#[derive(Clone, Debug, PartialEq)]
pub struct Detectable {
    pub damage: &'static str,
    /// For each of [`CONTRASTS`] the smallest width that is seen; none where the widest tried is not.
    pub widths: [Option<f32>; CONTRASTS.len()],
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
    pub fn table(&self) -> Result<Vec<Detectable>, FitError> {
        let pairs: Vec<(Damage, usize)> = Damage::ALL
            .into_iter()
            .flat_map(|damage| (0..CONTRASTS.len()).map(move |contrast| (damage, contrast)))
            .collect();
        let found = pairs
            .par_iter()
            .map(|(damage, contrast)| self.smallest(*damage, CONTRASTS[*contrast]))
            .collect::<Result<Vec<_>, FitError>>()?;
        Ok(Damage::ALL
            .into_iter()
            .zip(found.chunks_exact(CONTRASTS.len()))
            .map(|(damage, widths)| Detectable {
                damage: damage.name(),
                widths: std::array::from_fn(|contrast| widths[contrast]),
            })
            .collect())
    }

    /// Halves the range of widths until it is one: wider damage of a kind is seen wherever narrower is.
    fn smallest(&self, damage: Damage, contrast: f32) -> Result<Option<f32>, FitError> {
        let mut perception = self
            .trained
            .seeing(self.selection.statistics.fine.as_ref(), self.geometry)?;
        let mut scorer = Scorer::new(self.selection.statistics.clone());
        let mut optics = Optics::new(self.geometry.clone(), None);
        let mut percept = Percept::empty();
        let mut is_seen = |width: f32| -> Result<bool, FitError> {
            let frames = Frames::new(self.images, self.geometry);
            let parts = &self.images.validation;
            let count = parts.len().min(PARTS);
            let mut rejected = 0;
            for i in 0..count {
                stopped(self.cancel)?;
                let part = i * parts.len() / count;
                let mut frame = frames.original(&parts[part])?;
                let mut random = ChaCha8Rng::seed_from_u64(self.seed);
                random.set_stream(part as u64);
                let classes = &self.validation[part].classes;
                self::damage(&mut frame, classes, (damage, width, contrast), &mut random);
                perception.perceive(&optics.tensors(&frame)?, &mut percept)?;
                let judged = self.selection.decision.judge(&scorer.score(&percept));
                rejected += usize::from(judged.reject);
            }
            Ok(rejected * PARTS >= REJECTED * count)
        };
        let (mut low, mut high) = (0, WIDTHS.len());
        while low < high {
            let middle = (low + high) / 2;
            match is_seen(WIDTHS[middle])? {
                true => high = middle,
                false => low = middle + 1,
            }
        }
        Ok(WIDTHS.get(low).copied())
    }
}

/// The table for a person.
pub fn text(table: &[Detectable], (width, height): (u32, u32)) -> String {
    let mut text = format!(
        "narrowest damage of which nine in ten are rejected, in pixels of images of {width}×{height}:\n{:10}",
        "contrast"
    );
    for contrast in CONTRASTS {
        text += &format!("{:>8}", format!("{:.0} %", 100.0 * contrast));
    }
    text.push('\n');
    for Detectable { damage, widths } in table {
        text += &format!("{damage:10}");
        for width in widths {
            let width = match width {
                Some(width) => format!("{width:.0}"),
                None => format!("> {:.0}", WIDTHS[WIDTHS.len() - 1]),
            };
            text += &format!("{width:>8}");
        }
        text.push('\n');
    }
    text
}

/// The same for the manifest: a list of tables, without what is not seen.
pub fn record(table: &[Detectable]) -> toml::Value {
    let rows = table.iter().flat_map(|Detectable { damage, widths }| {
        CONTRASTS
            .iter()
            .zip(widths)
            .filter_map(move |(contrast, width)| {
                let mut row = toml::Table::new();
                row.insert("damage".into(), (*damage).into());
                row.insert(
                    "contrast_percent".into(),
                    ((100.0 * contrast).round() as i64).into(),
                );
                row.insert("width_px".into(), (width.as_ref()?.round() as i64).into());
                Some(toml::Value::Table(row))
            })
    });
    toml::Value::Array(rows.collect())
}
