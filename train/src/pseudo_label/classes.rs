//! From clusters to classes: which clusters are background, which are one part seen in different ways, and which
//! are too rare to count.

use ndarray::Array2;

/// What is known of each cluster, counted over all images.
pub struct Census {
    /// Share of the image that each cluster covers, `[images, clusters]`.
    pub shares: Array2<f32>,
    /// Share of the pixels along the picture's border that each cluster covers, `[clusters]`.
    pub border: Vec<f32>,
    /// Mean balanced L*a*b* of each cluster, `[clusters]`.
    pub colour: Vec<[f32; 3]>,
}

/// A cluster that is at least this common along the border, against the whole picture, surrounds the product.
const BACKGROUND_DENSITY: f32 = 0.8;
/// Two clusters whose shares make up for each other to this extent are one part: the variance of their sum is this
/// much below the sum of their variances.
const COMPENSATION: f32 = 0.25;
/// Clusters that never meet in one image are variants, not views of one part.
const MEET_IN: f32 = 0.1;
/// Colour difference (ΔE, CIE 1976) up to which two clusters can be the same material in another light or pose.
const SAME_MATERIAL: f32 = 20.0;

/// Class of each cluster: 0 for background, classes from 1 without gaps.
///
/// Clusters that surround the product are background (only the commonest one if that would leave nothing, as in a
/// picture that the product fills). Clusters present in less than `min_presence` of the images or covering less
/// than `min_share` of them on average are background too.
pub fn assign(census: &Census, min_presence: f32, min_share: f32) -> Vec<usize> {
    let clusters = census.shares.ncols();
    let mean = |c: usize| census.shares.column(c).mean().unwrap_or(0.0);
    let main = (0..clusters).max_by(|&a, &b| census.border[a].total_cmp(&census.border[b]));
    let mut background: Vec<bool> = (0..clusters)
        .map(|c| census.border[c] >= BACKGROUND_DENSITY * mean(c))
        .collect();
    if background.iter().all(|&b| b) {
        background = (0..clusters).map(|c| Some(c) == main).collect();
    }
    let groups = views_of_one_part(census, &background);

    let mut class = vec![0; clusters];
    let mut next = 1;
    for root in 0..clusters {
        let members: Vec<usize> = (0..clusters)
            .filter(|&c| groups[c] == root && !background[c])
            .collect();
        let share = sum_of(&census.shares, &members);
        let present = share.iter().filter(|s| **s > 0.0).count() as f32 / share.len().max(1) as f32;
        let mean = share.iter().sum::<f32>() / share.len().max(1) as f32;
        if !members.is_empty() && present >= min_presence && mean >= min_share {
            members.iter().for_each(|&c| class[c] = next);
            next += 1;
        }
    }
    class
}

/// Representative of the group that each cluster belongs to. A part lying at another angle, or in shadow, can fall
/// into another cluster; then what one cluster lacks the other has, image by image.
fn views_of_one_part(census: &Census, background: &[bool]) -> Vec<usize> {
    let clusters = background.len();
    let mut groups: Vec<Vec<usize>> = (0..clusters)
        .filter(|&c| !background[c])
        .map(|c| vec![c])
        .collect();
    loop {
        let mut best: Option<(f32, usize, usize)> = None;
        for a in 0..groups.len() {
            for b in a + 1..groups.len() {
                let gain = compensation(census, &groups[a], &groups[b]);
                if gain >= COMPENSATION && best.is_none_or(|(g, ..)| gain > g) {
                    best = Some((gain, a, b));
                }
            }
        }
        let Some((_, a, b)) = best else { break };
        let joined = groups.remove(b);
        groups[a].extend(joined);
    }
    let mut root: Vec<usize> = (0..clusters).collect();
    for group in groups {
        group.iter().for_each(|&c| root[c] = group[0]);
    }
    root
}

/// 1 − var(a + b) / (var a + var b), or 0 for groups that differ in colour or never meet.
fn compensation(census: &Census, a: &[usize], b: &[usize]) -> f32 {
    let alike = a.iter().all(|&i| {
        b.iter().all(|&j| {
            let (p, q) = (census.colour[i], census.colour[j]);
            (0..3).map(|c| (p[c] - q[c]).powi(2)).sum::<f32>() < SAME_MATERIAL * SAME_MATERIAL
        })
    });
    let (a, b) = (sum_of(&census.shares, a), sum_of(&census.shares, b));
    let meet = a
        .iter()
        .zip(&b)
        .filter(|(a, b)| **a > 0.0 && **b > 0.0)
        .count();
    if !alike || (meet as f32) < MEET_IN * a.len() as f32 {
        return 0.0;
    }
    let both: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
    1.0 - variance(&both) / (variance(&a) + variance(&b)).max(f32::MIN_POSITIVE)
}

fn sum_of(shares: &Array2<f32>, clusters: &[usize]) -> Vec<f32> {
    shares
        .rows()
        .into_iter()
        .map(|row| clusters.iter().map(|&c| row[c]).sum())
        .collect()
}

fn variance(values: &[f32]) -> f32 {
    let count = values.len().max(1) as f32;
    let mean = values.iter().sum::<f32>() / count;
    values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clusters: table, two views of three screws, red liquid, green liquid, a speck.
    fn census() -> Census {
        let rows = 40;
        let mut shares = Array2::zeros((rows, 6));
        for (i, mut row) in shares.rows_mut().into_iter().enumerate() {
            let upright = (i * 7 % 4) as f32 / 3.0;
            row[0] = 0.8;
            row[1] = 0.06 * upright;
            row[2] = 0.06 * (1.0 - upright);
            row[3 + i % 2] = 0.1;
            row[5] = if i == 0 { 0.01 } else { 0.0 };
        }
        Census {
            shares,
            border: vec![1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            colour: vec![
                [0.0; 3],
                [40.0, 0.0, 0.0],
                [45.0, 2.0, 0.0],
                [0.0, 60.0, 30.0],
                [0.0, -50.0, 40.0],
                [10.0; 3],
            ],
        }
    }

    #[test]
    fn views_join_variants_stay_apart_and_specks_vanish() {
        assert_eq!(assign(&census(), 0.25, 0.001), [0, 1, 1, 2, 3, 0]);
    }

    #[test]
    fn a_product_that_fills_the_picture_keeps_its_classes() {
        let mut census = census();
        census.border = vec![0.8, 0.05, 0.05, 0.05, 0.05, 0.01];
        assert_eq!(assign(&census, 0.25, 0.001), [0, 1, 1, 2, 3, 0]);
    }
}
