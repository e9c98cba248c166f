//! Sets aside what no camera resolves: slivers, and the blurred rims between two parts, which would otherwise take
//! a class each. Their pixels are given to the nearest real region afterwards.

use std::collections::{BTreeMap, VecDeque};

use super::square_image::{SIDE, SquareImage};

/// Regions of one image as lists of pixel indices into the [`SIDE`]×[`SIDE`] square.
pub type Regions = Vec<Vec<u32>>;

/// Marks a pixel that belongs to no region.
pub const NONE: u8 = u8::MAX;

/// A region that holds no square of this side is a sliver, whatever its colour.
const SLIVER: usize = 3;
/// A region that holds no square of this side is a rim if its colour is a mixture of its neighbours'.
const RIM: usize = 6;

/// The regions that are neither slivers nor rims, in their order. `regions` must not overlap.
pub fn solid(square: &SquareImage, regions: Regions) -> Regions {
    let mut owner = vec![u32::MAX; SIDE * SIDE];
    for (number, region) in regions.iter().enumerate() {
        region
            .iter()
            .for_each(|&pixel| owner[pixel as usize] = number as u32);
    }
    let lab = square.balanced_lab();
    let colours: Vec<[f32; 3]> = regions
        .iter()
        .map(|region| {
            let mean = |c: usize| region.iter().map(|&p| lab[p as usize][c]).sum::<f32>();
            [0, 1, 2].map(|c| mean(c) / region.len().max(1) as f32)
        })
        .collect();
    let contacts = contacts(&owner, regions.len());

    regions
        .iter()
        .enumerate()
        .filter(|(number, region)| {
            let holds = |side| holds_square(&owner, region, *number as u32, side);
            holds(SLIVER) && (holds(RIM) || !is_mixture(*number, &contacts[*number], &colours))
        })
        .map(|(_, region)| region.clone())
        .collect()
}

/// Takes the pixels that are ignored out of the regions, and those regions out that are mostly ignored.
///
/// *Shapes*: `ignored` is `[SIDE, SIDE]`, row by row.
pub fn without(regions: &mut Regions, ignored: &[bool]) {
    regions.retain_mut(|region| {
        let before = region.len();
        region.retain(|&pixel| !ignored[pixel as usize]);
        2 * region.len() > before
    });
}

/// Gives every pixel that is still [`NONE`] the class of the nearest pixel that has one (city-block distance).
/// Without any class all of them become 0.
///
/// *Shapes*: `classes` is `[SIDE, SIDE]`, row by row.
pub fn fill_gaps(classes: &mut [u8]) {
    let mut front: VecDeque<usize> = (0..classes.len()).filter(|&i| classes[i] != NONE).collect();
    if front.is_empty() {
        classes.fill(0);
    }
    while let Some(pixel) = front.pop_front() {
        let (y, x) = (pixel / SIDE, pixel % SIDE);
        let neighbours = [
            (x > 0).then(|| pixel - 1),
            (x + 1 < SIDE).then_some(pixel + 1),
            (y > 0).then(|| pixel - SIDE),
            (y + 1 < SIDE).then_some(pixel + SIDE),
        ];
        for next in neighbours.into_iter().flatten() {
            if classes[next] == NONE {
                classes[next] = classes[pixel];
                front.push_back(next);
            }
        }
    }
}

/// Pixels between this one and the nearest edge of the picture.
pub fn border_distance(pixel: u32) -> usize {
    let (y, x) = (pixel as usize / SIDE, pixel as usize % SIDE);
    y.min(x).min(SIDE - 1 - y).min(SIDE - 1 - x)
}

/// Whether the region reaches the edge of the picture.
pub fn touches_border(region: &[u32]) -> bool {
    region.iter().any(|&pixel| border_distance(pixel) == 0)
}

fn holds_square(owner: &[u32], region: &[u32], number: u32, side: usize) -> bool {
    region.iter().any(|&pixel| {
        let (top, left) = (pixel as usize / SIDE, pixel as usize % SIDE);
        top + side <= SIDE
            && left + side <= SIDE
            && (top..top + side).all(|y| (left..left + side).all(|x| owner[y * SIDE + x] == number))
    })
}

/// Length of the border that each region shares with each neighbour, in pixels.
fn contacts(owner: &[u32], count: usize) -> Vec<BTreeMap<usize, u32>> {
    let mut contacts = vec![BTreeMap::new(); count];
    for pixel in 0..owner.len() {
        let right = (pixel % SIDE + 1 < SIDE).then_some(pixel + 1);
        let below = (pixel + SIDE < owner.len()).then_some(pixel + SIDE);
        for next in [right, below].into_iter().flatten() {
            let (a, b) = (owner[pixel], owner[next]);
            if a != b && a != u32::MAX && b != u32::MAX {
                *contacts[a as usize].entry(b as usize).or_default() += 1;
                *contacts[b as usize].entry(a as usize).or_default() += 1;
            }
        }
    }
    contacts
}

/// Whether the region's colour lies on the line between the colours of two neighbours that each share a fifth of
/// its border: what blur makes of an edge.
fn is_mixture(region: usize, contacts: &BTreeMap<usize, u32>, colours: &[[f32; 3]]) -> bool {
    let border: u32 = contacts.values().sum();
    let sides: Vec<usize> = contacts
        .iter()
        .filter(|(_, length)| **length * 5 >= border)
        .map(|(&neighbour, _)| neighbour)
        .collect();
    let between = |a: usize, b: usize| {
        let along = [0, 1, 2].map(|c| colours[b][c] - colours[a][c]);
        let offset = [0, 1, 2].map(|c| colours[region][c] - colours[a][c]);
        let length = dot(along, along).max(1e-6);
        let t = dot(along, offset) / length;
        let aside = [0, 1, 2].map(|c| offset[c] - t * along[c]);
        (0.1..0.9).contains(&t) && dot(aside, aside) < 0.04 * length
    };
    sides
        .iter()
        .enumerate()
        .any(|(i, &a)| sides[i + 1..].iter().any(|&b| between(a, b)))
}

fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pseudo_label::felzenszwalb::Felzenszwalb;
    use crate::pseudo_label::proposals::builtin;

    #[test]
    fn a_blurred_rim_is_set_aside_and_its_pixels_shared_out() {
        // White disc on black with a rim of three grey pixels.
        let mut rgb = Vec::with_capacity(SIDE * SIDE * 3);
        for pixel in 0..SIDE * SIDE {
            let (y, x) = ((pixel / SIDE) as f32 - 128.0, (pixel % SIDE) as f32 - 128.0);
            let level = match (y * y + x * x).sqrt() {
                r if r < 40.0 => 230,
                r if r < 44.0 => 125,
                _ => 20,
            };
            rgb.extend([level; 3]);
        }
        let square = SquareImage::from_rgb(SIDE, SIDE, rgb);
        let proposed = builtin(&square, &Felzenszwalb::default());
        assert!(proposed.len() >= 3, "the rim is proposed at first");
        let kept = solid(&square, proposed);
        assert_eq!(kept.len(), 2);

        let mut classes = vec![NONE; SIDE * SIDE];
        for (class, region) in kept.iter().enumerate() {
            region
                .iter()
                .for_each(|&p| classes[p as usize] = class as u8);
        }
        fill_gaps(&mut classes);
        assert!(classes.iter().all(|&c| c < 2));
        let disc = classes
            .iter()
            .filter(|&&c| c == classes[128 * SIDE + 128])
            .count() as f32;
        let radius = (disc / std::f32::consts::PI).sqrt();
        assert!((38.0..46.0).contains(&radius), "radius {radius}");
    }

    #[test]
    fn no_region_at_all_is_background() {
        let mut classes = vec![NONE; SIDE * SIDE];
        fill_gaps(&mut classes);
        assert!(classes.iter().all(|&c| c == 0));
    }
}
