//! The stage that looks for components, alone or as part of a fit.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use aecsad_inspect::frame::Frame;
use aecsad_inspect::frame::Size;
use aecsad_inspect::optics::{InputGeometry, TrainedRegion};

use super::FitError;
use crate::dataset::Category;
use crate::foundation::{self, FoundationOptions};
use crate::images::{Image, Images};
use crate::pseudo_label::square_image::SquareImage;
use crate::pseudo_label::{self, Clustering, Config, Labels, Proposals, masks, overlay};
use crate::region::RegionOptions;
use crate::screening::{self, Screening};

/// Where the regions come from that become components.
#[derive(Clone, Debug, Default)]
pub enum ProposalSource {
    /// Over-segmentation by colour and texture.
    #[default]
    Builtin,
    /// A folder of indexed masks by any labelling tool.
    Masks(PathBuf),
    /// RAM++, GroundingDINO and SAM.
    Foundation(Box<FoundationOptions>),
}

impl ProposalSource {
    /// Finds out before the images are read whether there is what finds the regions.
    pub(super) fn check(&self) -> Result<(), FitError> {
        match self {
            ProposalSource::Foundation(options) => Ok(foundation::check(options)?),
            ProposalSource::Builtin | ProposalSource::Masks(_) => Ok(()),
        }
    }
}

/// What to label, and where the pictures go.
#[derive(Clone, Debug)]
pub struct LabelOptions {
    pub category: PathBuf,
    pub proposals: ProposalSource,
    pub clustering: Clustering,
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
pub fn label_only(options: &LabelOptions, cancel: &AtomicBool) -> Result<Labels, FitError> {
    options.proposals.check()?;
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
    LabelRequest {
        images: &images,
        region: geometry.region.as_ref(),
        proposals: &options.proposals,
        clustering: options.clustering,
        compares: true,
        folder: &options.out,
        seed: options.seed,
        cancel,
    }
    .label()
}

/// Training images to label.
pub struct LabelRequest<'a> {
    pub images: &'a Images,
    pub region: Option<&'a TrainedRegion>,
    pub proposals: &'a ProposalSource,
    pub clustering: Clustering,
    /// Whether the other clustering is tried as well.
    pub compares: bool,
    /// Gets the pictures of the labels.
    pub folder: &'a Path,
    pub seed: u64,
    pub cancel: &'a AtomicBool,
}

impl LabelRequest<'_> {
    /// Labels them and writes overlays of them.
    ///
    /// # Errors
    /// If drawn masks or the foundation models can't be used, or a picture can't be written.
    pub fn label(&self) -> Result<Labels, FitError> {
        let train = &self.images.train;
        let names: Vec<OsString> = train.iter().map(Image::stem).collect();
        let mut config = Config {
            seed: self.seed,
            clustering: self.clustering,
            compares: self.compares,
            ignored: self.region.and_then(|r| r.ignored_in(Size::WHOLE)),
            ..Default::default()
        };
        config.proposals = self.proposals(&names, config.ignored.as_deref())?;
        let frames: Vec<Frame> = train.iter().map(|i| i.frame.clone()).collect();
        let features: Vec<_> = train.iter().map(|i| i.features.clone()).collect();
        let labels = pseudo_label::label(&frames, &features, &config)?;
        let ignored = config.ignored.as_deref();
        overlay::write(self.folder, &names, &frames, &labels, ignored)?;
        if let ProposalSource::Foundation(_) = self.proposals {
            let of_classes = |index: usize| {
                let square = SquareImage::from_frame(index, &frames[index]).ok()?;
                Some(overlay::overlay(&square, &labels.maps[index]))
            };
            foundation::add_classes(self.folder, &names, of_classes)?;
        }
        Ok(labels)
    }

    fn proposals(
        &self,
        names: &[OsString],
        ignored: Option<&[bool]>,
    ) -> Result<Proposals, FitError> {
        let train = &self.images.train;
        Ok(match self.proposals {
            ProposalSource::Builtin => Proposals::default(),
            ProposalSource::Masks(drawn) => {
                let target = |image: &Image| masks::MaskTarget {
                    stem: image.stem(),
                    width: image.original.0,
                    height: image.original.1,
                };
                let targets: Vec<masks::MaskTarget> = train.iter().map(target).collect();
                let validation: Vec<OsString> =
                    self.images.validation.iter().map(Image::stem).collect();
                Proposals::Masks(masks::read(drawn, &targets, &validation, self.region)?)
            }
            ProposalSource::Foundation(options) => {
                let paths = train.iter().map(|image| image.path.clone());
                let request = foundation::Request {
                    images: names.iter().cloned().zip(paths).collect(),
                    region: self.region,
                    ignored,
                    bit_depth: self.images.bit_depth,
                    folder: self.folder,
                    seed: self.seed,
                    cancel: self.cancel,
                };
                Proposals::Described(foundation::propose(&request, options)?)
            }
        })
    }
}
