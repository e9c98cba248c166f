//! Which images show part counts that others show too: counts that almost no image shares are not those of good parts.

use ndarray::ArrayView2;

/// Counts are good ones if this share of the images has nearly the same.
const SHARED_BY: f64 = 0.1;
/// Nearly the same: less than so many pieces off.
const NEARLY: f32 = 0.7;
/// Where half of the images are further off their nearest than this, counts vary too much to call any of them rare.
const STEADY: f32 = 0.3;
/// The images whose counts are shared, of `[images, kinds]`; all where counts vary freely.
pub fn shared(counts: ArrayView2<'_, f32>) -> Vec<usize> {
    let images = counts.nrows();
    // The nearest of all is the image itself.
    let rank = (SHARED_BY * images as f64).ceil() as usize;
    let distances: Vec<f32> = counts
        .rows()
        .into_iter()
        .map(|own| {
            let others = counts.rows().into_iter();
            let mut distances: Vec<f32> = others
                .map(|other| own.iter().zip(other).map(|(a, b)| (a - b).abs()).sum())
                .collect();
            let at = rank.min(images - 1);
            *distances.select_nth_unstable_by(at, f32::total_cmp).1
        })
        .collect();
    let mut sorted = distances.clone();
    sorted.sort_by(f32::total_cmp);
    let steady = sorted
        .get(images / 2)
        .is_some_and(|median| *median < STEADY);
    (0..images)
        .filter(|i| !steady || distances[*i] < NEARLY)
        .collect()
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn four_of_sixty_are_rare_and_one_in_ten_is_a_variant() {
        let kept = |fewer: usize| {
            let counts =
                Array2::from_shape_fn((60, 2), |(image, kind)| match (image < fewer, kind) {
                    (true, 0) => 3.0,
                    (false, 0) => 4.0,
                    _ => 2.0 + 0.1 * (image % 3) as f32,
                });
            shared(counts.view())
        };
        assert_eq!(kept(4), (4..60).collect::<Vec<_>>());
        assert_eq!(kept(8), (0..60).collect::<Vec<_>>());
    }

    #[test]
    fn where_counts_vary_freely_none_is_rare() {
        let counts =
            Array2::from_shape_fn((40, 2), |(image, kind)| (image * (kind + 3) % 17) as f32);
        assert_eq!(shared(counts.view()).len(), 40);
        assert!(shared(Array2::zeros((0, 2)).view()).is_empty());
    }
}
