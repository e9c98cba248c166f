//! Which label maps can be trusted. Good products of one variant have nearly the same class histogram; a map whose
//! histogram stands apart was probably cut wrongly, so it is not used as a label (D_U instead of D_L).

use hdbscan::{Hdbscan, HdbscanHyperParams};

/// What became of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reliability {
    /// In D_L: its class map is a label to learn from. Otherwise it is in D_U.
    pub labelled: bool,
    /// Why, in a few words for the technician.
    pub reason: String,
}

/// Smallest group of alike histograms, as a share of the images.
const MIN_GROUP: f64 = 0.1;
/// Share of each group that is trusted, the most typical first.
const TRUSTED: f64 = 0.7;
/// Several groups are variants of a product only where they hold so many of the images; a few outliers are none.
const VARIANTS_HOLD: f64 = 0.75;

/// Splits the images by their class histograms (square roots of the shares; `None`: nothing was labelled in it).
///
/// Histograms are grouped with HDBSCAN, since a product in variants has several normal histograms, and each group
/// of at least a tenth of the images keeps its better part. Typical is what has others near it: variants that differ too
/// little to be groups of their own stand around several places, and the rarer one would be far from the mean of all.
///
/// *Shapes*: `histograms` and the result are `[images]`, each histogram is `[classes − 1]`: background is left out.
pub fn judge(histograms: &[Option<Vec<f64>>]) -> Vec<Reliability> {
    let known: Vec<usize> = (0..histograms.len())
        .filter(|&i| histograms[i].is_some())
        .collect();
    let points: Vec<Vec<f64>> = histograms.iter().flatten().cloned().collect();
    let smallest = ((MIN_GROUP * points.len() as f64).ceil() as usize).max(2);
    let groups = group(&points, smallest);

    let mut verdicts = vec![
        Reliability {
            labelled: false,
            reason: "no mask was given for it".into(),
        };
        histograms.len()
    ];
    for &i in &known {
        verdicts[i].reason = format!("its class shares fit no group of at least {smallest} images");
    }
    let count = groups.iter().flatten().max().map_or(0, |m| m + 1);
    for number in 0..count {
        let members: Vec<usize> = (0..points.len())
            .filter(|&p| groups[p] == Some(number))
            .collect();
        let mut ranked = most_typical_first(&points, &members, near(smallest));
        let trusted = ((TRUSTED * ranked.len() as f64).ceil() as usize).max(1);
        let rest = ranked.split_off(trusted.min(ranked.len()));
        for point in ranked {
            verdicts[known[point]] = Reliability {
                labelled: true,
                reason: format!("typical of group {} of {count}", number + 1),
            };
        }
        for point in rest {
            verdicts[known[point]].reason =
                format!("among the least typical of group {} of {count}", number + 1);
        }
    }
    verdicts
}

/// Group of each point. Where several groups hold most points, they are variants; otherwise there may be one group and
/// outliers. When that leaves most points out, the histograms have no structure to go by and all are one group.
fn group(points: &[Vec<f64>], smallest: usize) -> Vec<Option<usize>> {
    let all = vec![Some(0); points.len()];
    let can_group = points.first().is_some_and(|first| !first.is_empty());
    if !can_group || points.len() <= smallest {
        return all;
    }
    let find = |one_is_enough: bool| -> Vec<Option<usize>> {
        let parameters = HdbscanHyperParams::builder()
            .min_cluster_size(smallest)
            .min_samples(near(smallest))
            .allow_single_cluster(one_is_enough)
            .build();
        let found = Hdbscan::new(points, parameters).cluster();
        let labels = found.into_iter().flatten();
        labels.map(|label| usize::try_from(label).ok()).collect()
    };
    let held = |groups: &[Option<usize>]| groups.iter().flatten().count() as f64;
    let variants = find(false);
    if held(&variants) >= VARIANTS_HOLD * points.len() as f64 {
        return variants;
    }
    let groups = find(true);
    match held(&groups) * 2.0 > points.len() as f64 {
        true => groups,
        false => all,
    }
}

/// How many neighbours say how dense it is around a point.
fn near(smallest: usize) -> usize {
    (smallest / 2).max(2)
}

/// The members, those first whose `near`th neighbour in the group is nearest.
fn most_typical_first(points: &[Vec<f64>], members: &[usize], near: usize) -> Vec<usize> {
    let squared_distance = |a: usize, b: usize| -> f64 {
        let pairs = points[a].iter().zip(&points[b]);
        pairs.map(|(a, b)| (a - b).powi(2)).sum()
    };
    let to_neighbour = |member: usize| {
        let others = members.iter().filter(|other| **other != member);
        let mut distances: Vec<f64> = others.map(|&o| squared_distance(member, o)).collect();
        distances.sort_by(f64::total_cmp);
        let neighbour = near.clamp(1, distances.len().max(1)) - 1;
        distances.get(neighbour).copied().unwrap_or(0.0)
    };
    let mut ranked: Vec<(f64, usize)> = members.iter().map(|&m| (to_neighbour(m), m)).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    ranked.into_iter().map(|(_, member)| member).collect()
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// 20 images of each of three variants with a little spread, then two outliers.
    fn variants() -> Vec<Option<Vec<f64>>> {
        let mut histograms: Vec<Option<Vec<f64>>> = (0..60)
            .map(|i| {
                let wobble = ((i * 37) % 11) as f64 / 1000.0;
                let mut shares = vec![0.5 + wobble, 0.0, 0.0, 0.0];
                shares[1 + i % 3] = 0.3 - wobble;
                Some(shares)
            })
            .collect();
        histograms.push(Some(vec![0.1, 0.2, 0.2, 0.2]));
        histograms.push(Some(vec![0.9, 0.0, 0.0, 0.7]));
        histograms
    }

    #[test]
    fn every_variant_is_trusted_and_outliers_are_not() {
        let verdicts = judge(&variants());
        for variant in 0..3 {
            let trusted = (0..60)
                .filter(|i| i % 3 == variant && verdicts[*i].labelled)
                .count();
            assert_eq!(trusted, 14, "0.7 of 20");
        }
        for outlier in &verdicts[60..] {
            assert!(!outlier.labelled);
            assert!(outlier.reason.contains("no group of at least 7"));
        }
    }

    /// 39 images with two clamps and 81 with three, whose shares vary too much for two groups, and ten that were cut wrongly.
    #[test]
    fn a_rarer_variant_that_is_no_group_of_its_own_is_trusted_too() {
        let mut random = ChaCha8Rng::seed_from_u64(6);
        let mut varied = |share: f64| f64::sqrt(share * random.random_range(0.83..1.2));
        let mut histograms: Vec<_> = (0..120)
            .map(|i| {
                let clamps = if i < 39 { 2.0 } else { 3.0 };
                Some(vec![
                    varied(0.03 * clamps),
                    varied(0.11),
                    varied(0.05),
                    varied(0.08),
                ])
            })
            .collect();
        histograms.extend(
            (0..10).map(|_| Some(vec![varied(0.02), varied(0.11), varied(0.2), varied(0.08)])),
        );
        let verdicts = judge(&histograms);
        let trusted = |images: std::ops::Range<usize>| {
            let count = images.len();
            verdicts[images].iter().filter(|v| v.labelled).count() as f64 / count as f64
        };
        assert!(trusted(0..39) > 0.45, "{}", trusted(0..39));
        assert!(trusted(39..120) > 0.6, "{}", trusted(39..120));
        assert!(trusted(120..130) < 0.2, "{}", trusted(120..130));
    }

    #[test]
    fn an_image_without_a_mask_is_never_a_label() {
        let mut histograms = variants();
        histograms[0] = None;
        let verdicts = judge(&histograms);
        assert!(!verdicts[0].labelled && verdicts[0].reason.contains("no mask"));
        assert!(judge(&[]).is_empty());
    }
}
