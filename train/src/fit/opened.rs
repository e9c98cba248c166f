//! What a fit begins with: the images, which product they show, and how they are looked at.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use aecsad_inspect::optics::InputGeometry;
use aecsad_program::whole_file;

use super::fine_trial::FineTrial;
use super::identity::{self, Identity};
use super::{FitError, FitOptions, Networks, fine_size, memory, pack};
use crate::dataset::{Category, sha256_of};
use crate::export::signing::SigningKey;
use crate::images::Images;
use crate::progress::stage;
use crate::screening::{self, Screening};

/// A category that can be fitted.
pub struct Opened {
    pub category: Category,
    pub identity: Identity,
    /// Of the known bad parts' files.
    pub sha256_of_bad: Vec<String>,
    /// Region and fine view; components are looked for with the same encoder in every profile.
    pub geometry: InputGeometry,
    /// Signs the bundle.
    pub key: Option<SigningKey>,
}

/// Checks all that can be checked before hours of work, and chooses the fine view.
///
/// # Errors
/// Each names what can't be used and what to do.
pub fn open(options: &FitOptions, cancel: &AtomicBool) -> Result<Opened, FitError> {
    pack::check_writable(&options.out)?;
    whole_file::create_folder(&options.work).map_err(|source| FitError::WorkFolder {
        path: options.work.clone(),
        source,
    })?;
    if let Networks::Paper(paper) = &options.networks {
        paper.check()?;
    }
    options.proposals.check()?;
    let key = signing_key(options.key.as_deref())?;
    let mut category = Category::open(&options.category, options.seed)?;
    if let Some(folder) = &options.more_good {
        category.add_good(folder, options.seed)?;
    }
    if let Some(folder) = &options.bad {
        category.add_bad(folder)?;
    }
    let sha256_of_bad = category.bad.iter().filter_map(|p| sha256_of(p)).collect();
    // Now that the images are known: it must be none of them.
    pack::check_writable(&options.out)?;
    let identity = identity::of_new(
        &options.category,
        &options.out,
        options.product.as_deref(),
        options.version,
    )?;
    let mut geometry = InputGeometry {
        bit_depth: options.bit_depth,
        ..InputGeometry::lite0(options.mono)
    };
    geometry.region = options.region.of(&category, &geometry)?;
    if let Networks::Edge(edge) = &options.networks {
        let trial = FineTrial::new(&category, &geometry, options.seed, cancel);
        geometry.fine = fine_size::choose(
            &category,
            edge.fine_size,
            options.precision,
            &options.work,
            trial,
        )?;
    }
    Ok(Opened {
        category,
        identity,
        sha256_of_bad,
        geometry,
        key,
    })
}

/// The key to sign with, if one is named; its password is prompted for now, if it has one.
pub fn signing_key(path: Option<&Path>) -> Result<Option<SigningKey>, FitError> {
    Ok(path.map(SigningKey::from_file).transpose()?)
}

impl Opened {
    /// Reads, screens and encodes the images.
    ///
    /// # Errors
    /// If they don't fit into memory, or can't be learnt from.
    pub fn read(&self, options: &FitOptions) -> Result<Images, FitError> {
        let category = &self.category;
        let observed = category.train.len() + category.bad.len();
        memory::check(observed, category.validation.len(), self.geometry.fine)?;
        stage("images", "reading and encoding");
        let screening = Screening {
            keep_outliers: options.keep_outliers,
            keep_duplicates: options.keep_duplicates,
            as_jpeg: options.as_jpeg,
            work: &options.work,
        };
        Ok(screening::load(category, &self.geometry, &screening)?)
    }

    /// What the trained networks are shown of `images`.
    pub fn input(&self, options: &FitOptions, images: &Images) -> InputGeometry {
        InputGeometry {
            bit_depth: images.bit_depth,
            trained_on: images.trained_on.clone(),
            exposure: match (&options.networks, options.light_counts) {
                (Networks::Edge(_), false) => images.exposure(),
                _ => None,
            },
            fine: self.geometry.fine,
            region: self.geometry.region.clone(),
            ..options.networks.input(options.mono)
        }
    }
}
