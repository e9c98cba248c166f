//! What the networks of any profile are trained on, and for how long.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use aecsad_inspect::optics::TrainedRegion;

use crate::images::Images;
use crate::pseudo_label::Labels;
use crate::segmentation::Augmentation;

/// One training of a product's networks.
#[derive(Clone, Copy)]
pub struct TrainingRun<'a> {
    pub images: &'a Images,
    pub labels: &'a Labels,
    /// Background included; None without components.
    pub classes: Option<usize>,
    /// How labelled images are changed before the segmentation sees them.
    pub augmentation: &'a Augmentation,
    pub mono: bool,
    /// What of the images is looked at, and what of it is ignored.
    pub region: Option<&'a TrainedRegion>,
    pub seed: u64,
    /// Steps of each training, in percent of the profile's own.
    pub effort_percent: usize,
    /// Keeps checkpoints and metrics.
    pub work: &'a Path,
    pub cancel: &'a AtomicBool,
}

impl TrainingRun<'_> {
    /// How many of the profile's `steps` are taken.
    pub fn steps(&self, steps: usize) -> usize {
        (steps * self.effort_percent / 100).max(2)
    }
}
