//! Training images that are bad by mistake: without them among the training images, they score far above all good
//! parts. While they count among the good ones, two with the same fault explain each other.

use std::path::PathBuf;

use aecsad_inspect::network::Percept;

use super::named;
use crate::calibrate::{JudgedApart, WayScores};
use crate::images::Images;

/// Each image is first scored by what the other parts of so many look like, to find the highest scores.
const FOLDS: usize = 5;
/// Share of the images that may be bad by mistake; more is a variant of the product.
pub const MOST_OUTLIERS: f64 = 0.1;

/// Fits branches to these training parts and judges the others, which are given last; the indices are those whose labels
/// are reliable.
pub type Calibrate<'a, E> = dyn Fn(&[Percept], &[usize], &[Percept]) -> Result<JudgedApart, E> + 'a;

/// What cross-validation finds among training parts.
pub struct CrossValidated {
    /// Indices of the outliers, ascending.
    pub outliers: Vec<usize>,
    /// What each part scores where nothing is learnt from it and from the others of its fold.
    pub scores: WayScores,
}

/// The outliers in `train`. `distances` say how far each lies off all others, and bring in those
/// that explain each other even so. `labelled` are indices into `train` whose labels are reliable. `train` is as before
/// when this returns.
///
/// *Shapes*: `distances` is `[parts]`, one for each of `train`.
///
/// # Errors
/// Those of `calibrate`, which is called six times.
pub fn outliers<E>(
    train: &mut Vec<Percept>,
    distances: &[f32],
    labelled: &[usize],
    calibrate: &Calibrate<'_, E>,
) -> Result<CrossValidated, E> {
    let (sums, scores) = folds(train, labelled, calibrate)?;
    let mut suspects = [highest(&sums), highest(distances)].concat();
    suspects.sort_unstable();
    suspects.dedup();
    let JudgedApart { limit, sums, .. } = judged_without(train, labelled, &suspects, calibrate)?;
    let found = suspects.into_iter().zip(sums);
    let outliers = found.filter_map(|(index, score)| (score > limit).then_some(index));
    Ok(CrossValidated {
        outliers: outliers.collect(),
        scores,
    })
}

/// What each part scores where nothing is learnt from it and from the others of its fold. `labelled` and `train` are as
/// for [`outliers`].
///
/// # Errors
/// Those of `calibrate`, which is called five times.
pub fn cross_validated<E>(
    train: &mut Vec<Percept>,
    labelled: &[usize],
    calibrate: &Calibrate<'_, E>,
) -> Result<WayScores, E> {
    let (_, scores) = folds(train, labelled, calibrate)?;
    Ok(scores)
}

/// The same, with the sums of the decision's branches.
fn folds<E>(
    train: &mut Vec<Percept>,
    labelled: &[usize],
    calibrate: &Calibrate<'_, E>,
) -> Result<(Vec<f32>, WayScores), E> {
    let (mut sums, mut scores) = (vec![0.0; train.len()], WayScores::default());
    for fold in 0..FOLDS.min(train.len()) {
        let apart: Vec<usize> = (fold..train.len()).step_by(FOLDS).collect();
        let judged = judged_without(train, labelled, &apart, calibrate)?;
        scores.insert(&judged.ways, &apart, sums.len());
        for (index, sum) in apart.into_iter().zip(judged.sums) {
            sums[index] = sum;
        }
    }
    Ok((sums, scores))
}

/// Indices of the largest scores.
fn highest(scores: &[f32]) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..scores.len()).collect();
    indices.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    indices.truncate((MOST_OUTLIERS * scores.len() as f64).ceil() as usize);
    indices
}

/// The parts `apart` where nothing is learnt from them.
fn judged_without<E>(
    train: &mut Vec<Percept>,
    labelled: &[usize],
    apart: &[usize],
    calibrate: &Calibrate<'_, E>,
) -> Result<JudgedApart, E> {
    let taken = take(train, apart);
    let judged = calibrate(train, &without(labelled, apart), &taken);
    for (index, part) in apart.iter().zip(taken) {
        train.insert(*index, part);
    }
    judged
}

/// Warns of training images that are bad by mistake; `images` are those that are left.
pub fn name_outliers(outliers: &[PathBuf], images: &Images) {
    let total = images.train.len() + outliers.len();
    let paths: Vec<String> = outliers.iter().map(|p| p.display().to_string()).collect();
    log::warn!(
        "{} of {total} training images score far above all good parts where nothing is learnt from them, and are left out: \
         {}; if they are good parts, fit again with --keep-outliers",
        outliers.len(),
        named(&paths)
    );
}

/// Warns of training images that look bad, at these indices, but that someone vouches for.
pub fn name_kept(kept: &[usize], images: &Images) {
    let kept = kept.iter().map(|i| images.train[*i].path.display());
    let kept: Vec<String> = kept.map(|path| path.to_string()).collect();
    if !kept.is_empty() {
        log::warn!(
            "{} of the good parts that you vouch for score far above all others where nothing is learnt from them, and are \
             kept: {}",
            kept.len(),
            named(&kept)
        );
    }
}

/// Warns of training images that look bad, but are too many to be so by mistake.
pub fn name_variant(outliers: &[usize], images: &Images) {
    let paths = outliers.iter().map(|i| &images.train[*i].path);
    let paths: Vec<String> = paths.map(|p| p.display().to_string()).collect();
    log::warn!(
        "{} of {} training images score far above all good parts where nothing is learnt from them, and are kept because \
         they are so many: {}; if they are bad parts, take them away and fit again",
        paths.len(),
        images.train.len(),
        named(&paths)
    );
}

/// Warns of validation images that the threshold leaves out of account, at these indices.
pub fn name_left_out(left_out: &[usize], images: &Images) {
    let left_out = left_out.iter().map(|i| &images.validation[*i]);
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
}

/// Takes the items at these ascending indices out.
pub fn take<T>(items: &mut Vec<T>, indices: &[usize]) -> Vec<T> {
    let mut taken: Vec<T> = indices.iter().rev().map(|i| items.remove(*i)).collect();
    taken.reverse();
    taken
}

/// Where `indices` point to once the items at the ascending indices `apart` are taken out.
pub fn without(indices: &[usize], apart: &[usize]) -> Vec<usize> {
    let kept = indices.iter().filter(|i| apart.binary_search(i).is_err());
    kept.map(|i| i - apart.partition_point(|a| a < i)).collect()
}

#[cfg(test)]
mod tests {
    use aecsad_inspect::branches::Branch;
    use ndarray::s;
    use rand::{Rng, RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::calibrate::{Fitter, GoodParts, Rule, judge_apart, recorded};
    use crate::screening::neighbours::distances;

    #[test]
    fn indices_follow_their_items() {
        let mut items = vec!['a', 'b', 'c', 'd', 'e'];
        assert_eq!(take(&mut items, &[1, 3]), ['b', 'd']);
        assert_eq!(items, ['a', 'c', 'e']);
        assert_eq!(without(&[0, 1, 2, 4], &[1, 3]), [0, 1, 2]);
    }

    /// Noise, and in the middle of stride 8 a level of its own.
    fn part(level: f32, noise: &mut impl Rng) -> Percept {
        let mut part = Percept::empty();
        let features = &mut part.features;
        for map in [
            &mut features.stride4,
            &mut features.stride8,
            &mut features.stride16,
        ] {
            map.mapv_inplace(|_| noise.random_range(-1.0..1.0));
        }
        let mut middle = features.stride8.slice_mut(s![.., 14..18, 14..18]);
        middle.mapv_inplace(|value| value + level);
        part
    }

    #[test]
    fn two_parts_with_the_same_fault_do_not_hide_each_other() {
        let mut noise = ChaCha8Rng::seed_from_u64(3);
        let mut parts = |levels: &[f32]| -> Vec<Percept> {
            levels.iter().map(|l| part(*l, &mut noise)).collect()
        };
        let held_out = parts(&[0.0; 12]);
        let mut train = parts(&[[0.0; 10], [0.0; 10]].concat());
        train.extend(parts(&[9.0, 9.0]));
        train.swap(5, 20);
        let position = recorded(Branch::Position, "reach 0").unwrap();
        let pooled = recorded(Branch::Pooled, "").unwrap();
        let calibrate = |train: &[Percept], labelled: &[usize], apart: &[Percept]| {
            let good = GoodParts {
                train,
                labelled,
                held_out: &held_out,
                classes: None,
                seed: 1,
                directions: None,
                before: None,
                vouched: &[],
            };
            let rule = Rule {
                vouched: &[],
                rate: 0.1,
            };
            let branches = [(position, 1.0)];
            let fitter = Fitter::new(&good);
            judge_apart(&branches, &[pooled], &fitter, &held_out, apart, rule)
        };
        let labelled: Vec<usize> = (0..train.len()).collect();
        let features: Vec<_> = train.iter().map(|part| &part.features).collect();
        let distances = distances(&features);
        let found = outliers(&mut train, &distances, &labelled, &calibrate).unwrap();
        assert_eq!(found.outliers, [5, 21]);
        let sums = |way| found.scores.sums(&[(way, 1.0)]);
        for way in [position, pooled] {
            assert_eq!(sums(way).len(), 22);
            assert!(sums(way).iter().all(|z| z.is_finite() && *z != 0.0));
        }
        assert_ne!(sums(position), sums(pooled));
        assert_eq!(train.len(), 22);
    }
}
