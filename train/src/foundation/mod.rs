//! The paper's pseudo-labels from foundation models: RAM++ names what an image shows, GroundingDINO finds where, SAM cuts
//! it out, a filter keeps the parts, and a backbone describes each however it lies. All of it runs before training, on the
//! host; nothing of it reaches a bundle.

pub mod catalogue;
mod error;
pub mod folder;
#[cfg(feature = "foundation")]
pub mod pipeline;
pub mod settings;
pub mod tags;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use aecsad_inspect::optics::TrainedRegion;
use image::RgbImage;

use crate::pseudo_label::DescribedRegions;
pub use error::FoundationError;
pub use settings::FoundationOptions;

/// Good images, and what of them is looked at.
pub struct Request<'a> {
    /// Name and path of each.
    pub images: Vec<(OsString, PathBuf)>,
    pub region: Option<&'a TrainedRegion>,
    /// `[SIDE, SIDE]`: pixels that belong to no part.
    pub ignored: Option<&'a [bool]>,
    /// Of images of 16 bits.
    pub bit_depth: Option<u8>,
    /// Where the pictures of the stages go.
    pub folder: &'a Path,
    pub seed: u64,
    pub cancel: &'a AtomicBool,
}

/// Finds out before anything else whether the models can be run.
///
/// # Errors
/// If this program was built without them, ONNX Runtime can't be opened, or a file of a model is missing.
pub fn check(options: &FoundationOptions) -> Result<(), FoundationError> {
    #[cfg(feature = "foundation")]
    return pipeline::check(options);
    #[cfg(not(feature = "foundation"))]
    {
        let _ = options;
        Err(FoundationError::NotBuilt)
    }
}

/// Regions of each image, described. None where nothing is found: such an image stays unlabelled.
///
/// # Errors
/// If this program was built without the models, one is missing or another one than is wanted, nothing is found in any
/// image, or the user stops it.
pub fn propose(
    request: &Request<'_>,
    options: &FoundationOptions,
) -> Result<Vec<Option<DescribedRegions>>, FoundationError> {
    #[cfg(feature = "foundation")]
    return pipeline::propose(request, options);
    #[cfg(not(feature = "foundation"))]
    {
        let _ = (request, options);
        Err(FoundationError::NotBuilt)
    }
}

/// Puts the overlay of each image's classes beside its stages, and the first images on one sheet.
///
/// # Errors
/// If a picture can't be written.
pub fn add_classes(
    folder: &Path,
    names: &[OsString],
    classes: impl Fn(usize) -> Option<RgbImage>,
) -> Result<(), FoundationError> {
    #[cfg(feature = "foundation")]
    return pipeline::pictures::add_classes(folder, names, classes);
    #[cfg(not(feature = "foundation"))]
    {
        let _ = (folder, names, classes);
        Ok(())
    }
}
