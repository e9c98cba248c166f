//! Images that show nothing, and repeated images of one part: each part counts once.

use aecsad_inspect::frame::Frame;
use aecsad_inspect::similarity::BlockMeans;
use aecsad_program::counted;
use rayon::prelude::*;

use super::{Screening, ScreeningError, named};
use crate::dataset::{Category, DatasetError};
use crate::images::Sized;

/// Of so many images one may show nothing; more is no accident.
const BLANK_OF: usize = 20;

impl Screening<'_> {
    /// Each part once, none without a picture. A part on both sides of the split stays a validation part: those are
    /// rarer. If almost no training part is left then, all parts are split anew, as they are where a category has one
    /// folder.
    pub(super) fn distinct(
        &self,
        category: &Category,
        train: Vec<Sized>,
        validation: Vec<Sized>,
    ) -> Result<(Vec<Sized>, Vec<Sized>), ScreeningError> {
        let total = train.len() + validation.len();
        let validation = not_blank(validation);
        let train = not_blank(train);
        let validations = validation.len();
        let all: Vec<(Sized, BlockMeans)> = validation.into_iter().chain(train).collect();
        if (total - all.len()) * BLANK_OF > total {
            return Err(DatasetError::ShowNothing {
                path: category.path.clone(),
                blank: total - all.len(),
                total,
            }
            .into());
        }
        let (all, blocks): (Vec<Sized>, Vec<BlockMeans>) = all.into_iter().unzip();
        let pictures: Vec<(&BlockMeans, &Frame)> = blocks
            .iter()
            .zip(&all)
            .map(|(blocks, image)| (blocks, &image.frame))
            .collect();
        if self.keep_duplicates {
            if show_one_part(&pictures) {
                return Err(ScreeningError::OnePart {
                    path: category.path.clone(),
                    images: all.len(),
                });
            }
            return Ok(divided(all, validations));
        }
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
            "{}: {found} images show {}; repeats, which count once: {repeats}{example}{both_sides}; --keep-duplicates \
             counts each image",
            category.path.display(),
            counted(parts, "different part")
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
}

/// Whether no picture shows another part than the first one.
fn show_one_part(pictures: &[(&BlockMeans, &Frame)]) -> bool {
    let Some(((first, picture), others)) = pictures.split_first() else {
        return false;
    };
    let mut others = others.iter();
    others.all(|(blocks, frame)| first.same_part(picture, blocks, frame))
}

/// For each picture the index of the first one that shows the same part, its own where it is that one.
pub fn first_of_each_part(pictures: &[(&BlockMeans, &Frame)]) -> Vec<usize> {
    let mut firsts: Vec<usize> = Vec::new();
    (0..pictures.len())
        .map(|at| {
            let (blocks, frame) = pictures[at];
            let same = |first: &&usize| {
                let (first, picture) = pictures[**first];
                first.same_part(picture, blocks, frame)
            };
            match firsts.par_iter().find_first(same) {
                Some(first) => *first,
                None => {
                    firsts.push(at);
                    at
                }
            }
        })
        .collect()
}

/// The images that show something, with what comparisons need of them; the others are named.
fn not_blank(images: Vec<Sized>) -> Vec<(Sized, BlockMeans)> {
    let viewed = images.into_par_iter().map(|image| {
        let blocks = BlockMeans::of(&image.frame);
        let blank = blocks.shows_nothing(&image.frame);
        (image, blocks, blank)
    });
    let viewed: Vec<(Sized, BlockMeans, bool)> = viewed.collect();
    let blank = viewed.iter().filter(|(_, _, blank)| *blank);
    let blank: Vec<String> = blank
        .map(|(image, ..)| image.path.display().to_string())
        .collect();
    if !blank.is_empty() {
        let count = blank.len();
        log::warn!(
            "skipped, since only an even surface is seen: {}: {}",
            counted(count, "image"),
            named(&blank)
        );
    }
    let kept = viewed.into_iter().filter(|(_, _, blank)| !blank);
    kept.map(|(image, blocks, _)| (image, blocks)).collect()
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
