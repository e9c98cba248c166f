//! Part counts that almost no image shares: a good image in which a part is missing is a bad image by mistake.

use aecsad_inspect::branches::Branch;
use aecsad_inspect::branches::inventory::in_words;
use aecsad_inspect::branches::scorer::Scorer;
use aecsad_inspect::branches::statistics::Statistics;
use aecsad_inspect::network::Percept;

use super::named;
use crate::images::Images;

/// A training image with so many pieces too many or too few holds other counts than nearly all others.
const MISCOUNTED: f32 = 0.7;
/// Where more than one image in so many does, counts vary, or components are found unreliably.
const MISCOUNTED_OF: usize = 10;

/// Warns of training images that hold other counts than nearly all others.
pub fn name_miscounted(images: &Images, train: &[Percept], statistics: &Statistics) {
    if !statistics.has(Branch::Inventory) {
        return;
    }
    let mut scorer = Scorer::new(statistics.clone());
    let mut miscounted = Vec::new();
    for (image, percept) in images.train.iter().zip(train) {
        let raw = scorer.score(percept)[Branch::Inventory as usize];
        if raw.is_some_and(|score| score > MISCOUNTED) {
            let counts = scorer.unusual_counts();
            let what = match counts.is_empty() {
                true => String::new(),
                false => format!(" ({})", in_words(&counts)),
            };
            miscounted.push(format!("{}{what}", image.path.display()));
        }
    }
    let rare = miscounted.len() * MISCOUNTED_OF <= images.train.len();
    if rare && !miscounted.is_empty() {
        log::warn!(
            "{} of {} training images hold other part counts than nearly all others, which count as good no more: {}; if \
             they are good parts, fit again with --keep-outliers",
            miscounted.len(),
            images.train.len(),
            named(&miscounted)
        );
    }
}
