//! Why a data set can't be trained on, one sentence each.

use std::io;
use std::path::PathBuf;

use aecsad_inspect::image_files::ImageError;
use aecsad_program::counted;

use super::{MIN_GOOD, MIN_VALIDATION};

#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    #[error("{}: there is no such folder ({source}); name a category's folder", path.display())]
    NotAFolder { path: PathBuf, source: io::Error },
    #[error("{}: there are no images here; expected PNG, JPEG, BMP or TIFF files, or the folder train/good", path.display())]
    NoImages { path: PathBuf },
    #[error("{}: there is no image of a {what} here; expected PNG, JPEG, BMP or TIFF files", path.display())]
    NoneToAdd { path: PathBuf, what: &'static str },
    #[error("{}: images lie only in sub-folders; name the one that holds the good ones, or call it train/good", path.display())]
    OnlySubfolders { path: PathBuf },
    #[error("{}: there is train/ but no train/good; good images to learn from belong there", path.display())]
    NoGoodFolder { path: PathBuf },
    #[error(
        "{}: {}, but at least {MIN_GOOD} are needed: what is normal is learnt from \
         about two thirds of them, and the threshold set on the rest",
        path.display(), counted(*found, "usable good image")
    )]
    TooFewGood { path: PathBuf, found: usize },
    #[error(
        "{}: {} in validation/good, but at least {MIN_VALIDATION} are needed to set the \
         threshold on; add more, or take the folder away to have one split off train/good",
        path.display(), counted(*found, "usable image")
    )]
    TooFewValidation { path: PathBuf, found: usize },
    #[error(
        "{}: {bad} of {total} good images can't be used, more than one in twenty, so something is wrong with the \
         set as a whole; the first: {first}",
        path.display()
    )]
    TooManyBad {
        path: PathBuf,
        bad: usize,
        total: usize,
        first: String,
    },
    #[error(
        "{}: {blank} of {total} images show nothing, only an even surface: look for a cap on the lens, then at exposure \
         and lamp, and take such images away",
        path.display()
    )]
    ShowNothing {
        path: PathBuf,
        blank: usize,
        total: usize,
    },
    #[error(
        "{}: {out_of_distribution} of {total} images lie far off all others ({named}), so they can't all be good \
         parts of one product; look at {}, take away what doesn't belong, or keep all with --keep-outliers",
        path.display(), sheet.display()
    )]
    TooManyOutOfDistribution {
        path: PathBuf,
        out_of_distribution: usize,
        total: usize,
        named: String,
        sheet: PathBuf,
    },
    #[error("{}: defects_config.json can't be used ({why}); correct it or take it away", path.display())]
    DefectsConfig { path: PathBuf, why: String },
    #[error("{}: the mask can't be read ({why}); a mask is an 8-bit grey or indexed PNG, or a BMP or TIFF without colours", path.display())]
    Mask { path: PathBuf, why: String },
    #[error(transparent)]
    Image(#[from] ImageError),
}
