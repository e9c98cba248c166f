//! Chooses the clusters that count loose parts best. Loose parts of good images are removed and doubled in the labels
//! alone. A clustering is better the further the class shares of such an image lie from those of whole ones. Clusters
//! that are found again in every half of the images may still put two kinds of part together; these don't.

use ndarray::{Array1, Array2, Axis};

use super::regions::{Regions, touches_border};
use super::square_image::SIDE;
use crate::estimators::shrinkage;
use crate::metrics::auroc;

/// A region of this many pixels is what parts lie on, not a part.
const GROUND: usize = SIDE * SIDE / 50;
/// Pixels of a part: fewer are specks, more are several parts in a heap.
const PART: std::ops::RangeInclusive<usize> = 150..=SIDE * SIDE / 20;
/// Products with fewer loose parts an image have nothing to count.
const PARTS_PER_IMAGE: usize = 3;
const FOLDS: usize = 3;

/// One part of an image: the regions that show it, and the region it lies on.
struct LoosePart {
    regions: Vec<usize>,
    ground: usize,
}

struct ImageRegions {
    /// Share of the picture that each region covers.
    shares: Vec<f32>,
    parts: Vec<LoosePart>,
}

/// The loose parts of all images, to try clusters on.
pub struct LooseParts {
    images: Vec<ImageRegions>,
}

impl LooseParts {
    /// None where images have too few loose parts.
    pub fn new<'a>(images: impl Iterator<Item = &'a Regions>) -> Option<Self> {
        let images: Vec<ImageRegions> = images.map(ImageRegions::new).collect();
        let parts: usize = images.iter().map(|image| image.parts.len()).sum();
        let enough = images.len() >= 2 * FOLDS && parts >= PARTS_PER_IMAGE * images.len();
        enough.then_some(LooseParts { images })
    }

    /// How reliably one part too few or too many shows in the class shares: AUROC over images that were not used to
    /// learn what whole ones look like. `class_of_region` has a class below `classes` for each region, image after image;
    /// class 0 is background.
    pub fn noticed(&self, class_of_region: &[usize], classes: usize) -> f64 {
        let mut rest = class_of_region;
        let labelled: Vec<&[usize]> = self
            .images
            .iter()
            .map(|image| {
                let (own, others) = rest.split_at(image.shares.len());
                rest = others;
                own
            })
            .collect();
        let mut whole = Array2::zeros((self.images.len(), classes));
        for ((image, class), mut row) in self.images.iter().zip(&labelled).zip(whole.rows_mut()) {
            for (share, &class) in image.shares.iter().zip(*class) {
                row[class] += share;
            }
        }
        let roots = whole.mapv(|share: f32| share.max(0.0).sqrt());
        let (mut good, mut wrong) = (Vec::new(), Vec::new());
        for fold in 0..FOLDS {
            let others: Vec<usize> = (0..self.images.len())
                .filter(|i| i % FOLDS != fold)
                .collect();
            let gaussian = shrinkage::gaussian(&roots.select(Axis(0), &others));
            let distance = |shares: Array1<f32>| {
                f64::from(gaussian.distance(shares.mapv(|s| s.max(0.0).sqrt()).view()))
            };
            for image in (fold..self.images.len()).step_by(FOLDS) {
                good.push(distance(whole.row(image).to_owned()));
                for part in &self.images[image].parts {
                    for sign in [-1.0, 1.0] {
                        let mut shares = whole.row(image).to_owned();
                        for &region in &part.regions {
                            let share = sign * self.images[image].shares[region];
                            shares[labelled[image][region]] += share;
                            shares[labelled[image][part.ground]] -= share;
                        }
                        wrong.push(distance(shares));
                    }
                }
            }
        }
        auroc(&good, &wrong).unwrap_or(0.0)
    }
}

impl ImageRegions {
    fn new(regions: &Regions) -> Self {
        const NO_OWNER: usize = usize::MAX;
        let mut owner = vec![NO_OWNER; SIDE * SIDE];
        for (number, region) in regions.iter().enumerate() {
            region.iter().for_each(|&p| owner[p as usize] = number);
        }
        let ground: Vec<bool> = regions
            .iter()
            .map(|region| region.len() >= GROUND || touches_border(region))
            .collect();
        // Rims and slivers, which no region has, belong to the parts that they run round.
        let mut open: Vec<bool> = owner
            .iter()
            .map(|&number| number == NO_OWNER || !ground[number])
            .collect();
        let mut parts = Vec::new();
        for start in 0..open.len() {
            if !open[start] {
                continue;
            }
            open[start] = false;
            let (mut pixels, mut next) = (vec![start], 0);
            let mut touched = vec![0u32; regions.len()];
            while let Some(&pixel) = pixels.get(next) {
                next += 1;
                for neighbour in neighbours(pixel) {
                    if open[neighbour] {
                        open[neighbour] = false;
                        pixels.push(neighbour);
                    } else if let Some(&true) = ground.get(owner[neighbour]) {
                        touched[owner[neighbour]] += 1;
                    }
                }
            }
            let mut own: Vec<usize> = pixels
                .iter()
                .map(|&p| owner[p])
                .filter(|&o| o != NO_OWNER)
                .collect();
            own.sort_unstable();
            own.dedup();
            let lies_on = (0..touched.len()).max_by_key(|&g| touched[g]);
            if let Some(ground) = lies_on.filter(|&g| touched[g] > 0)
                && PART.contains(&pixels.len())
                && !own.is_empty()
            {
                parts.push(LoosePart {
                    regions: own,
                    ground,
                });
            }
        }
        let shares = regions
            .iter()
            .map(|region| region.len() as f32 / (SIDE * SIDE) as f32)
            .collect();
        ImageRegions { shares, parts }
    }
}

fn neighbours(pixel: usize) -> impl Iterator<Item = usize> {
    let (y, x) = (pixel / SIDE, pixel % SIDE);
    [
        (x > 0).then(|| pixel - 1),
        (x + 1 < SIDE).then_some(pixel + 1),
        (y > 0).then(|| pixel - SIDE),
        (y + 1 < SIDE).then_some(pixel + SIDE),
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table with two kinds of part, five each, of which one varies in size and the other does not.
    fn images() -> Vec<Regions> {
        (0..30)
            .map(|image| {
                let mut owner = vec![0u32; SIDE * SIDE];
                for part in 0..10 {
                    let (top, left) = (30 + 45 * (part / 3), 20 + 70 * (part % 3));
                    let side = if part < 5 {
                        14
                    } else {
                        18 + image * (part + 3) % 13
                    };
                    for y in top..top + side {
                        for x in left..left + side {
                            owner[y * SIDE + x] = part as u32 + 1;
                        }
                    }
                }
                let mut regions = vec![Vec::new(); 11];
                for (pixel, &number) in owner.iter().enumerate() {
                    regions[number as usize].push(pixel as u32);
                }
                regions
            })
            .collect()
    }

    #[test]
    fn kinds_apart_count_better_than_kinds_together() {
        let images = images();
        let loose_parts = LooseParts::new(images.iter()).unwrap();
        assert!(
            loose_parts
                .images
                .iter()
                .all(|image| image.parts.len() == 10)
        );
        let noticed = |small: usize, large: usize, classes: usize| {
            let one = (0..11).map(|region| match region {
                0 => 0,
                1..=5 => small,
                _ => large,
            });
            let all: Vec<usize> = (0..30).flat_map(|_| one.clone()).collect();
            loose_parts.noticed(&all, classes)
        };
        let (together, apart) = (noticed(1, 1, 2), noticed(1, 2, 3));
        assert!(apart > together + 0.1, "{apart} against {together}");
    }

    #[test]
    fn a_picture_without_loose_parts_has_nothing_to_count() {
        let plain: Regions = vec![(0..(SIDE * SIDE) as u32).collect()];
        assert!(LooseParts::new(vec![plain; 20].iter()).is_none());
    }
}
