//! What a bundle's networks say of many frames, on all cores.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use aecsad_inspect::frame::Frame;
use aecsad_inspect::network::{Features, Percept, Perception};
use aecsad_inspect::optics::Optics;

use super::frames::Frames;
use super::on_all_cores::on_all_cores;
use super::{FitError, stopped};
use crate::calibrate::{PerceptFile, PlantedPart, PlantedParts};
use crate::images::Image;
use crate::planted::{self, Clean};

/// Networks and what they are shown.
pub struct Observer<'a> {
    pub perception: &'a Perception,
    pub frames: &'a Frames<'a>,
    /// The encoder's features are most of a percept: false where no branch reads them.
    pub with_features: bool,
    pub cancel: &'a AtomicBool,
}

/// One thread's networks and buffers.
struct ThreadNetworks<'a> {
    perception: Perception,
    optics: Optics,
    with_features: bool,
    cancel: &'a AtomicBool,
}

impl ThreadNetworks<'_> {
    fn see(&mut self, frame: &Frame) -> Result<Percept, FitError> {
        stopped(self.cancel)?;
        let mut percept = Percept::empty();
        let tensors = self.optics.tensors(frame)?;
        self.perception.perceive(&tensors, &mut percept)?;
        Ok(self.finished(percept))
    }

    /// The networks' encoder has seen the whole of this image already.
    fn see_encoded(&mut self, image: &Image, frames: &Frames<'_>) -> Result<Percept, FitError> {
        stopped(self.cancel)?;
        let mut percept = Percept::empty();
        percept.features = image.features.clone();
        self.perception.interpret(&image.tensor, &mut percept)?;
        if let Some(fine) = &mut self.perception.fine {
            let frame = frames.read(image)?;
            if let Some(tensor) = self.optics.tensors(&frame)?.fine {
                fine.see(tensor, &mut percept.fine)?;
            }
        }
        Ok(self.finished(percept))
    }

    fn finished(&self, mut percept: Percept) -> Percept {
        if !self.with_features {
            percept.features = Features::empty();
        }
        percept
    }
}

impl Observer<'_> {
    /// One percept for each image, in order. `encoded` says that the networks' encoder is the one that gave the images'
    /// features.
    pub fn perceive(&self, images: &[&Image], encoded: bool) -> Result<Vec<Percept>, FitError> {
        let networks = || self.networks();
        on_all_cores(images.len(), networks, |index, networks| {
            let image = images[index];
            match encoded {
                true => networks.see_encoded(image, self.frames),
                false => networks.see(&self.frames.read(image)?),
            }
        })
    }

    /// What it sees of up to `each` anomalies of either kind planted on each of `clean`, kept in `folder`. They are planted
    /// again whenever they are needed, since so many frames of a fine view do not fit into memory.
    pub fn plants(
        &self,
        clean: &[Clean],
        each: usize,
        seed: u64,
        folder: &Path,
    ) -> Result<PlantedParts, FitError> {
        let unkept = |source| FitError::WorkFolder {
            path: folder.to_owned(),
            source,
        };
        let file = PerceptFile::new(folder).map_err(unkept)?;
        let networks = || self.networks();
        let of_each = on_all_cores(clean.len(), networks, |index, networks| {
            let plants = planted::plant(clean, index, each, seed);
            let seen = plants.into_iter().map(|plant| {
                let percept = networks.see(&plant.frame)?;
                let record = file.add(&percept).map_err(unkept)?;
                Ok(PlantedPart {
                    anomaly: plant.anomaly,
                    source: plant.source,
                    record,
                })
            });
            seen.collect::<Result<Vec<_>, FitError>>()
        })?;
        let parts = of_each.into_iter().flatten().collect();
        Ok(PlantedParts::new(parts, file))
    }

    fn networks(&self) -> Result<ThreadNetworks<'_>, FitError> {
        Ok(ThreadNetworks {
            perception: self.perception.fork()?,
            optics: Optics::new(self.frames.geometry().clone(), None),
            with_features: self.with_features,
            cancel: self.cancel,
        })
    }
}
