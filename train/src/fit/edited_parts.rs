//! Good validation parts edited in a known way, and whether the finished bundle rejects them: what it detects and what it
//! tolerates are both measured so.

use std::sync::atomic::AtomicBool;

use aecsad_inspect::branches::scorer::Scorer;
use aecsad_inspect::frame::Frame;
use aecsad_inspect::inspector::Inspector;
use aecsad_inspect::network::{Percept, Perception};
use aecsad_inspect::optics::{InputGeometry, Optics};

use super::frames::Frames;
use super::{FitError, stopped};
use crate::calibrate::Selection;
use crate::images::Images;
use crate::networks::{Directions, Trained};
use crate::planted::mark_ignored;

/// Parts that each edit is tried on, and how many in so many are nearly all.
const PARTS: usize = 20;
const NEARLY_ALL: usize = 18;

/// What is measured with.
pub struct Measurement<'a> {
    pub trained: &'a Trained,
    pub selection: &'a Selection,
    pub images: &'a Images,
    /// The validation parts as the networks see them.
    pub validation: &'a [Percept],
    pub geometry: &'a InputGeometry,
    pub cancel: &'a AtomicBool,
}

/// Validation parts that the bundle accepts as they are.
pub struct EditedParts<'a> {
    measurement: &'a Measurement<'a>,
    /// Indices of validation images. A part that is rejected anyway says nothing about an edit.
    accepted: Vec<usize>,
}

/// A validation image to edit.
pub struct EditablePart<'a> {
    pub index: usize,
    /// As the segmentation sees it, with what is ignored marked, `[64, 64]`.
    pub classes: ndarray::Array2<u8>,
    pub path: &'a std::path::Path,
}

impl<'a> EditedParts<'a> {
    /// With the networks that look at them.
    pub fn new(measurement: &'a Measurement<'a>) -> Result<(Self, Perception), FitError> {
        let directions = Directions::of(&measurement.selection.statistics);
        let networks = measurement
            .trained
            .seeing(&directions, measurement.geometry)?;
        let parts = &measurement.images.validation;
        let count = parts.len().min(PARTS);
        let mut edited = EditedParts {
            measurement,
            accepted: (0..count).map(|i| i * parts.len() / count).collect(),
        };
        let mut inspector = edited.inspector(&networks)?;
        let mut accepted = Vec::with_capacity(count);
        for part in &edited.accepted {
            if !edited.is_rejected(&mut inspector, *part, &|_, _| {})? {
                accepted.push(*part);
            }
        }
        edited.accepted = accepted;
        Ok((edited, networks))
    }

    /// Nothing can be said where no good part is accepted.
    pub fn is_empty(&self) -> bool {
        self.accepted.is_empty()
    }

    /// The finished bundle's, for one thread.
    pub fn inspector(&self, networks: &Perception) -> Result<Inspector, FitError> {
        let Measurement {
            selection,
            geometry,
            ..
        } = self.measurement;
        Ok(Inspector::new(
            Optics::new((*geometry).clone(), None),
            networks.fork()?,
            Scorer::new(selection.statistics.clone()),
            selection.decision.clone(),
        ))
    }

    /// Whether nine parts in ten are rejected after `edit`.
    pub fn are_rejected(
        &self,
        inspector: &mut Inspector,
        edit: &dyn Fn(&mut Frame, &EditablePart<'_>),
    ) -> Result<bool, FitError> {
        self.nearly_all_are(true, inspector, edit)
    }

    /// Whether nine parts in ten are still accepted after `edit`.
    pub fn are_accepted(
        &self,
        inspector: &mut Inspector,
        edit: &dyn Fn(&mut Frame, &EditablePart<'_>),
    ) -> Result<bool, FitError> {
        self.nearly_all_are(false, inspector, edit)
    }

    /// Stops at the part with which too many are otherwise.
    fn nearly_all_are(
        &self,
        rejected: bool,
        inspector: &mut Inspector,
        edit: &dyn Fn(&mut Frame, &EditablePart<'_>),
    ) -> Result<bool, FitError> {
        let mut otherwise = 0;
        for part in &self.accepted {
            otherwise += usize::from(self.is_rejected(inspector, *part, edit)? != rejected);
            if otherwise * PARTS > (PARTS - NEARLY_ALL) * self.accepted.len() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_rejected(
        &self,
        inspector: &mut Inspector,
        part: usize,
        edit: &dyn Fn(&mut Frame, &EditablePart<'_>),
    ) -> Result<bool, FitError> {
        let Measurement {
            images,
            validation,
            geometry,
            cancel,
            ..
        } = self.measurement;
        stopped(cancel)?;
        let image = &images.validation[part];
        let mut frame = Frames::new(images, geometry).original(image)?;
        let part = EditablePart {
            index: part,
            classes: mark_ignored(&validation[part].classes, geometry.region.as_ref()),
            path: &image.path,
        };
        edit(&mut frame, &part);
        Ok(inspector.inspect(&frame)?.reject)
    }
}
