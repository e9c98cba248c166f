//! What a bundle is worth on a category's test images: ranking (AUROC), localisation (sPRO), good parts rejected and
//! bad parts missed. Nothing here chooses anything; a report is written after training and calibration.

mod against;
mod at_thresholds;
mod defects;
pub mod detectability;
mod html;
mod picture;
mod report;
pub mod summary;
mod svg;
mod text;

use std::path::PathBuf;
use std::sync::Arc;

use aecsad_inspect::branches::Branch;
use ndarray::Array2;

use crate::dataset::Kind;
use crate::metrics::DefectRegion;

pub use against::{Against, AurocDifference};
pub use defects::{VisibleArea, regions};
pub use html::page_of;
pub use report::{BranchUse, ByKind, Fraction, Report, Subject};

/// One test image with its verdict and with what is known about it.
#[derive(Clone, Debug)]
pub struct JudgedImage {
    /// Relative to the category folder.
    pub path: PathBuf,
    pub kind: Kind,
    /// Height and width of the image in pixels, or of the region that is looked at.
    pub size: (usize, usize),
    pub score: f32,
    pub p_value: f32,
    pub reject: bool,
    /// Each active branch's normalised score.
    pub branches: Vec<(Branch, f32)>,
    /// The part of the image that is looked at; all of it if none.
    pub region: Option<aecsad_inspect::optics::Region>,
    /// `[rows, columns]`: covers what is looked at, at any resolution; enlarged bilinearly where the image's own is
    /// needed.
    pub map: Option<Array2<f32>>,
    /// The annotated defects, from [`regions`]; empty for a good image or one without masks.
    pub regions: Vec<DefectRegion>,
    /// `[height, width]`: pixels in which no defect counts.
    pub ignored: Option<Arc<[bool]>>,
}

/// Why a category can't be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    #[error("{path}: its {what} is not a finite number; verify the bundle on this machine", path = .path.display())]
    NotFinite { path: PathBuf, what: String },
    #[error(
        "the test images hold no good one, or nothing but good ones; both are needed to measure a detector"
    )]
    OneSided,
    #[error("the two bundles judged other images; measure both on one category")]
    OtherImages,
    #[error("{path}: can't be read ({source}); restore the file from the data set", path = .path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    Mask(#[from] crate::dataset::DatasetError),
    #[error("{path}: can't be decoded ({source}); export it again as an 8-bit PNG", path = .path.display())]
    Picture {
        path: PathBuf,
        source: image::ImageError,
    },
    #[error(
        "{path}: the mask is {mask_width}x{mask_height} but its image {width}x{height}; export it at the image's size",
        path = .path.display()
    )]
    MaskSize {
        path: PathBuf,
        mask_width: usize,
        mask_height: usize,
        width: usize,
        height: usize,
    },
    #[error("{path}: holds the value {value}, which defects_config.json does not list; add it there", path = .path.display())]
    Unlisted { path: PathBuf, value: u8 },
    #[error("the picture of {path} can't be encoded for the report ({source})", path = .path.display())]
    Encode {
        path: PathBuf,
        source: image::ImageError,
    },
}
