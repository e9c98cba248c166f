//! Reads good images into memory, in parallel, and names the unusable ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aecsad_inspect::frame::Frame;
use aecsad_inspect::image_files::{ImageError, read_image_of_depth};
use aecsad_inspect::optics::TrainedRegion;
use rayon::prelude::*;

use super::{Category, DatasetError, MIN_GOOD, MIN_VALIDATION, Skipped};

/// One bad image in twenty is an accident; more is a broken set.
const BAD_OF: usize = 20;

/// What came of a list of paths, in its order.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    pub items: Vec<T>,
    /// The path of each item.
    pub paths: Vec<PathBuf>,
    pub skipped: Vec<Skipped>,
    /// How many images, or their regions, have each width and height.
    pub sizes: BTreeMap<(u32, u32), usize>,
}

/// The good images of a category, made ready.
#[derive(Clone, Debug)]
pub struct GoodImages<T> {
    pub train: Loaded<T>,
    pub validation: Loaded<T>,
}

/// Reads an image, and of it only the region if there is one.
///
/// # Errors
/// If it can't be read, or the region is one of images of another size.
pub fn read_region(
    path: &Path,
    bit_depth: Option<u8>,
    region: Option<&TrainedRegion>,
) -> Result<Frame, ImageError> {
    let frame = read_image_of_depth(path, bit_depth)?;
    let Some(region) = region else {
        return Ok(frame);
    };
    region.crop(&frame).map_err(|_| ImageError::OtherFrame {
        path: path.to_owned(),
        why: format!(
            "the image has {}×{} pixels where the region is one of images of {}: take it away, or fit on images of one size",
            frame.width, frame.height, region.frame
        ),
    })
}

/// Reads the `region` of each image and hands it to `prepare` (resizing, counting progress), so that only what that returns is
/// kept. Bad images are skipped and named; how many are too many is for the caller to say.
pub fn load<T: Send>(
    paths: &[PathBuf],
    bit_depth: Option<u8>,
    region: Option<&TrainedRegion>,
    prepare: impl Fn(&Path, Frame) -> T + Sync,
) -> Loaded<T> {
    let read: Vec<_> = paths
        .par_iter()
        .map(|path| {
            let frame = read_region(path, bit_depth, region)?;
            let size = (frame.width, frame.height);
            Ok::<_, ImageError>((size, prepare(path, frame)))
        })
        .collect();
    let mut loaded = Loaded {
        items: Vec::new(),
        paths: Vec::new(),
        skipped: Vec::new(),
        sizes: BTreeMap::new(),
    };
    for (path, result) in paths.iter().zip(read) {
        match result {
            Ok((size, item)) => {
                loaded.items.push(item);
                loaded.paths.push(path.clone());
                *loaded.sizes.entry(size).or_default() += 1;
            }
            Err(e) => loaded.skipped.push(Skipped {
                path: path.clone(),
                why: e.to_string(),
            }),
        }
    }
    loaded
}

impl Category {
    /// Loads all good images. Bad ones are skipped with a warning each; more than one in twenty, or too few left, is
    /// an error. Images of several sizes are accepted with one warning, since each is resized to the network's input.
    pub fn load_good<T: Send>(
        &self,
        bit_depth: Option<u8>,
        region: Option<&TrainedRegion>,
        prepare: impl Fn(&Path, Frame) -> T + Sync,
    ) -> Result<GoodImages<T>, DatasetError> {
        let train = load(&self.train, bit_depth, region, &prepare);
        let validation = load(&self.validation, bit_depth, region, &prepare);
        let bad: Vec<&Skipped> = train.skipped.iter().chain(&validation.skipped).collect();
        bad.iter().for_each(|s| log::warn!("skipped: {s}"));
        let total = self.train.len() + self.validation.len();
        if let Some(first) = bad.first()
            && bad.len() * BAD_OF > total
        {
            return Err(DatasetError::TooManyBad {
                path: self.path.clone(),
                bad: bad.len(),
                total,
                first: first.why.clone(),
            });
        }
        self.check_enough(train.items.len(), validation.items.len())?;
        if let Some(warning) = mixed_sizes(&train.sizes, &validation.sizes) {
            log::warn!("{}: {warning}", self.path.display());
        }
        Ok(GoodImages { train, validation })
    }

    /// The rule on how many good images are needed, for what is named and again for what could be read and is kept.
    pub(crate) fn check_enough(&self, train: usize, validation: usize) -> Result<(), DatasetError> {
        let path = self.path.clone();
        let found = train + validation;
        if found < MIN_GOOD {
            return Err(DatasetError::TooFewGood { path, found });
        }
        // One fewer than a split of the smallest set gives, for the one bad image that such a set may have.
        if validation < MIN_VALIDATION {
            let found = validation;
            return Err(DatasetError::TooFewValidation { path, found });
        }
        Ok(())
    }
}

/// One line about images of several sizes, the commonest first; `None` if there is one size.
fn mixed_sizes(
    train: &BTreeMap<(u32, u32), usize>,
    validation: &BTreeMap<(u32, u32), usize>,
) -> Option<String> {
    let mut sizes = train.clone();
    for (size, count) in validation {
        *sizes.entry(*size).or_default() += count;
    }
    if sizes.len() < 2 {
        return None;
    }
    let mut sizes: Vec<_> = sizes.into_iter().collect();
    sizes.sort_by_key(|&(size, count)| (std::cmp::Reverse(count), size));
    let kinds = sizes.len();
    let listed: Vec<String> = sizes
        .iter()
        .take(4)
        .map(|((w, h), count)| format!("{count} of {w}×{h}"))
        .collect();
    let more = if kinds > 4 { ", …" } else { "" };
    Some(format!(
        "the good images come in {kinds} sizes ({}{more}); each is resized to the network's input, so make sure \
         that they show the part alike",
        listed.join(", ")
    ))
}
