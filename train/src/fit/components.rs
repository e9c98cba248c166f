//! The components of a product, for a fit: labels of the training images, or why it goes on without.

use std::sync::atomic::AtomicBool;

use super::labels::LabelRequest;
use super::{FitError, FitOptions};
use crate::images::Images;
use crate::progress::stage;
use crate::pseudo_label::{Labels, Usable};
use aecsad_inspect::optics::TrainedRegion;

/// What was found.
pub struct Components {
    pub labels: Labels,
    /// Classes, background included; why there are none otherwise.
    pub classes: Result<usize, String>,
}

impl Components {
    /// Looks for them and says what came of it.
    ///
    /// # Errors
    /// If drawn masks or the foundation models can't be used, or the pictures of the labels can't be written.
    pub fn find(
        images: &Images,
        region: Option<&TrainedRegion>,
        options: &FitOptions,
        cancel: &AtomicBool,
    ) -> Result<Self, FitError> {
        stage("labels", "looking for components");
        let folder = options.work.join("labels");
        let labels = LabelRequest {
            images,
            region,
            proposals: &options.proposals,
            clustering: options.clustering,
            compares: false,
            folder: &folder,
            seed: options.seed,
            cancel,
        }
        .label()?;
        let classes = match &labels.usable {
            Usable::Yes => Ok(labels.classes.len()),
            Usable::No(why) => Err(why.clone()),
        };
        let found = match &classes {
            Ok(classes) => format!(
                "{} kinds of component; see {}",
                classes - 1,
                folder.display()
            ),
            Err(why) => format!("no components, trained without them: {why}"),
        };
        stage("labels", &found);
        Ok(Components { labels, classes })
    }

    /// Indices of the training images with reliable labels; all where there are no components.
    pub fn reliable(&self) -> Vec<usize> {
        let reliability = self.labels.reliability.iter().enumerate();
        reliability
            .filter(|(_, image)| self.classes.is_err() || image.labelled)
            .map(|(index, _)| index)
            .collect()
    }
}
