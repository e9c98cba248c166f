//! The bit depth of a set's images of 16 bits where no one has stated it. It is one for the whole set, so that a dark image is
//! not scaled otherwise than its neighbours, and where the set leaves it open it has to be stated.

use std::path::PathBuf;

use aecsad_inspect::image_files::{FULL_RANGE_FROM, brightest_of_16_bits};
use rayon::prelude::*;

use super::ScreeningError;
use crate::dataset::Category;

/// Where more than one image in so many uses the lower bits alone, the set holds images of several depths, or is badly lit.
const MIXED_OF: usize = 10;

/// 16 where nearly all images use the upper bits, none where no image has 16 bits.
pub fn of_the_set(category: &Category) -> Result<Option<u8>, ScreeningError> {
    let paths: Vec<&PathBuf> = category.train.iter().chain(&category.validation).collect();
    // What can't be read is named when the images are loaded.
    let read = paths
        .into_par_iter()
        .filter_map(|path| Some((path, brightest_of_16_bits(path).ok()??)));
    let brightest: Vec<(&PathBuf, u16)> = read.collect();
    let total = brightest.len();
    if total == 0 {
        return Ok(None);
    }
    let in_part = brightest.into_iter().filter(|(_, b)| *b < FULL_RANGE_FROM);
    let in_part: Vec<(&PathBuf, u16)> = in_part.collect();
    if in_part.len() * MIXED_OF <= total {
        return Ok(Some(16));
    }
    if let ([(example, _), ..], true) = (&in_part[..], 2 * in_part.len() <= total) {
        return Err(ScreeningError::BitDepthsMixed {
            path: category.path.clone(),
            images: in_part.len(),
            total,
            example: example.to_path_buf(),
        });
    }
    Err(ScreeningError::BitDepthUnknown {
        path: category.path.clone(),
        images: in_part.len(),
        total,
        brightest: in_part.iter().map(|(_, b)| *b).max().unwrap_or_default(),
    })
}
