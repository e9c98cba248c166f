//! Which pictures are kept: of all parts that were not good, of one in so many good parts, and of those near the
//! threshold.

use std::path::{Path, PathBuf};

use aecsad_inspect::inspector::Verdict;

use crate::line::Cause;
use crate::station::config::JournalConfig;

/// The ring that a picture goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    NotGood,
    Sample,
}

impl Kept {
    /// Its folder in the journal's.
    pub fn folder(self, journal: &Path) -> PathBuf {
        journal.join(match self {
            Kept::NotGood => "pictures",
            Kept::Sample => "samples",
        })
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Selection {
    journal: bool,
    /// One good part in so many; none if 0.
    sample_every: u32,
    /// Good parts from this share of the threshold on.
    borderline: f32,
    /// Good parts since the latest sample.
    since: u32,
}

impl Selection {
    pub fn of(config: &JournalConfig) -> Self {
        Selection {
            journal: true,
            sample_every: config.sample_every,
            borderline: config.borderline,
            since: 0,
        }
    }

    /// The ring for this part's picture, if it is kept.
    pub fn kept(&mut self, cause: Cause, verdict: Option<&Verdict>) -> Option<Kept> {
        if !self.journal {
            return None;
        }
        if cause != Cause::Good {
            return Some(Kept::NotGood);
        }
        self.since = self.since.saturating_add(1);
        let due = self.sample_every > 0 && self.since >= self.sample_every;
        if due {
            self.since = 0;
        }
        // A share of a threshold below zero means nothing.
        let near = verdict.is_some_and(|verdict| {
            let threshold = verdict.limits.threshold;
            self.borderline < 1.0 && threshold > 0.0 && verdict.score >= self.borderline * threshold
        });
        (due || near).then_some(Kept::Sample)
    }
}
