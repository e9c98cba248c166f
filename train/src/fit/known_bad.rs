//! What a person should know of the known bad parts: how many a bundle would reject, and which would pass.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::FitError;
use crate::calibrate::{HeldOut, KnownBad, rejected};
use crate::images::Images;
use crate::screening::sheet::{self, Shown};

/// Parts that would pass, in the work folder.
const PASSING: &str = "passing_bad_parts.png";
/// Lines of parts that would pass.
const MOST_LISTED: usize = 10;

/// The known bad parts, each judged by weights that were fitted without it.
pub struct BadParts {
    parts: Vec<(PathBuf, HeldOut)>,
    known: KnownBad,
    sheet: PathBuf,
    /// Of the files, the ones among them that show a part twice included.
    pub sha256: Vec<String>,
}

impl BadParts {
    /// Draws those that would pass into the folder `work`. `sha256` are those of their files.
    ///
    /// # Errors
    /// If the picture can't be written.
    pub fn new(
        known: KnownBad,
        images: &Images,
        sha256: Vec<String>,
        work: &Path,
    ) -> Result<Self, FitError> {
        let sheet = work.join(PASSING);
        let judged = images.bad.iter().zip(known.parts());
        let passing = judged.clone().filter(|(_, part)| !part.is_rejected());
        let shown: Vec<Shown<'_>> = passing
            .map(|(image, part)| Shown {
                name: image.stem().to_string_lossy().into_owned(),
                frame: &image.frame,
                distance: part.threshold - part.score,
                left_out: false,
            })
            .collect();
        let written = match shown.is_empty() {
            // One of an earlier fit would show parts that are rejected now.
            true => match std::fs::remove_file(&sheet) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
            false => sheet::write(&sheet, shown),
        };
        written.map_err(|source| FitError::WorkFolder {
            path: sheet.clone(),
            source,
        })?;
        let parts = judged.map(|(image, part)| (image.path.clone(), *part));
        Ok(BadParts {
            parts: parts.collect(),
            known,
            sheet,
            sha256,
        })
    }

    pub fn total(&self) -> usize {
        self.parts.len()
    }

    pub fn passing(&self) -> usize {
        self.total() - rejected(self.known.parts())
    }

    /// For a terminal: how many are rejected, whether the weights rest on them, and which would pass.
    pub fn text(&self) -> String {
        let [without, with] = [&self.known.without, &self.known.with].map(|parts| rejected(parts));
        let total = self.total();
        let mut text = format!(
            "known bad parts rejected: {} of {total}, each judged by weights that have not seen it\n",
            total - self.passing()
        );
        let _ = match self.known.used {
            true => writeln!(
                text,
                "  the weights rest on them too: those of planted anomalies alone reject {without}"
            ),
            false => writeln!(
                text,
                "  the weights rest on planted anomalies alone: resting on known bad parts too, they reject {with}, and rank no better"
            ),
        };
        let mut passing: Vec<&(PathBuf, HeldOut)> = self
            .parts
            .iter()
            .filter(|(_, part)| !part.is_rejected())
            .collect();
        passing
            .sort_by(|(_, a), (_, b)| (a.score - a.threshold).total_cmp(&(b.score - b.threshold)));
        for (path, part) in passing.iter().take(MOST_LISTED) {
            let HeldOut {
                score, threshold, ..
            } = part;
            let _ = writeln!(
                text,
                "  would pass: {}, score {score:.3}, threshold {threshold:.3}",
                path.display()
            );
        }
        if let more @ 1.. = passing.len().saturating_sub(MOST_LISTED) {
            let _ = writeln!(text, "  and {more} more");
        }
        if !passing.is_empty() {
            let _ = writeln!(text, "  see {}", self.sheet.display());
        }
        text
    }
}
