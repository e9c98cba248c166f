//! What a person should know of a threshold before trusting it: images that it leaves out of account, and how many planted
//! anomalies it rejects.

use super::{FitError, FitOptions};
use crate::calibrate::Selection;
use crate::images::Images;
use crate::screening::{SHEET, held_out};

/// Warns of images that the statistics of good parts leave out.
///
/// # Errors
/// If no branch tells parts apart, or the threshold rejects next to no planted anomaly.
pub fn check(options: &FitOptions, images: &Images, selection: &Selection) -> Result<(), FitError> {
    let category = || options.category.clone();
    if selection.decision.branches.is_empty() {
        return Err(FitError::NoSpread {
            category: category(),
        });
    }
    held_out::name_left_out(&selection.left_out, images);
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
