//! Images that lie far off all others: not of this product, or of a part that no one would call good.

use aecsad_inspect::decision::outliers;

use super::neighbours::distances;
use super::sheet::{SHEET, Shown};
use super::{Screening, ScreeningError, named, sheet};
use crate::dataset::{Category, DatasetError};
use crate::images::{Image, Images};

/// Of so many images one may lie far off all others; more is no accident.
const ONE_OF: usize = 10;
/// How far off all others is far, as [`outliers::limit`] counts. Measured on rendered products and solar cells: good images
/// reach 7 at most, those of another product 25 and more.
const FAR: f64 = 8.0;
/// And so many times as far off as half of the images are: where all are nearly alike, none is out of distribution.
const LEAST_FAR: f32 = 1.6;

impl Screening<'_> {
    /// Without the images that lie far off all others; the furthest ones are drawn in any case.
    pub(super) fn without_out_of_distribution(
        &self,
        category: &Category,
        mut images: Images,
    ) -> Result<Images, ScreeningError> {
        let all = images.train.iter().chain(&images.validation);
        let features: Vec<_> = all.map(|image| &image.features).collect();
        let distances = distances(&features);
        let all = images.train.iter_mut().chain(&mut images.validation);
        for (image, distance) in all.zip(&distances) {
            image.distance = *distance;
        }
        let all: Vec<&Image> = images.train.iter().chain(&images.validation).collect();
        let mut sorted = distances.clone();
        sorted.sort_by(f32::total_cmp);
        let usual = sorted
            .get(sorted.len() / 2)
            .copied()
            .unwrap_or(f32::INFINITY);
        let limit = outliers::limit(&distances, FAR).unwrap_or(f32::INFINITY);
        let limit = limit.max(LEAST_FAR * usual);
        let far = |vouched| {
            let images = all.iter().filter(move |image| image.vouched == vouched);
            images.filter(|image| image.distance > limit)
        };
        let out_of_distribution: Vec<bool> = all
            .iter()
            .map(|image| image.distance > limit && !image.vouched)
            .collect();
        let picture = self.work.join(SHEET);
        let vouched = paths(far(true));
        if !vouched.is_empty() {
            log::warn!(
                "{} of the good parts that you vouch for lie far off all others, and are kept: {}; see {}",
                vouched.len(),
                named(&vouched),
                picture.display()
            );
        }
        let shown = all.iter().zip(&distances).zip(&out_of_distribution);
        let shown = shown.map(|((image, distance), out_of_distribution)| Shown {
            name: image.stem().to_string_lossy().into_owned(),
            frame: &image.frame,
            distance: *distance,
            left_out: *out_of_distribution && !self.keep_outliers,
        });
        sheet::write(&picture, shown.collect()).map_err(|source| ScreeningError::WorkFolder {
            path: picture.clone(),
            source,
        })?;
        let found = paths(far(false));
        if found.is_empty() {
            return Ok(images);
        }
        let named = named(&found);
        let of = format!("{} of {} images", found.len(), all.len());
        if self.keep_outliers {
            log::warn!(
                "kept, though far off all others: {of}: {named}; see {}",
                picture.display()
            );
            return Ok(images);
        }
        if found.len() * ONE_OF > all.len() {
            return Err(DatasetError::TooManyOutOfDistribution {
                path: category.path.clone(),
                out_of_distribution: found.len(),
                total: all.len(),
                named,
                sheet: picture,
            }
            .into());
        }
        log::warn!(
            "left out as far off all others: {of}: {named}; see {}; if these are good parts, fit again with --keep-outliers",
            picture.display()
        );
        let trainings = images.train.len();
        let kept = |images: Vec<Image>, from: usize| -> Vec<Image> {
            let images = images.into_iter().enumerate();
            let kept = images.filter(|(at, _)| !out_of_distribution[from + at]);
            kept.map(|(_, image)| image).collect()
        };
        let images = Images {
            train: kept(images.train, 0),
            validation: kept(images.validation, trainings),
            ..images
        };
        category.check_enough(images.train.len(), images.validation.len())?;
        Ok(images)
    }
}

fn paths<'i>(images: impl Iterator<Item = &'i &'i Image>) -> Vec<String> {
    images
        .map(|image| image.path.display().to_string())
        .collect()
}
