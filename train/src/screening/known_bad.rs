//! Known bad parts: each counts once, none is a good part too, and they are seen as the good ones are.

use std::path::Path;

use aecsad_inspect::frame::Frame;
use aecsad_inspect::optics::{Encoding, OpticsError, TrainedRegion, TrainingImages};
use aecsad_inspect::similarity::BlockMeans;
use rayon::prelude::*;

use super::{Screening, ScreeningError, encodings, first_of_each_part, named};
use crate::dataset::{Category, Loaded, load as read};
use crate::images::{Resized, Sized};

/// Reads the known bad parts of a category. Those that can't be read are named.
///
/// # Errors
/// If none can be.
pub fn load(
    category: &Category,
    bit_depth: Option<u8>,
    region: Option<&TrainedRegion>,
    prepare: impl Fn(&Path, Frame) -> Result<Resized, OpticsError> + Sync,
) -> Result<Loaded<Result<Resized, OpticsError>>, ScreeningError> {
    let loaded = read(&category.bad, bit_depth, region, prepare);
    loaded
        .skipped
        .iter()
        .for_each(|skipped| log::warn!("skipped: {skipped}"));
    match category.bad.first() {
        Some(first) if loaded.items.is_empty() => Err(ScreeningError::NoUsableBad {
            path: first.parent().unwrap_or(first).to_owned(),
        }),
        _ => Ok(loaded),
    }
}

/// Warns where bad parts can be distinguished from good ones by their files: weights then rest on that.
pub fn compare<T>(bad: &Loaded<T>, good: &TrainingImages) {
    let Some(first) = bad.paths.first() else {
        return;
    };
    let example = first.display();
    let coded = encodings::of(bad.paths.iter().map(|path| path.as_path()));
    let either = good.encoding == Encoding::Mixed || good.seen_as_jpeg;
    if coded != good.encoding && !either {
        log::warn!(
            "known bad parts are {} and good ones {}, so the weights may rest on coding noise: take both in the same way (the \
             first: {example})",
            in_words(coded),
            in_words(good.encoding)
        );
    }
    let other = bad.sizes.keys().find(|size| !good.match_shape(**size));
    if let Some((width, height)) = other {
        log::warn!(
            "known bad parts are seen in {width}×{height} pixels, and good ones mostly in {}×{}: another shape is squeezed \
             otherwise, and the weights may rest on that; take both in the same way (the first: {example})",
            good.width,
            good.height
        );
    }
}

fn in_words(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Jpeg => "JPEG",
        Encoding::Lossless => "lossless",
        Encoding::Mixed | Encoding::Unknown => "partly JPEG",
    }
}

impl Screening<'_> {
    /// Each known bad part once.
    ///
    /// # Errors
    /// If one is a good part too.
    pub(super) fn distinct_bad<'g>(
        &self,
        bad: Vec<Sized>,
        good: impl Iterator<Item = &'g Sized>,
    ) -> Result<Vec<Sized>, ScreeningError> {
        if bad.is_empty() {
            return Ok(bad);
        }
        let viewed = |image: &'g Sized| (image, BlockMeans::of(&image.frame));
        let good: Vec<(&Sized, BlockMeans)> = good.map(viewed).collect();
        let views: Vec<BlockMeans> = bad
            .iter()
            .map(|image| BlockMeans::of(&image.frame))
            .collect();
        for (image, view) in bad.iter().zip(&views) {
            let alike = |(good, seen): &&(&Sized, BlockMeans)| match self.keep_duplicates {
                true => good.frame.rgb == image.frame.rgb,
                false => seen.same_part(&good.frame, view, &image.frame),
            };
            if let Some((good, _)) = good.par_iter().find_first(alike) {
                return Err(clash(&image.path, &good.path));
            }
        }
        if self.keep_duplicates {
            return Ok(bad);
        }
        let pictures: Vec<(&BlockMeans, &Frame)> = views
            .iter()
            .zip(&bad)
            .map(|(view, image)| (view, &image.frame))
            .collect();
        let firsts = first_of_each_part(&pictures);
        let (mut kept, mut repeats) = (Vec::new(), Vec::new());
        for (at, image) in bad.into_iter().enumerate() {
            match firsts[at] == at {
                true => kept.push(image),
                false => repeats.push(image.path.display().to_string()),
            }
        }
        if !repeats.is_empty() {
            log::warn!(
                "known bad parts that are there twice count once: {} left out: {}; --keep-duplicates counts each image",
                repeats.len(),
                named(&repeats)
            );
        }
        Ok(kept)
    }
}

fn clash(bad: &Path, good: &Path) -> ScreeningError {
    let same_file = match (bad.canonicalize(), good.canonicalize()) {
        (Ok(bad), Ok(good)) => bad == good,
        _ => false,
    };
    match same_file {
        true => ScreeningError::SameFile { path: bad.into() },
        false => ScreeningError::GoodAndBad {
            bad: bad.into(),
            good: good.into(),
        },
    }
}
