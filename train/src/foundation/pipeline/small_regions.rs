//! Closes small holes of a mask and removes its small islands, as SAM's automatic mode does at the end.

use super::mask::Mask;

/// The mask without holes and islands of fewer than `least` pixels, and whether that changed it. The largest island stays
/// however small it is. Pixels that touch at a corner belong together.
pub fn removed(mask: Mask, least: usize) -> (Mask, bool) {
    let mut filled = mask;
    let mut changed = false;
    let holes = filled.inverse().pieces(true);
    for hole in holes.iter().filter(|hole| hole.len() < least) {
        hole.iter().for_each(|&pixel| filled.set(pixel as usize));
        changed = true;
    }
    let islands = filled.pieces(true);
    let is_large = |island: &&Vec<u32>| island.len() >= least;
    if islands.iter().all(|island| is_large(&island)) {
        return (filled, changed);
    }
    let mut left: Vec<u32> = islands.iter().filter(is_large).flatten().copied().collect();
    if left.is_empty()
        && let Some(largest) = islands.iter().rev().max_by_key(|island| island.len())
    {
        left.clone_from(largest);
    }
    let removed = left.len() < filled.area();
    (Mask::of_pixels(filled.size(), &left), changed || removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(covers: impl Fn(usize, usize) -> bool) -> Mask {
        Mask::new(40, 40, |pixel| covers(pixel % 40, pixel / 40))
    }

    #[test]
    fn small_holes_are_closed_and_small_islands_removed() {
        let square = |x: usize, y: usize| (5..25).contains(&x) && (5..25).contains(&y);
        let hole = |x: usize, y: usize| (10..13).contains(&x) && y == 10;
        let speck = |x: usize, y: usize| x == 35 && y > 30;
        let (mask, changed) = removed(
            with(|x, y| (square(x, y) && !hole(x, y)) || speck(x, y)),
            20,
        );
        assert!(changed);
        assert_eq!(mask, with(square));
        assert_eq!(removed(with(square), 20), (with(square), false));
    }

    #[test]
    fn the_largest_of_small_islands_is_left() {
        let two = |x: usize, y: usize| (y == 3 && x < 4) || (y == 30 && x < 6);
        let (mask, changed) = removed(with(two), 100);
        assert!(changed);
        assert_eq!(mask, with(|x, y| y == 30 && x < 6));
    }
}
