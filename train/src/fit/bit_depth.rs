//! The bit depth of a set's images of 16 bits where no one has stated it. It is one for the whole set, so that a dark image is
//! not scaled otherwise than its neighbours, and where the set leaves it open it has to be stated.

use std::path::PathBuf;

use aecsad_inspect::image_files::{FULL_RANGE_FROM, brightest_of_16_bits};
use rayon::prelude::*;

use super::FitError;
use crate::dataset::Category;

/// 16 where most images use the upper bits, none where no image has 16 bits.
pub fn of_the_set(category: &Category) -> Result<Option<u8>, FitError> {
    let paths: Vec<&PathBuf> = category.train.iter().chain(&category.validation).collect();
    // What can't be read is named when the images are loaded.
    let read = paths
        .into_par_iter()
        .filter_map(|path| brightest_of_16_bits(path).ok()?);
    let brightest: Vec<u16> = read.collect();
    if brightest.is_empty() {
        return Ok(None);
    }
    let in_part = brightest.iter().copied().filter(|&b| b < FULL_RANGE_FROM);
    let in_part: Vec<u16> = in_part.collect();
    if 2 * in_part.len() <= brightest.len() {
        return Ok(Some(16));
    }
    Err(FitError::BitDepthUnknown {
        path: category.path.clone(),
        images: in_part.len(),
        total: brightest.len(),
        brightest: in_part.into_iter().max().unwrap_or_default(),
    })
}
