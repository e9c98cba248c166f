//! What good parts look like to trained networks, which branches judge, and from which score on a part is rejected: for
//! the float networks, and again for the same ones in int8.

use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use aecsad_inspect::branches::statistics::{FineStatistics, Statistics};
use aecsad_inspect::bundle::Profile;
use aecsad_inspect::network::{Percept, Perception};
use aecsad_inspect::optics::InputGeometry;

use super::FitError;
use super::fine::Fine;
use super::frames::Frames;
use super::perceive::Observer;
use super::residuals;
use crate::calibrate::{
    self, EarlierDecision, Fitter, GoodParts, Parts, PlantedParts, Rule, Selection,
};
use crate::images::{Image, Images};
use crate::networks::{Directions, ENCODER, Trained};
use crate::paper::decide_as_the_paper;
use crate::planted::{self, Clean};
use crate::progress::stage;

/// In what profiles differ once their networks are trained.
pub struct Rules {
    /// Planted anomalies choose and weigh the branches, images that are bad by mistake are left out, and as much is
    /// int8 as leaves the verdicts what they are. The paper chooses nothing, so that its tables can be reproduced.
    pub chooses: bool,
    /// A branch reads the encoder's features, of unlabelled images too. They are most of a percept.
    features: bool,
    /// Anomalies of each kind planted on a validation image, and on so many of these.
    pub(super) plants: usize,
    pub(super) planted_images: usize,
}

impl Rules {
    pub const fn of(profile: Profile) -> Self {
        match profile {
            Profile::Edge => Rules {
                chooses: true,
                features: true,
                plants: 3,
                planted_images: 60,
            },
            Profile::Paper => Rules {
                chooses: false,
                features: false,
                plants: 1,
                planted_images: 24,
            },
        }
    }
}

/// What calibration knows of a product beside its networks.
pub struct CalibrationInputs<'a> {
    pub rules: Rules,
    pub images: &'a mut Images,
    pub geometry: &'a InputGeometry,
    /// Indices of the training images whose labels were reliable; all where there are no components.
    pub labelled: Vec<usize>,
    pub seed: u64,
    /// Share of good parts that may be rejected.
    pub false_reject_rate: f64,
    /// Take what lies far off all others for good too.
    pub keep_outliers: bool,
    /// What does not fit into memory lies here meanwhile.
    pub work: &'a Path,
    pub cancel: &'a AtomicBool,
}

/// All parts as one set of networks sees them.
pub struct PerceivedParts {
    /// All training images, or the labelled ones where no branch reads others.
    pub train: Vec<Percept>,
    pub validation: Vec<Percept>,
    pub planted: PlantedParts,
    /// Known bad parts.
    pub bad: Vec<Percept>,
    /// Onto which what all of them show is projected.
    pub directions: Directions,
    /// Of the networks, background included; none without components.
    classes: Option<usize>,
}

/// What was decided on them.
pub struct Calibrated {
    pub selection: Selection,
    /// Whether parts are registered, and why.
    pub registration: String,
}

impl CalibrationInputs<'_> {
    /// What networks see of the images. `known` are the directions where other networks saw them before.
    pub fn see(
        &self,
        networks: &Trained,
        known: Option<&Directions>,
    ) -> Result<PerceivedParts, FitError> {
        let directions = match known {
            Some(known) => known.clone(),
            None => Directions {
                fine: self.fine_directions(networks)?,
                residuals: residuals::directions(networks, &self.images.train, self.cancel)?,
            },
        };
        let perception = self.perception(networks, &directions)?;
        let frames = self.frames();
        let observer = self.observer(&perception, &frames);
        // These features are known already, unless they were forgotten.
        let mut images = self.images.train.iter().chain(&self.images.validation);
        let encoded = networks.encoder == ENCODER && images.all(|image| !image.tensor.is_empty());
        let classes = networks.segmentation.as_ref().map(|(_, classes)| *classes);
        let train: Vec<&Image> = match (self.rules.features, classes) {
            (true, _) => self.images.train.iter().collect(),
            (false, Some(_)) => self
                .labelled
                .iter()
                .map(|i| &self.images.train[*i])
                .collect(),
            (false, None) => Vec::new(),
        };
        let validation: Vec<&Image> = self.images.validation.iter().collect();
        let bad: Vec<&Image> = self.images.bad.iter().collect();
        Ok(PerceivedParts {
            train: observer.perceive(&train, encoded)?,
            validation: observer.perceive(&validation, encoded)?,
            planted: PlantedParts::default(),
            // Their features are those of the images as they are, and their light may have to be evened out.
            bad: observer.perceive(&bad, false)?,
            directions,
            classes,
        })
    }

    fn fine_directions(&self, networks: &Trained) -> Result<Option<FineStatistics>, FitError> {
        let Some(size) = self.geometry.fine else {
            return Ok(None);
        };
        stage("fine view", &format!("{size} pixels"));
        let view = Fine {
            encoder: &networks.encoder,
            size,
            cancel: self.cancel,
        };
        let (frames, train) = (self.frames(), &self.images.train);
        let read = |index: usize| frames.read(&train[index]);
        Ok(Some(view.directions(
            self.geometry,
            train.len(),
            read,
            self.seed,
        )?))
    }

    pub(super) fn frames(&self) -> Frames<'_> {
        Frames::new(self.images, self.geometry)
    }

    pub(super) fn perception(
        &self,
        networks: &Trained,
        directions: &Directions,
    ) -> Result<Perception, FitError> {
        Ok(networks.seeing(directions, self.geometry)?)
    }

    pub(super) fn observer<'t>(
        &'t self,
        perception: &'t Perception,
        frames: &'t Frames<'t>,
    ) -> Observer<'t> {
        Observer {
            perception,
            frames,
            with_features: self.rules.features,
            cancel: self.cancel,
        }
    }

    /// The validation images that anomalies are planted on, evenly spread; `seen` tells their components.
    pub fn clean(&self, seen: &PerceivedParts) -> Result<Vec<Clean>, FitError> {
        let images = &self.images.validation;
        let count = images.len().min(self.rules.planted_images);
        let frames = self.frames();
        (0..count)
            .map(|i| i * images.len() / count)
            .map(|part| {
                Ok(Clean {
                    part,
                    frame: frames.finest(&images[part])?,
                    classes: planted::mark_ignored(
                        &seen.validation[part].classes,
                        self.geometry.region.as_ref(),
                    ),
                })
            })
            .collect()
    }

    /// Adds what networks see of anomalies planted on `clean`.
    pub fn see_plants(
        &self,
        networks: &Trained,
        clean: &[Clean],
        seen: &mut PerceivedParts,
    ) -> Result<(), FitError> {
        let perception = self.perception(networks, &seen.directions)?;
        let frames = self.frames();
        let observer = self.observer(&perception, &frames);
        seen.planted = observer.plants(clean, self.rules.plants, self.seed, self.work)?;
        Ok(())
    }

    /// Which branches judge and how: chosen by planted anomalies and known bad parts, unless `decided` has chosen
    /// already or the profile chooses nothing. `before` are statistics of the same branches on other networks.
    ///
    /// # Errors
    /// If someone stopped it: choosing takes minutes.
    pub fn calibrate(
        &self,
        seen: &PerceivedParts,
        decided: Option<EarlierDecision<'_>>,
        before: Option<&Statistics>,
    ) -> Result<Calibrated, FitError> {
        if !self.rules.chooses {
            let (validation, rate) = (&seen.validation, self.false_reject_rate);
            return Ok(Calibrated {
                selection: decide_as_the_paper(&seen.train, validation, seen.classes, rate),
                registration: "off: the paper has none".into(),
            });
        }
        let [train, validation] =
            [&self.images.train, &self.images.validation].map(|images| self.vouched(images));
        let good = GoodParts {
            before,
            vouched: &train,
            ..self.good(seen, &seen.train, &self.labelled)
        };
        let parts = Parts {
            good: &seen.validation,
            planted: &seen.planted,
            bad: &seen.bad,
        };
        let rule = Rule {
            vouched: &validation,
            rate: self.false_reject_rate,
        };
        let fitter = Fitter::new(&good);
        let selection = match decided {
            Some(decided) => calibrate::decide_again(decided, &fitter, &parts, rule)
                .map_err(|source| self.unkept(source))?,
            None => calibrate::decide(&fitter, &parts, rule, self.cancel)
                .map_err(|source| self.unkept(source))?
                .ok_or(FitError::Interrupted)?,
        };
        Ok(Calibrated {
            selection,
            registration: fitter.registration_why.clone(),
        })
    }

    /// What was to lie in the work folder can't.
    pub(super) fn unkept(&self, source: io::Error) -> FitError {
        FitError::WorkFolder {
            path: self.work.to_owned(),
            source,
        }
    }

    /// Indices of the images that are good however far off they lie.
    pub(super) fn vouched(&self, images: &[Image]) -> Vec<usize> {
        let indices = images.iter().enumerate();
        let vouched = indices.filter(|(_, image)| self.keep_outliers || image.vouched);
        vouched.map(|(index, _)| index).collect()
    }

    pub(super) fn good<'g>(
        &self,
        seen: &'g PerceivedParts,
        train: &'g [Percept],
        labelled: &'g [usize],
    ) -> GoodParts<'g> {
        GoodParts {
            train,
            labelled,
            held_out: &seen.validation,
            classes: seen.classes,
            seed: self.seed,
            directions: Some(&seen.directions),
            before: None,
            vouched: &[],
        }
    }
}
