//! Gathers the good parts of a calibration from the frames of a line: each part once, none without a picture.

use aecsad_inspect::frame::Frame;
use aecsad_inspect::likeness::{Distinct, View};

use super::{CalibrationError, Sample};

/// So many pictures that show nothing, and none that shows a part, end the wait for parts.
const BLANK_AT_START: usize = 5;
/// So many pictures of parts that were seen already, for each new one, mean that the belt stands.
const REPEATS_FOR_EACH: usize = 3;
const REPEATS_AT_START: usize = 20;
/// Of so many pictures one may show nothing.
const BLANK_OF: usize = 20;
/// Parts on the contact sheet.
pub const MOST_SHOWN: usize = 40;

/// A part that a person should look at.
pub struct StrangePart {
    /// Counted from 0, in the order in which the parts came.
    pub part: usize,
    pub score: f32,
    /// At the network's input size.
    pub frame: Frame,
}

/// Parts as they come, with what was left out of them.
#[derive(Default)]
pub struct CollectedParts {
    pub samples: Vec<Sample>,
    /// Pictures of parts that had been seen already.
    pub repeats: usize,
    /// Pictures without structure.
    pub blank: usize,
    /// The strangest parts under the bundle's own scale, strangest first, at most [`MOST_SHOWN`].
    pub strangest: Vec<StrangePart>,
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

    /// Takes a part in, unless its picture shows nothing or a part that was seen already. `frame` is at the network's
    /// input size, `score` the part's under the bundle's own scale.
    ///
    /// # Errors
    /// If the line evidently shows no parts, or always the same.
    pub fn add(
        &mut self,
        frame: &Frame,
        sample: Sample,
        score: f32,
    ) -> Result<(), CalibrationError> {
        let view = View::of(frame);
        if view.shows_nothing(frame) {
            self.blank += 1;
            return match self.samples.is_empty() && self.blank >= BLANK_AT_START {
                true => Err(self.shows_nothing()),
                false => Ok(()),
            };
        }
        if !self.keep_duplicates && !self.distinct.is_new(view, frame) {
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

    /// Says why what came is not enough, once no more parts come.
    ///
    /// # Errors
    /// If most pictures were repeats, or too many showed nothing.
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
        let at = self.strangest.partition_point(|shown| shown.score >= score);
        if at < MOST_SHOWN {
            self.strangest.truncate(MOST_SHOWN - 1);
            let shown = StrangePart {
                part: self.samples.len(),
                score,
                frame: frame.clone(),
            };
            self.strangest.insert(at, shown);
        }
    }
}
