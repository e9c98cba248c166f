//! The stage that looks for components, alone or as part of a fit.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use aecsad_inspect::frame::Frame;
use aecsad_inspect::frame::Size;
use aecsad_inspect::optics::{InputGeometry, TrainedRegion};

use super::FitError;
use crate::dataset::Category;
use crate::images::{Image, Images};
use crate::pseudo_label::{self, Config, Labels, Proposals, masks};
use crate::region::RegionOptions;
use crate::screening::{self, Screening};

/// What to label, and where the pictures go.
#[derive(Clone, Debug)]
pub struct LabelOptions {
    pub category: PathBuf,
    pub masks: Option<PathBuf>,
    pub out: PathBuf,
    /// Of images of 16 bits, if it is stated.
    pub bit_depth: Option<u8>,
    /// What of the images is looked at.
    pub region: RegionOptions,
    pub seed: u64,
}

/// Labels a category without training anything.
///
/// # Errors
/// As [`super::fit`].
pub fn label_only(options: &LabelOptions) -> Result<Labels, FitError> {
    let category = Category::open(&options.category, options.seed)?;
    let mut geometry = InputGeometry {
        bit_depth: options.bit_depth,
        ..InputGeometry::lite0(false)
    };
    geometry.region = options.region.of(&category, &geometry)?;
    std::fs::create_dir_all(&options.out).map_err(|source| FitError::WorkFolder {
        path: options.out.clone(),
        source,
    })?;
    let screening = Screening {
        keep_outliers: true,
        keep_duplicates: true,
        as_jpeg: false,
        work: &options.out,
    };
    let images = screening::load(&category, &geometry, &screening)?;
    label(
        &images,
        geometry.region.as_ref(),
        options.masks.as_deref(),
        &options.out,
        options.seed,
    )
}

/// Labels the training images and writes overlays of them into `folder`.
pub fn label(
    images: &Images,
    region: Option<&TrainedRegion>,
    drawn: Option<&Path>,
    folder: &Path,
    seed: u64,
) -> Result<Labels, FitError> {
    let mut config = Config {
        seed,
        ignored: region.and_then(|region| region.ignored_in(Size::WHOLE)),
        ..Default::default()
    };
    if let Some(drawn) = drawn {
        let target = |image: &Image| masks::MaskTarget {
            stem: image.stem(),
            width: image.original.0,
            height: image.original.1,
        };
        let targets: Vec<masks::MaskTarget> = images.train.iter().map(target).collect();
        let validation: Vec<OsString> = images.validation.iter().map(Image::stem).collect();
        config.proposals = Proposals::Masks(masks::read(drawn, &targets, &validation, region)?);
    }
    let frames: Vec<Frame> = images.train.iter().map(|i| i.frame.clone()).collect();
    let features: Vec<_> = images.train.iter().map(|i| i.features.clone()).collect();
    let labels = pseudo_label::label(&frames, &features, &config)?;
    let names: Vec<OsString> = images.train.iter().map(Image::stem).collect();
    pseudo_label::overlay::write(folder, &names, &frames, &labels, config.ignored.as_deref())?;
    Ok(labels)
}
