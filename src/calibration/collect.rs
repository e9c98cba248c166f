//! Collects the good parts of a calibration from a line's frames, each part once, without empty pictures.

use aecsad_inspect::frame::Frame;
use aecsad_inspect::similarity::{BlockMeans, Distinct};

use super::{CalibrationError, CalibrationPart};

/// After this many empty pictures at the start the calibration ends.
const BLANK_AT_START: usize = 5;
/// More than this many repeated pictures for each new part mean that the belt stands.
const REPEATS_FOR_EACH: usize = 3;
const REPEATS_AT_START: usize = 20;
/// One picture of this many may be empty.
const BLANK_OF: usize = 20;
/// The most parts on the contact sheet.
pub const MOST_SHOWN: usize = 40;

/// A part that the operator should look at.
pub struct ScoredPart {
    /// Its number from 0, in the order of capture.
    pub part: usize,
    pub score: f32,
    /// At the network's input size.
    pub frame: Frame,
}

/// The collected parts, and counts of the pictures left out.
#[derive(Default)]
pub struct CollectedParts {
    pub samples: Vec<CalibrationPart>,
    /// Pictures of parts that had been seen already.
    pub repeats: usize,
    /// Pictures without structure.
    pub blank: usize,
    /// The parts with the highest scores under the bundle's own scale, highest first, at most [`MOST_SHOWN`].
    pub highest: Vec<ScoredPart>,
    distinct: Distinct,
    keep_duplicates: bool,
}

impl CollectedParts {
    pub fn new(keep_duplicates: bool) -> Self {
        CollectedParts {
            keep_duplicates,
            ..CollectedParts::default()
        }
    }

    /// Adds a part, unless its picture is empty or repeats an earlier part. `frame` is at the network's input size, and
    /// `score` is by the bundle's own scale.
    ///
    /// # Errors
    /// If the line shows no parts, or always the same one.
    pub fn add(
        &mut self,
        frame: &Frame,
        sample: CalibrationPart,
        score: f32,
    ) -> Result<(), CalibrationError> {
        let blocks = BlockMeans::of(frame);
        if blocks.shows_nothing(frame) {
            self.blank += 1;
            return match self.samples.is_empty() && self.blank >= BLANK_AT_START {
                true => Err(self.shows_nothing()),
                false => Ok(()),
            };
        }
        if !self.keep_duplicates && !self.distinct.is_new(blocks, frame) {
            self.repeats += 1;
            let most = REPEATS_AT_START + REPEATS_FOR_EACH * self.samples.len();
            return match self.repeats > most {
                true => Err(self.same_parts()),
                false => Ok(()),
            };
        }
        self.remember(frame, score);
        self.samples.push(sample);
        Ok(())
    }

    /// Checks at the end whether enough parts came; the error says why not.
    ///
    /// # Errors
    /// If most pictures were repeats, or too many were empty.
    pub fn check(&self, needed: usize) -> Result<(), CalibrationError> {
        let pictures = self.pictures();
        if self.blank * BLANK_OF > pictures {
            return Err(self.shows_nothing());
        }
        if self.samples.len() < needed && self.repeats > 0 {
            return Err(self.same_parts());
        }
        Ok(())
    }

    fn pictures(&self) -> usize {
        self.samples.len() + self.repeats + self.blank
    }

    fn shows_nothing(&self) -> CalibrationError {
        CalibrationError::ShowsNothing {
            blank: self.blank,
            pictures: self.pictures(),
        }
    }

    fn same_parts(&self) -> CalibrationError {
        CalibrationError::SameParts {
            pictures: self.pictures() - self.blank,
            parts: self.samples.len(),
        }
    }

    fn remember(&mut self, frame: &Frame, score: f32) {
        let at = self.highest.partition_point(|shown| shown.score >= score);
        if at < MOST_SHOWN {
            self.highest.truncate(MOST_SHOWN - 1);
            let shown = ScoredPart {
                part: self.samples.len(),
                score,
                frame: frame.clone(),
            };
            self.highest.insert(at, shown);
        }
    }
}
