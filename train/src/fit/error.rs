//! Why a fit stopped, and with which exit code.

use std::path::PathBuf;

use aecsad_inspect::decision::planted_scores::DetectionRate;
use aecsad_program::{ExitCode, place};

use crate::quantise::QuantiseError;
use crate::screening::ScreeningError;

#[derive(Debug, thiserror::Error)]
pub enum FitError {
    #[error(transparent)]
    Dataset(#[from] crate::dataset::DatasetError),
    #[error(transparent)]
    Screening(#[from] ScreeningError),
    #[error(transparent)]
    Labels(#[from] crate::pseudo_label::LabelError),
    #[error(transparent)]
    Foundation(#[from] crate::foundation::FoundationError),
    #[error(transparent)]
    Segmentation(#[from] crate::segmentation::SegmentationError),
    #[error(transparent)]
    Students(#[from] crate::lgst::LgstError),
    #[error(transparent)]
    Paper(#[from] crate::paper::PaperError),
    #[error(transparent)]
    Quantise(QuantiseError),
    #[error(transparent)]
    Network(#[from] aecsad_inspect::network::NetworkError),
    #[error(transparent)]
    Region(#[from] crate::region::RegionError),
    #[error(transparent)]
    Image(#[from] aecsad_inspect::image_files::ImageError),
    #[error(transparent)]
    Optics(#[from] aecsad_inspect::optics::OpticsError),
    #[error(transparent)]
    Inspector(#[from] aecsad_inspect::inspector::InspectorError),
    #[error(transparent)]
    Bundle(#[from] aecsad_inspect::bundle::BundleError),
    #[error(transparent)]
    Golden(#[from] aecsad_inspect::golden::GoldenError),
    #[error(transparent)]
    Key(#[from] crate::export::signing::SigningError),
    #[error("{}: it doesn't record {what}, so it can't be calibrated again; fit anew with --precision int8", bundle.display())]
    Unrecorded { bundle: PathBuf, what: &'static str },
    #[error(
        "{}: these are not the images that {} was calibrated on, or not its masks: its scores don't come back; name the \
         folder that it was fitted on, and --masks and --more-good if it had them, or fit anew with --precision int8",
        category.display(), bundle.display()
    )]
    OtherImages { bundle: PathBuf, category: PathBuf },
    #[error(
        "{}: it was fitted on good parts of another folder too: name that with --more-good, or fit anew with --precision int8",
        bundle.display()
    )]
    MoreGoodNotNamed { bundle: PathBuf },
    #[error(
        "{images} images need about {needed_gb:.1} GB of memory and {available_gb:.1} GB are free: fit on {fitting} of \
         them, or on a computer with more memory"
    )]
    Memory {
        images: usize,
        needed_gb: f64,
        available_gb: f64,
        /// How many images fit.
        fitting: usize,
    },
    #[error(
        "{}: all good images look the same to every branch, so there is no scale to judge a part by: add images of \
         different parts, as the camera takes them on the line",
        category.display()
    )]
    NoSpread { category: PathBuf },
    #[error(
        "{}: the threshold would reject only {caught} planted anomalies: bad parts would pass; look for images among the \
         good ones that don't belong there, in {}, or write the bundle all the same with --keep-outliers",
        category.display(), sheet.display()
    )]
    Blind {
        category: PathBuf,
        caught: DetectionRate,
        sheet: PathBuf,
    },
    #[error("{}: no folder on the way to it names the product: name it with --product", path.display())]
    NoProduct { path: PathBuf },
    #[error("`{product}` can't be a product's name ({why}): name it with --product")]
    Product { product: String, why: String },
    #[error(
        "{} holds {product} version {version} already, and two bundles of one version can't be distinguished: leave \
         --bundle-version out to count up, or name another file with --out",
        out.display()
    )]
    VersionTaken {
        out: PathBuf,
        product: String,
        version: u64,
    },
    #[error("the statistics can't be packed: {0}")]
    Pack(String),
    #[error("the work folder {} can't be used ({source}): make room there or name another folder", path.display())]
    WorkFolder {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "{} can't be written ({source}): make room there or name another file with --out",
        place(path)
    )]
    Output {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("interrupted: run the same command again to go on from here")]
    Interrupted,
}

impl FitError {
    pub fn exit_code(&self) -> ExitCode {
        match self {
            FitError::Screening(e) => e.exit_code(),
            FitError::Paper(e) => e.exit_code(),
            FitError::Foundation(e) => e.exit_code(),
            FitError::Segmentation(e) => e.exit_code(),
            FitError::Students(e) => e.exit_code(),
            FitError::NoProduct { .. } | FitError::Product { .. } => ExitCode::Input,
            FitError::VersionTaken { .. } => ExitCode::Older,
            FitError::Dataset(_)
            | FitError::NoSpread { .. }
            | FitError::Blind { .. }
            | FitError::Memory { .. } => ExitCode::Training,
            FitError::Labels(crate::pseudo_label::LabelError::NotWritten { .. })
            | FitError::WorkFolder { .. }
            | FitError::Output { .. } => ExitCode::Storage,
            FitError::Labels(_) => ExitCode::Input,
            FitError::Image(_) | FitError::Optics(_) | FitError::Region(_) => ExitCode::Input,
            FitError::Quantise(QuantiseError::Quantised { .. } | QuantiseError::NotOnnx { .. })
            | FitError::Unrecorded { .. } => ExitCode::Bundle,
            FitError::OtherImages { .. } | FitError::MoreGoodNotNamed { .. } => ExitCode::Input,
            FitError::Quantise(_)
            | FitError::Network(_)
            | FitError::Inspector(_)
            | FitError::Golden(_) => ExitCode::Engine,
            FitError::Bundle(e) if e.is_storage() => ExitCode::Storage,
            FitError::Bundle(_) | FitError::Pack(_) => ExitCode::Bundle,
            FitError::Key(_) => ExitCode::Input,
            FitError::Interrupted => ExitCode::Interrupted,
        }
    }
}

impl From<QuantiseError> for FitError {
    fn from(error: QuantiseError) -> Self {
        match error {
            QuantiseError::Interrupted => FitError::Interrupted,
            error => FitError::Quantise(error),
        }
    }
}
