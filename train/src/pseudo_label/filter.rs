//! Turns masks that may overlap and fall into several pieces, as labelling tools and mask generators give them,
//! into regions that don't: step two of the paper's filter.

use super::regions::Regions;
use super::square_image::SIDE;

/// A mask this much covered by smaller ones adds nothing to them.
const COVERED: f32 = 0.9;
/// Pieces below this number of square pixels are specks of the labelling tool.
const MIN_PIECE: usize = 50;
/// Masks below this share of the image looks like noise in a histogram.
const MIN_SHARE: f32 = 0.001;

/// 4-connected regions without overlap. From small to large, a mask is dropped when those already kept cover 0.9 of
/// it; where kept masks overlap, the smaller one, being the part on top, has the pixels.
pub fn without_overlap(mut masks: Regions) -> Regions {
    masks.retain(|mask| mask.len() as f32 >= MIN_SHARE * (SIDE * SIDE) as f32);
    masks.sort_by_key(Vec::len);
    let mut taken = vec![false; SIDE * SIDE];
    let mut regions = Vec::new();
    for mask in masks {
        let free: Vec<u32> = mask
            .iter()
            .copied()
            .filter(|&pixel| !taken[pixel as usize])
            .collect();
        if (mask.len() - free.len()) as f32 >= COVERED * mask.len() as f32 {
            continue;
        }
        mask.iter().for_each(|&pixel| taken[pixel as usize] = true);
        regions.extend(pieces(&free).into_iter().filter(|p| p.len() > MIN_PIECE));
    }
    regions
}

/// The 4-connected pieces of a set of square pixels, in reading order of their first pixel.
fn pieces(pixels: &[u32]) -> Regions {
    let mut open = vec![false; SIDE * SIDE];
    pixels.iter().for_each(|&pixel| open[pixel as usize] = true);
    let mut found = Vec::new();
    for &seed in pixels {
        if !std::mem::take(&mut open[seed as usize]) {
            continue;
        }
        let mut piece = vec![seed];
        let mut next = 0;
        while let Some(&pixel) = piece.get(next) {
            next += 1;
            let (pixel, x) = (pixel as usize, pixel as usize % SIDE);
            let neighbours = [
                (x > 0).then(|| pixel - 1),
                (x + 1 < SIDE).then_some(pixel + 1),
                pixel.checked_sub(SIDE),
                (pixel + SIDE < SIDE * SIDE).then_some(pixel + SIDE),
            ];
            for neighbour in neighbours.into_iter().flatten() {
                if std::mem::take(&mut open[neighbour]) {
                    piece.push(neighbour as u32);
                }
            }
        }
        found.push(piece);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(top: usize, left: usize, side: usize) -> Vec<u32> {
        (top..top + side)
            .flat_map(|y| (left..left + side).map(move |x| (y * SIDE + x) as u32))
            .collect()
    }

    #[test]
    fn a_mask_that_smaller_ones_cover_is_dropped() {
        let halves = vec![square(10, 10, 20), square(10, 30, 20)];
        let mut both = halves.concat();
        both.sort_unstable();
        let kept = without_overlap([halves, vec![both]].concat());
        assert_eq!(kept.len(), 2);
        assert!(kept.iter().all(|r| r.len() == 400));
    }

    #[test]
    fn the_smaller_of_two_overlapping_masks_lies_on_top() {
        let kept = without_overlap(vec![square(0, 0, 60), square(20, 20, 10)]);
        let mut sizes: Vec<usize> = kept.iter().map(Vec::len).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [100, 3500]);
    }

    #[test]
    fn a_mask_in_two_pieces_is_two_regions_and_specks_are_none() {
        let scattered = [square(0, 0, 20), square(100, 100, 20), square(200, 200, 5)].concat();
        assert_eq!(without_overlap(vec![scattered]).len(), 2);
    }
}
