//! What a person should know of a threshold before trusting it: images that it leaves out of account, and how many planted
//! anomalies it rejects.

use std::path::PathBuf;

use aecsad_inspect::branches::Branch;
use aecsad_inspect::branches::inventory::in_words;
use aecsad_inspect::branches::scorer::Scorer;
use aecsad_inspect::network::Percept;

use super::images::Images;
use super::screening::{SHEET, named};
use super::{FitError, FitOptions};
use crate::calibrate::Selection;

/// A training image with so many pieces too many or too few holds other counts than nearly all others.
const MISCOUNTED: f32 = 0.7;
/// Where more than one image in so many does, counts vary, or components are found unreliably.
const MISCOUNTED_OF: usize = 10;

/// Warns of images that the statistics of good parts leave out.
///
/// # Errors
/// If no branch tells parts apart, or the threshold rejects next to no planted anomaly.
pub fn check(options: &FitOptions, images: &Images, selection: &Selection) -> Result<(), FitError> {
    let category = || options.category.clone();
    if selection.decision.voices.is_empty() {
        return Err(FitError::NoSpread {
            category: category(),
        });
    }
    let left_out = selection.left_out.iter().map(|i| &images.validation[*i]);
    let left_out: Vec<String> = left_out
        .map(|image| image.path.display().to_string())
        .collect();
    if !left_out.is_empty() {
        log::warn!(
            "{} of {} validation images score far above all others and are left out of the threshold: {}; if they are \
             good parts, fit again with --keep-outliers",
            left_out.len(),
            images.validation.len(),
            named(&left_out)
        );
    }
    let Some(caught) = selection.caught() else {
        return Ok(());
    };
    if caught.is_next_to_none() && !options.keep_outliers {
        return Err(FitError::Blind {
            category: category(),
            caught,
            sheet: options.work.join(SHEET),
        });
    }
    if caught.are_few() {
        log::warn!(
            "the threshold rejects only {caught} planted anomalies, so many bad parts may pass: look for images among \
             the good ones that don't belong there, in {}",
            options.work.join(SHEET).display()
        );
    }
    Ok(())
}

/// Warns of training images that are bad by mistake; `images` are those that are left.
pub fn name_strays(strays: &[PathBuf], images: &Images) {
    let total = images.train.len() + strays.len();
    let paths: Vec<String> = strays.iter().map(|p| p.display().to_string()).collect();
    log::warn!(
        "{} of {total} training images score far above all good parts where nothing is learnt from them, and are left out: \
         {}; if they are good parts, fit again with --keep-outliers",
        strays.len(),
        named(&paths)
    );
}

/// Warns of training images that look bad, but are too many to be so by mistake.
pub fn name_variant(strays: &[usize], images: &Images) {
    let paths = strays.iter().map(|i| &images.train[*i].path);
    let paths: Vec<String> = paths.map(|p| p.display().to_string()).collect();
    log::warn!(
        "{} of {} training images score far above all good parts where nothing is learnt from them, and are kept because \
         they are so many: {}; if they are bad parts, take them away and fit again",
        paths.len(),
        images.train.len(),
        named(&paths)
    );
}

/// Warns of training images that hold other counts than nearly all others.
pub fn name_miscounted(images: &Images, train: &[Percept], selection: &Selection) {
    if !selection.statistics.has(Branch::Inventory) {
        return;
    }
    let mut scorer = Scorer::new(selection.statistics.clone());
    let mut miscounted = Vec::new();
    for (image, percept) in images.train.iter().zip(train) {
        let raw = scorer.score(percept)[Branch::Inventory as usize];
        if raw.is_some_and(|score| score > MISCOUNTED) {
            let counts = scorer.unusual_counts();
            let what = match counts.is_empty() {
                true => String::new(),
                false => format!(" ({})", in_words(&counts)),
            };
            miscounted.push(format!("{}{what}", image.path.display()));
        }
    }
    let rare = miscounted.len() * MISCOUNTED_OF <= images.train.len();
    if rare && !miscounted.is_empty() {
        log::warn!(
            "{} of {} training images hold other part counts than nearly all others, which count as good no more: {}; if \
             they are good parts, fit again with --keep-outliers",
            miscounted.len(),
            images.train.len(),
            named(&miscounted)
        );
    }
}
