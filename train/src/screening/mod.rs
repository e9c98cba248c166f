//! Which of the images that a person calls good can be learnt from. A threshold that rests on others says nothing.
//!
//! | Image | Found by | File |
//! |---|---|---|
//! | of another bit depth than the others | its brightest value | `bit_depth` |
//! | coded otherwise than the station's frames | its file | `encodings` |
//! | a known bad part that a good image shows too | similarity | `known_bad` |
//! | without a picture, or of a part that another image shows | similarity | `repeats` |
//! | far off all others | its features' neighbours | `neighbours`, `out_of_distribution` |
//! | bad by mistake | its score where nothing is learnt from it | `held_out` |
//! | with other part counts than nearly all others | its counts | `counts` |

mod bit_depth;
pub mod counts;
pub mod encodings;
mod error;
pub mod held_out;
mod known_bad;
mod neighbours;
mod out_of_distribution;
mod repeats;
pub mod sheet;

use std::path::Path;

use aecsad_inspect::frame::Frame;
use aecsad_inspect::optics::{Encoding, InputGeometry, TrainingImages};

use crate::conditions::jpeg;
use crate::dataset::Category;
use crate::images::{self, Image, Images};
pub use error::ScreeningError;
pub use repeats::first_of_each_part;
pub use sheet::SHEET;

/// Names in one sentence.
const MOST_NAMED: usize = 5;

/// What of the images a user calls good is believed.
pub struct Screening<'a> {
    pub keep_outliers: bool,
    pub keep_duplicates: bool,
    /// A part of the images is seen as JPEG if they are lossless.
    pub as_jpeg: bool,
    /// The folder for the picture of the images furthest from all others.
    pub work: &'a Path,
}

/// Reads, screens and encodes the good images of a category, and its known bad parts.
///
/// # Errors
/// If too few are left to learn from, or the set as a whole is not one of good images, or a part is named as good and
/// as bad.
pub fn load(
    category: &Category,
    geometry: &InputGeometry,
    screening: &Screening<'_>,
) -> Result<Images, ScreeningError> {
    let bit_depth = match geometry.bit_depth {
        Some(stated) => Some(stated),
        None => bit_depth::of_the_set(category)?,
    };
    let paths = category.train.iter().chain(&category.validation);
    let encoding = encodings::of(paths.map(|path| path.as_path()));
    let seen_as_jpeg = screening.as_jpeg && encoding == Encoding::Lossless;
    let region = geometry.region.as_ref();
    let prepare = |path: &Path, frame: Frame| match seen_as_jpeg {
        true => images::resize(geometry, &jpeg::variant(frame, path)),
        false => images::resize(geometry, &frame),
    };
    let good = category.load_good(bit_depth, region, prepare)?;
    let bad = known_bad::load(category, bit_depth, region, prepare)?;
    let mut sizes = good.train.sizes.clone();
    for (size, count) in &good.validation.sizes {
        *sizes.entry(*size).or_default() += count;
    }
    let trained_on = TrainingImages::of(&sizes, encoding).map(|images| TrainingImages {
        seen_as_jpeg,
        ..images
    });
    if let Some(trained_on) = &trained_on {
        known_bad::compare(&bad, trained_on);
    }
    // A fine view keeps the shape.
    if geometry.fine.is_none()
        && let Some(cost) = trained_on
            .as_ref()
            .and_then(TrainingImages::cost_of_squeezing)
    {
        log::warn!("{}: {cost}", category.path.display());
    }
    let (train, validation) = (images::sized(good.train)?, images::sized(good.validation)?);
    let (train, validation) = screening.distinct(category, train, validation)?;
    let bad = images::sized(bad)?;
    let bad = screening.distinct_bad(bad, train.iter().chain(&validation))?;
    let vouched = |images: Vec<Image>| -> Vec<Image> {
        let images = images.into_iter();
        let images = images.map(|image| Image {
            vouched: category.more_good.contains(&image.path),
            ..image
        });
        images.collect()
    };
    let good = Images {
        bit_depth,
        trained_on,
        train: vouched(images::encode(train)?),
        validation: vouched(images::encode(validation)?),
        bad: images::encode(bad)?,
    };
    screening.without_out_of_distribution(category, good)
}

/// The first few of many names.
fn named(paths: &[String]) -> String {
    let first = paths[..paths.len().min(MOST_NAMED)].join(", ");
    match paths.len().saturating_sub(MOST_NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
