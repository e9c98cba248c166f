//! Leaves out of a category what can't be learnt from, and says so: images that show nothing, parts that are there twice,
//! images that lie far off all others.

use std::path::Path;

use aecsad_inspect::decision::outliers;
use aecsad_inspect::frame::Frame;
use aecsad_inspect::likeness::View;
use rayon::prelude::*;

use super::FitError;
use super::images::{Image, Images, Sized};
use crate::dataset::{Category, DatasetError};
use crate::screening::{Shown, distances, first_of_each_part, write_sheet};

/// Of so many images one may show nothing, or lie far off all others; more is no accident.
const BLANK_OF: usize = 20;
const OUTLIER_OF: usize = 10;
/// How far off all others is far, as [`outliers::limit`] counts. Measured on rendered products and solar cells: good images
/// reach 7 at most, those of another product 25 and more.
const FAR: f64 = 8.0;
/// And so many times as far off as half of the images are: where all are nearly alike, none is a stray.
const LEAST_FAR: f32 = 1.6;
/// Names in one sentence.
const MOST_NAMED: usize = 5;
/// The strangest images, in the work folder.
pub const SHEET: &str = "strangest_images.png";

/// What of the images a user calls good is believed.
pub struct Screening<'a> {
    pub keep_outliers: bool,
    pub keep_duplicates: bool,
    /// A part of the images is seen as JPEG if they are lossless.
    pub as_jpeg: bool,
    /// Gets the picture of the strangest images.
    pub work: &'a Path,
}

impl Screening<'_> {
    /// Each part once, none without a picture. A part on both sides of the split stays a validation part: those are rarer.
    /// If hardly any training part is left then, all parts are split anew, as they are where a category has one folder.
    pub(super) fn distinct(
        &self,
        category: &Category,
        train: Vec<Sized>,
        validation: Vec<Sized>,
    ) -> Result<(Vec<Sized>, Vec<Sized>), FitError> {
        let total = train.len() + validation.len();
        let validation = not_blank(validation);
        let train = not_blank(train);
        let validations = validation.len();
        let all: Vec<(Sized, View)> = validation.into_iter().chain(train).collect();
        if (total - all.len()) * BLANK_OF > total {
            return Err(DatasetError::ShowNothing {
                path: category.path.clone(),
                blank: total - all.len(),
                total,
            }
            .into());
        }
        let (all, views): (Vec<Sized>, Vec<View>) = all.into_iter().unzip();
        if self.keep_duplicates {
            return Ok(divided(all, validations));
        }
        let pictures: Vec<(&View, &Frame)> = views
            .iter()
            .zip(&all)
            .map(|(view, image)| (view, &image.frame))
            .collect();
        let firsts = first_of_each_part(&pictures);
        let is_first: Vec<bool> = firsts
            .iter()
            .enumerate()
            .map(|(at, first)| at == *first)
            .collect();
        let repeats = is_first.iter().filter(|first| !**first).count();
        if repeats == 0 {
            return Ok(divided(all, validations));
        }
        let across = firsts.iter().enumerate().skip(validations);
        let across = across.filter(|(_, first)| **first < validations).count();
        let example = firsts.iter().enumerate().find(|(at, first)| at != *first);
        let example = example.map(|(at, first)| (all[at].path.clone(), all[*first].path.clone()));
        let kept_validations = is_first[..validations]
            .iter()
            .filter(|first| **first)
            .count();
        let kept = all.into_iter().zip(is_first);
        let kept: Vec<Sized> = kept
            .filter_map(|(image, first)| first.then_some(image))
            .collect();
        let (found, parts) = (repeats + kept.len(), kept.len());
        let example = example.map_or(String::new(), |(copy, of)| {
            format!(" ({} shows what {} shows)", copy.display(), of.display())
        });
        let both_sides = match (across, category.split_seed) {
            (1.., None) => format!("; {across} stood in training and validation"),
            _ => String::new(),
        };
        log::warn!(
            "{}: {found} images show {parts} different parts; {repeats} repeat another{example} and count once{both_sides}; \
             --keep-duplicates counts each image",
            category.path.display()
        );
        let trainings = kept.len() - kept_validations;
        let (train, validation) = match category.split_seed {
            Some(seed) => split_anew(kept, seed),
            None if trainings < kept_validations => {
                log::warn!(
                    "{}: only {trainings} training parts are left beside {kept_validations} validation parts, so all \
                     are divided anew",
                    category.path.display()
                );
                split_anew(kept, 0)
            }
            None => divided(kept, kept_validations),
        };
        category.check_enough(train.len(), validation.len())?;
        Ok((train, validation))
    }

    /// Without the images that lie far off all others; the strangest ones are drawn in any case.
    pub(super) fn without_strays(
        &self,
        category: &Category,
        mut images: Images,
    ) -> Result<Images, FitError> {
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
        let stray: Vec<bool> = distances.iter().map(|d| *d > limit).collect();
        let sheet = self.work.join(SHEET);
        let shown = all
            .iter()
            .zip(&distances)
            .zip(&stray)
            .map(|((image, distance), stray)| Shown {
                name: image.stem().to_string_lossy().into_owned(),
                frame: &image.frame,
                distance: *distance,
                left_out: *stray && !self.keep_outliers,
            });
        write_sheet(&sheet, shown.collect()).map_err(|source| FitError::WorkFolder {
            path: sheet.clone(),
            source,
        })?;
        let strays: Vec<String> = all
            .iter()
            .zip(&stray)
            .filter(|(_, stray)| **stray)
            .map(|(image, _)| image.path.display().to_string())
            .collect();
        if strays.is_empty() {
            return Ok(images);
        }
        let named = named(&strays);
        let of = format!("{} of {} images", strays.len(), all.len());
        if self.keep_outliers {
            log::warn!(
                "{of} lie far off all others and are kept: {named}; see {}",
                sheet.display()
            );
            return Ok(images);
        }
        if strays.len() * OUTLIER_OF > all.len() {
            return Err(DatasetError::TooManyOutliers {
                path: category.path.clone(),
                strays: strays.len(),
                total: all.len(),
                named,
                sheet,
            }
            .into());
        }
        log::warn!(
            "{of} lie far off all others and are left out: {named}; see {}; if they are good parts, fit again with \
             --keep-outliers",
            sheet.display()
        );
        let trainings = images.train.len();
        let kept = |images: Vec<Image>, from: usize| -> Vec<Image> {
            let images = images.into_iter().enumerate();
            let kept = images.filter(|(at, _)| !stray[from + at]);
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

/// The images that show something, with what comparisons need of them; the others are named.
fn not_blank(images: Vec<Sized>) -> Vec<(Sized, View)> {
    let viewed = images.into_par_iter().map(|image| {
        let view = View::of(&image.frame);
        let blank = view.shows_nothing(&image.frame);
        (image, view, blank)
    });
    let viewed: Vec<(Sized, View, bool)> = viewed.collect();
    let blank = viewed.iter().filter(|(_, _, blank)| *blank);
    let blank: Vec<String> = blank
        .map(|(image, ..)| image.path.display().to_string())
        .collect();
    if !blank.is_empty() {
        let count = blank.len();
        log::warn!(
            "skipped: {count} images show nothing, only an even surface: {}",
            named(&blank)
        );
    }
    let kept = viewed.into_iter().filter(|(_, _, blank)| !blank);
    kept.map(|(image, view, _)| (image, view)).collect()
}

/// The first `validations` are validation images; (train, validation).
fn divided(mut all: Vec<Sized>, validations: usize) -> (Vec<Sized>, Vec<Sized>) {
    let train = all.split_off(validations);
    (train, all)
}

fn split_anew(mut all: Vec<Sized>, seed: u64) -> (Vec<Sized>, Vec<Sized>) {
    all.sort_by(|a, b| a.path.cmp(&b.path));
    let (mut train, mut validation) = crate::dataset::split(all, seed);
    train.sort_by(|a, b| a.path.cmp(&b.path));
    validation.sort_by(|a, b| a.path.cmp(&b.path));
    (train, validation)
}

/// The first few of many names.
pub(super) fn named(paths: &[String]) -> String {
    let first = paths[..paths.len().min(MOST_NAMED)].join(", ");
    match paths.len().saturating_sub(MOST_NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
