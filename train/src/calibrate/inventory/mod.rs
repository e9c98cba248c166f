//! Fits the part counts of good images: finds kinds of parts without names, and how many of each an image shows.
//! Neither the number of kinds nor the counts are known before.

use aecsad_inspect::branches::inventory::{
    Component, CountResidual, CountingScratch, Inventory, InventoryBranch, LEVELS, Node, PartKind,
    Tree, count_parts, difference, nearest_count,
};
use aecsad_inspect::branches::{Branch, BranchModel};
use aecsad_inspect::network::Percept;
use ndarray::{Array2, Axis};
use rayon::prelude::*;

mod kinds;
mod shared;

use super::statistics::Fitter;
use super::way::FitBranch;
use kinds::kinds;
use shared::shared;

/// Without a kind counts must be this much less steady, or it is left out: so many times, and so many miscounted
/// pieces.
const KIND_WORTH: f32 = 1.3;
const NEXT_TO_NOTHING: f32 = 0.03;
/// Of two ways to count equally steady, the one whose counts differ less between images is right: a part seen short at
/// times is taken for one of another kind at times, and some good image always agrees. In miscounted pieces for each
/// piece of difference.
const SPREAD_COST: f32 = 0.1;
/// A component is counted where this share of the images holds no unknown pieces.
const WHOLE_SHARE: f64 = 0.2;
/// An image is whole with less of unknown pieces than this.
const WHOLE: f32 = 0.3;
/// Fewest whole images to compare with.
const MIN_GOOD: usize = 10;
/// Most good images kept.
const MAX_GOOD: usize = 512;
/// Two classes show the same parts if together they have as many pieces as the one with more, within this share.
const SAME_PIECES: f64 = 0.15;
/// Where good images differ from their nearest by more pieces, counts say nothing.
const MAX_UNREST: f32 = 0.5;
/// A miscounted piece counts whole where good images differ from their nearest by this much or less.
const STEADY: f32 = 0.1;

/// The one way to count, in all images: where parts lie on each other labels are unreliable, and good all the same.
#[derive(Clone, Copy, Debug)]
pub struct InventoryWay;

impl FitBranch for InventoryWay {
    fn branch(&self) -> Branch {
        Branch::Inventory
    }

    fn fit(&self, parts: &Fitter<'_>) -> Option<Box<dyn BranchModel>> {
        let good = parts.good();
        let (classes, vouched) = (good.classes?, good.vouched);
        let before = good
            .before
            .and_then(|b| b.of::<InventoryBranch>(Branch::Inventory));
        let inventory = match before {
            Some(before) => fit_again(good.train, before.inventory(), vouched)?,
            None => fit(good.train, classes, vouched)?,
        };
        Some(Box::new(InventoryBranch::new(inventory)))
    }
}

/// A component with what every image holds of it.
struct Counted {
    classes: Vec<bool>,
    kinds: Vec<PartKind>,
    /// `[images, kinds]`.
    counts: Array2<f32>,
    residuals: Vec<CountResidual>,
    /// How far a whole image is from the nearest others, in miscounted pieces.
    unrest: f32,
    /// How far a whole image is from the median counts, in pieces.
    spread: f32,
}

/// None where no component comes in pieces that can be counted. Counts that almost no image shares are not taken for
/// good ones, but for those of the images `vouched`.
pub fn fit(parts: &[Percept], classes: usize, vouched: &[usize]) -> Option<Inventory> {
    let mut single: Vec<Option<Counted>> = (0..classes)
        .map(|class| count(parts, (0..classes).map(|c| c == class).collect()))
        .collect();
    // A class that the decoder mixes up with another is counted together with it.
    while let Some((first, second, both)) = best_union(parts, &single) {
        single[first] = Some(both);
        single[second] = None;
    }
    let components: Vec<Counted> = single.into_iter().flatten().collect();
    Some(Inventory {
        good: good_counts(&components, parts.len(), vouched)?,
        components: components
            .into_iter()
            .map(|component| Component {
                weight: (STEADY / (component.unrest + 0.1 * STEADY)).min(1.0),
                classes: component.classes,
                kinds: component.kinds,
            })
            .collect(),
    })
}

/// The same components and kinds as `before`, which saw the same parts through other networks; what good images hold of
/// them is counted anew.
pub fn fit_again(parts: &[Percept], before: &Inventory, vouched: &[usize]) -> Option<Inventory> {
    let again =
        |component: &Component| count_kinds(&trees(parts, component), component.kinds.clone());
    let components: Option<Vec<Counted>> = before.components.iter().map(again).collect();
    Some(Inventory {
        good: good_counts(&components?, parts.len(), vouched)?,
        components: before.components.clone(),
    })
}

/// What the whole images hold, `[images, kinds]`, component by component.
fn good_counts(components: &[Counted], images: usize, vouched: &[usize]) -> Option<Array2<f32>> {
    let good = whole_images(components, images)?;
    let of_good = components.iter().map(|c| c.counts.select(Axis(0), &good));
    let counts: Vec<Array2<f32>> = of_good.collect();
    let views: Vec<_> = counts.iter().map(|c| c.view()).collect();
    let all = ndarray::concatenate(Axis(1), &views).ok()?;
    let shared = shared(all.view());
    let is_kept = |at: &usize| shared.contains(at) || vouched.contains(&good[*at]);
    let kept: Vec<usize> = (0..good.len()).filter(is_kept).collect();
    Some(all.select(Axis(0), &kept))
}

/// The two components whose union is the steadiest, if it is steadier than both and they show the same pieces.
fn best_union(parts: &[Percept], all: &[Option<Counted>]) -> Option<(usize, usize, Counted)> {
    let mut best: Option<(usize, usize, Counted)> = None;
    for (second, b) in all.iter().enumerate() {
        for (first, a) in all.iter().enumerate().take(second) {
            let (Some(a), Some(b)) = (a, b) else { continue };
            // Almost nothing is steadier than this, and each union takes seconds.
            if a.unrest.min(b.unrest) < NEXT_TO_NOTHING {
                continue;
            }
            let classes = a.classes.iter().zip(&b.classes).map(|(a, b)| *a || *b);
            let Some(both) = count(parts, classes.collect()) else {
                continue;
            };
            let more = a.pieces().max(b.pieces());
            let same = (both.pieces() - more).abs() <= SAME_PIECES * more;
            let least = best.as_ref().map_or(f32::INFINITY, |(_, _, c)| c.unrest);
            if same && both.unrest < a.unrest.min(b.unrest).min(least) {
                best = Some((first, second, both));
            }
        }
    }
    best
}

/// Indices of the images that are whole in every component, or in most where there are too few of those.
fn whole_images(components: &[Counted], images: usize) -> Option<Vec<usize>> {
    let holding = |least: usize| -> Vec<usize> {
        let whole = |i: usize| components.iter().filter(|c| c.is_whole(i)).count();
        (0..images).filter(|i| whole(*i) >= least).collect()
    };
    let all = holding(components.len());
    let mut good = match all.len() < MIN_GOOD {
        true => holding(components.len().div_ceil(2)),
        false => all,
    };
    good.truncate(MAX_GOOD);
    (!components.is_empty() && !good.is_empty()).then_some(good)
}

impl Counted {
    fn is_whole(&self, image: usize) -> bool {
        self.residuals[image].unknown < WHOLE
    }

    fn doubt(&self) -> f32 {
        self.unrest + SPREAD_COST * self.spread
    }

    /// Mean number of known pieces in an image.
    fn pieces(&self) -> f64 {
        f64::from(self.counts.sum()) / self.residuals.len().max(1) as f64
    }
}

/// What the images hold of a component that is made of `classes`; none where that can't be counted. Of the kinds that
/// pieces show at each level, those are kept that make the counts steadiest.
fn count(parts: &[Percept], classes: Vec<bool>) -> Option<Counted> {
    let component = Component {
        classes,
        kinds: Vec::new(),
        weight: 1.0,
    };
    let trees = trees(parts, &component);
    (0..LEVELS.len())
        .filter_map(|level| steadiest(&trees, kinds(&trees, level)))
        .min_by(|a, b| a.doubt().total_cmp(&b.doubt()))
        .filter(|counted| counted.unrest <= MAX_UNREST)
        .map(|counted| Counted {
            classes: component.classes,
            ..counted
        })
}

/// The pieces of the component in each image.
fn trees(parts: &[Percept], component: &Component) -> Vec<Vec<Node>> {
    parts
        .par_iter()
        .map_init(Tree::default, |tree, percept| {
            let mut certainty = vec![0.0; percept.classes.len()];
            component.certainty(percept.probabilities.view(), &mut certainty);
            tree.of(&certainty).to_vec()
        })
        .collect()
}

/// Leaves out kinds that steady the counts little: two parts that often touch look like one of a third kind.
fn steadiest(trees: &[Vec<Node>], kinds: Vec<PartKind>) -> Option<Counted> {
    let mut best = count_kinds(trees, kinds)?;
    loop {
        let fewer = (0..best.kinds.len()).filter_map(|left_out| {
            let mut kept = best.kinds.clone();
            kept.remove(left_out);
            count_kinds(trees, kept)
        });
        match fewer.min_by(|a, b| a.unrest.total_cmp(&b.unrest)) {
            Some(simpler) if simpler.unrest < KIND_WORTH * best.unrest + NEXT_TO_NOTHING => {
                best = simpler
            }
            _ => return Some(best),
        }
    }
}

/// None where too few images are whole.
fn count_kinds(trees: &[Vec<Node>], kinds: Vec<PartKind>) -> Option<Counted> {
    if kinds.is_empty() {
        return None;
    }
    let mut counts = Array2::zeros((trees.len(), kinds.len()));
    let mut scratch = CountingScratch::default();
    let mut row = vec![0.0; kinds.len()];
    let residuals: Vec<CountResidual> = trees
        .iter()
        .zip(counts.rows_mut())
        .map(|(nodes, mut counted)| {
            let residual = count_parts(nodes, &kinds, &mut scratch, &mut row);
            counted.assign(&ndarray::aview1(&row));
            residual
        })
        .collect();
    let mut counted = Counted {
        classes: Vec::new(),
        kinds,
        counts,
        residuals,
        unrest: 0.0,
        spread: 0.0,
    };
    let whole: Vec<usize> = (0..trees.len()).filter(|i| counted.is_whole(*i)).collect();
    if (whole.len() as f64) < WHOLE_SHARE * trees.len() as f64 || whole.len() < 2 {
        return None;
    }
    counted.unrest = unrest(&counted, &whole);
    counted.spread = spread(&counted.counts.select(Axis(0), &whole));
    Some(counted)
}

/// How far images are from the nearest whole ones, the mean over all of them.
fn unrest(counted: &Counted, whole: &[usize]) -> f32 {
    let images = counted.residuals.len();
    let nearest = nearest_count(images).min(whole.len() - 1);
    let mut sum = 0.0;
    for image in 0..images {
        let mut distances: Vec<f32> = whole
            .iter()
            .filter(|other| **other != image)
            .map(|other| {
                let found = counted.counts.row(image).into_iter().copied();
                let pairs = found.zip(counted.counts.row(*other).into_iter().copied());
                difference(pairs, &counted.residuals[image], &counted.kinds).total()
            })
            .collect();
        distances.sort_by(f32::total_cmp);
        sum += distances[..nearest].iter().sum::<f32>() / nearest as f32;
    }
    sum / images as f32
}

/// Mean distance of the rows to their median, summed over columns.
fn spread(counts: &Array2<f32>) -> f32 {
    let of_kind = |column: ndarray::ArrayView1<'_, f32>| {
        let mut sorted = column.to_vec();
        sorted.sort_by(f32::total_cmp);
        let median = sorted[sorted.len() / 2];
        column
            .iter()
            .map(|count| (count - median).abs())
            .sum::<f32>()
            / column.len() as f32
    };
    counts.columns().into_iter().map(of_kind).sum()
}

#[cfg(test)]
mod tests {
    use aecsad_inspect::branches::inventory::InventoryScratch;
    use aecsad_inspect::network::MAP_SIDE;
    use ndarray::Array3;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const BACKGROUND: usize = 0;
    const BARS: usize = 1;
    const HAZE: usize = 2;

    /// An image of upright bars in class [`BARS`], each in a lane of its own; now and then two touch. Class [`HAZE`]
    /// takes a part of their certainty, another one in each image.
    fn image(lengths: &[usize], touching: bool, random: &mut ChaCha8Rng) -> Percept {
        let mut percept = Percept::empty();
        percept.probabilities = Array3::zeros((3, MAP_SIDE, MAP_SIDE));
        let haze = random.random_range(0.0..0.5f32);
        let mut lanes: Vec<usize> = (1..12).collect();
        for (i, length) in lengths.iter().enumerate() {
            let lane = lanes.remove(random.random_range(0..lanes.len()));
            let (column, top) = match (touching, i) {
                (true, 0 | 1) => (2, 4 + i * lengths[0]),
                _ => (lane * 5, random.random_range(2..30)),
            };
            for row in top..top + length {
                percept.probabilities[[BARS, row, column]] = 0.95 - haze;
                percept.probabilities[[HAZE, row, column]] = haze;
            }
        }
        let sum = &percept.probabilities.index_axis(Axis(0), BARS)
            + &percept.probabilities.index_axis(Axis(0), HAZE);
        percept
            .probabilities
            .index_axis_mut(Axis(0), BACKGROUND)
            .assign(&sum.mapv(|s| 1.0 - s));
        percept.classes = Array2::zeros((MAP_SIDE, MAP_SIDE));
        percept
    }

    fn good_images() -> Vec<Percept> {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        (0..30)
            .map(|i| image(&[16, 16, 9, 9, 9], i % 6 == 5, &mut random))
            .collect()
    }

    #[test]
    fn two_lengths_are_two_kinds_and_their_numbers_are_known() {
        let inventory = fit(&good_images(), 3, &[]).unwrap();
        let bars = inventory
            .components
            .iter()
            .find(|c| c.classes[BARS])
            .unwrap();
        assert!(bars.classes[HAZE], "{:?}", inventory.components);
        assert!(!bars.classes[BACKGROUND]);
        let mut lengths: Vec<f32> = bars.kinds.iter().map(|k| k.shape[1].exp()).collect();
        lengths.sort_by(f32::total_cmp);
        assert_eq!(lengths.len(), 2, "{lengths:?}");
        assert!((lengths[0] - 9.0).abs() < 0.5 && (lengths[1] - 16.0).abs() < 0.5);
        let mut random = ChaCha8Rng::seed_from_u64(4);
        let mut scratch = InventoryScratch::default();
        let mut miscount = |lengths: &[usize], touching| {
            let image = image(lengths, touching, &mut random);
            inventory.miscount(image.probabilities.view(), &mut scratch)
        };
        let good = miscount(&[16, 16, 9, 9, 9], false).max(miscount(&[16, 16, 9, 9, 9], true));
        for wrong in [
            &[16, 9, 9, 9][..],
            &[16, 16, 9, 9, 9, 9],
            &[16, 16, 16, 9, 9],
            &[16, 12, 9, 9, 9],
        ] {
            let wrong_count = miscount(wrong, false);
            assert!(
                wrong_count > good + 0.3,
                "{wrong:?}: {wrong_count}, good: {good}"
            );
        }
    }

    #[test]
    fn counted_again_the_kinds_stay() {
        let before = fit(&good_images(), 3, &[]).unwrap();
        assert_eq!(
            fit_again(&good_images(), &before, &[]),
            Some(before.clone())
        );
        let mut random = ChaCha8Rng::seed_from_u64(6);
        let others: Vec<Percept> = (0..30)
            .map(|_| image(&[16, 9, 9], false, &mut random))
            .collect();
        let again = fit_again(&others, &before, &[]).unwrap();
        assert_eq!(again.components, before.components);
        assert_ne!(again.good, before.good);
    }

    #[test]
    fn counts_that_differ_between_images_are_spread() {
        let steady = ndarray::array![[2.0, 1.0], [2.0, 1.0], [2.0, 1.0], [2.0, 2.0]];
        assert_eq!(spread(&steady), 0.25);
        let torn = ndarray::array![[2.0, 1.0], [1.0, 2.0], [2.0, 1.0], [1.0, 2.0]];
        assert_eq!(spread(&torn), 1.0);
    }

    #[test]
    fn pieces_of_any_size_are_of_no_kind() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let images: Vec<Percept> = (0..30)
            .map(|_| {
                let mut percept = image(&[], false, &mut random);
                for _ in 0..random.random_range(3..9) {
                    let side = random.random_range(2..14);
                    let (y, x) = (random.random_range(0..50), random.random_range(0..50));
                    percept
                        .probabilities
                        .slice_mut(ndarray::s![BARS, y..y + side, x..x + 2])
                        .fill(1.0);
                }
                percept
            })
            .collect();
        let found = fit(&images, 3, &[]);
        let counted = found.iter().flat_map(|i| &i.components);
        assert!(counted.clone().all(|c| !c.classes[BARS]), "{found:?}");
    }
}
