//! SAM without prompts of its own: a grid of points, and of the masks that they give those that are good, stable and not
//! yet there.

use rayon::prelude::*;

use super::FoundationError;
use super::boxes::{PixelBox, suppress};
use super::mask::Mask;
use super::sam::{Encoded, Prompt, Sam};
use super::settings::AutomaticSettings;
use super::small_regions;

/// Candidates of one picture, the best first.
///
/// `stopped` is asked between batches.
///
/// # Errors
/// If the network breaks off, or the user does.
pub fn candidates(
    sam: &mut Sam,
    encoded: &Encoded,
    settings: &AutomaticSettings,
    stopped: impl Fn() -> bool,
) -> Result<Vec<Mask>, FoundationError> {
    let mut found: Vec<(f32, Mask)> = Vec::new();
    for points in grid(settings.points, encoded.picture()).chunks(settings.batch.max(1)) {
        if stopped() {
            return Err(FoundationError::Interrupted);
        }
        sam.prompted(encoded, points, |_, offers| {
            let good = offers
                .into_par_iter()
                .filter(|offer| offer.quality > settings.least_quality);
            let stable = good.filter_map(|offer| {
                let logits = offer.logits();
                let mask = offer.mask(&logits, 0.0);
                let stability = stability(&logits, settings.stability_offset);
                (stability >= settings.least_stability).then_some((offer.quality, mask))
            });
            found.extend(stable.collect::<Vec<_>>());
        })?;
    }
    found.retain(|(_, mask)| mask.bounds().is_some());
    let scores: Vec<f32> = found.iter().map(|(quality, _)| *quality).collect();
    let masks: Vec<Mask> = found.into_iter().map(|(_, mask)| mask).collect();
    let masks = without_doubles(masks, &scores, settings.overlap);

    // A mask that lost a hole or an island may have become one that is there already; unchanged ones are preferred.
    let cleaned: Vec<(Mask, bool)> = masks
        .into_par_iter()
        .map(|mask| small_regions::removed(mask, settings.least_region))
        .collect();
    let scores: Vec<f32> = cleaned
        .iter()
        .map(|(_, changed)| f32::from(u8::from(!changed)))
        .collect();
    let masks = cleaned.into_iter().map(|(mask, _)| mask).collect();
    Ok(without_doubles(masks, &scores, settings.overlap))
}

/// Points in the middle of equal cells, row by row.
pub fn grid(points: usize, (width, height): (usize, usize)) -> Vec<Prompt> {
    let place = |index: usize, length: usize| (index as f32 + 0.5) / points as f32 * length as f32;
    let rows = (0..points).flat_map(|y| (0..points).map(move |x| (x, y)));
    rows.map(|(x, y)| Prompt::Point([place(x, width), place(y, height)]))
        .collect()
}

/// Pixels of the mask at a stricter threshold against those at a looser one.
fn stability(logits: &[f32], offset: f32) -> f32 {
    let above = |threshold: f32| logits.iter().filter(|l| **l > threshold).count();
    above(offset) as f32 / above(-offset).max(1) as f32
}

fn without_doubles(masks: Vec<Mask>, scores: &[f32], overlap: f32) -> Vec<Mask> {
    let bounds: Vec<PixelBox> = masks
        .iter()
        .map(|mask| {
            let bounds = mask.bounds().unwrap_or_default();
            PixelBox(bounds.map(|edge| edge as f32))
        })
        .collect();
    let kept = suppress(&bounds, scores, overlap);
    let mut masks: Vec<Option<Mask>> = masks.into_iter().map(Some).collect();
    kept.into_iter()
        .filter_map(|index| masks[index].take())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_lie_in_the_middle_of_their_cells() {
        let points = grid(2, (8, 4));
        let expected = [[2.0, 1.0], [6.0, 1.0], [2.0, 3.0], [6.0, 3.0]];
        assert_eq!(points, expected.map(Prompt::Point));
    }

    #[test]
    fn a_mask_with_a_soft_edge_is_less_stable() {
        assert_eq!(stability(&[-5.0, 5.0, 5.0], 1.0), 1.0);
        assert_eq!(stability(&[-5.0, 0.5, 5.0], 1.0), 0.5);
        assert_eq!(stability(&[-5.0], 1.0), 0.0);
    }
}
