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
/// Share of each group that is trusted, nearest to its mean first.
const TRUSTED: f64 = 0.7;

/// Splits the images by their class histograms (square roots of the shares; `None`: nothing was labelled in it).
///
/// Histograms are grouped with HDBSCAN, since a product in variants has several normal histograms, and each group
/// of at least a tenth of the images keeps its better part.
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
        let mut ranked = by_distance_to_mean(&points, &members);
        let trusted = ((TRUSTED * ranked.len() as f64).ceil() as usize).max(1);
        let rest = ranked.split_off(trusted.min(ranked.len()));
        for point in ranked {
            verdicts[known[point]] = Reliability {
                labelled: true,
                reason: format!("near the mean of group {} of {count}", number + 1),
            };
        }
        for point in rest {
            verdicts[known[point]].reason = format!(
                "among the farthest from the mean of group {} of {count}",
                number + 1
            );
        }
    }
    verdicts
}

/// Group of each point. When the density clustering leaves most points out, the histograms have no structure to
/// go by and all are one group.
fn group(points: &[Vec<f64>], smallest: usize) -> Vec<Option<usize>> {
    let parameters = HdbscanHyperParams::builder()
        .min_cluster_size(smallest)
        .min_samples((smallest / 2).max(2))
        .allow_single_cluster(true)
        .build();
    let found = match points.first() {
        Some(first) if !first.is_empty() && points.len() > smallest => {
            Hdbscan::new(points, parameters).cluster()
        }
        _ => return vec![Some(0); points.len()],
    };
    match found {
        Ok(labels) if labels.iter().filter(|l| **l >= 0).count() * 2 > points.len() => labels
            .into_iter()
            .map(|label| usize::try_from(label).ok())
            .collect(),
        _ => vec![Some(0); points.len()],
    }
}

fn by_distance_to_mean(points: &[Vec<f64>], members: &[usize]) -> Vec<usize> {
    let Some(&first) = members.first() else {
        return Vec::new();
    };
    let mut mean = vec![0.0; points[first].len()];
    for &point in members {
        for (m, v) in mean.iter_mut().zip(&points[point]) {
            *m += v / members.len() as f64;
        }
    }
    let distance = |point: usize| -> f64 {
        let squares = mean
            .iter()
            .zip(&points[point])
            .map(|(m, v)| (m - v).powi(2));
        squares.sum()
    };
    let mut ranked = members.to_vec();
    ranked.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)));
    ranked
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn an_image_without_a_mask_is_never_a_label() {
        let mut histograms = variants();
        histograms[0] = None;
        let verdicts = judge(&histograms);
        assert!(!verdicts[0].labelled && verdicts[0].reason.contains("no mask"));
        assert!(judge(&[]).is_empty());
    }
}
