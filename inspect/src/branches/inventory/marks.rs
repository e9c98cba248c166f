//! What a person sees of a wrong part count: the anomalous pieces in the heat map, and the counts that differ from
//! those of the most similar good image.

use ndarray::ArrayView3;

use super::{Inventory, InventoryScratch, count_parts, difference};
use crate::network::MAP_SIDE;

/// Heat of a piece that is one too many: as hot as can be shown (see [`Range`](crate::branches::shared::heat::Range)).
const PIECE: f32 = 0.8;

/// Parts of one kind that are more or fewer than in the good image most alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Count {
    /// Number of the component, from 0.
    pub component: u16,
    /// Usual length and width, as shares of the image's side.
    pub length: f32,
    pub width: f32,
    pub found: u16,
    pub usual: u16,
}

/// The first few unusual counts of one part.
pub type Counts = heapless::Vec<Count, 6>;

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} of {} ({:.0}×{:.0} %)",
            self.found,
            self.usual,
            100.0 * self.length,
            100.0 * self.width,
        )
    }
}

/// In one line, like `found 1 of 2 (23×6 %)` with the length and width of such a part in percent of the image's side;
/// empty where all is as usual.
pub fn in_words(counts: &[Count]) -> String {
    let each: Vec<String> = counts.iter().map(Count::to_string).collect();
    match each.is_empty() {
        true => String::new(),
        false => format!("found {}", each.join(", ")),
    }
}

impl Inventory {
    /// Adds heat to `[64, 64]` cells where pieces are too many or of no kind. `probabilities` are those of the latest
    /// call of [`Inventory::miscount`] with this scratch. What lacks can't be shown.
    ///
    /// *Shapes*: `probabilities` is `[classes, 64, 64]`, `heat` `[64, 64]`, row by row.
    pub fn mark(
        &self,
        probabilities: ArrayView3<'_, f32>,
        scratch: &mut InventoryScratch,
        heat: &mut [f32],
    ) {
        let mut at = 0;
        for component in &self.components {
            let kinds = at..at + component.kinds.len();
            at = kinds.end;
            component.certainty(probabilities, &mut scratch.certainty);
            let nodes = scratch.tree.of(&scratch.certainty);
            let counts = &mut scratch.counts[kinds.clone()];
            let residual = count_parts(nodes, &component.kinds, &mut scratch.counting, counts);
            let usual = self.good.row(scratch.most_alike);
            let pairs = || {
                kinds
                    .clone()
                    .map(|kind| (scratch.counts[kind], usual[kind]))
            };
            let miscount = difference(pairs(), &residual, &component.kinds);
            let unexplained = (miscount.unexplained / residual.unknown.max(1e-6)).min(1.0);
            for taken in scratch.counting.taken() {
                let deviation = match taken.kind.and_then(|kind| pairs().nth(kind)) {
                    Some((found, good)) => (found - good).max(0.0) / found.max(1.0),
                    None => taken.own * unexplained,
                };
                if deviation > 0.0 {
                    let node = scratch.tree.nodes()[taken.node];
                    for cell in scratch.tree.cells(&scratch.certainty, node) {
                        heat[*cell] += PIECE * deviation;
                    }
                }
            }
        }
    }

    /// The kinds whose count is not as usual, of the latest call of [`Inventory::miscount`] with this scratch.
    pub fn unusual<'a>(
        &'a self,
        scratch: &'a InventoryScratch,
    ) -> impl Iterator<Item = Count> + 'a {
        let kinds = self.components.iter().enumerate();
        let kinds = kinds.flat_map(|(component, c)| c.kinds.iter().map(move |k| (component, k)));
        let usual = self.good.row(scratch.most_alike);
        let counts = scratch.counts.iter().copied().zip(usual);
        kinds
            .zip(counts)
            .filter(|(_, (found, usual))| found != *usual)
            .map(|((component, kind), (found, usual))| Count {
                component: component as u16,
                length: kind.shape[1].exp() / MAP_SIDE as f32,
                width: kind.shape[2].exp() / MAP_SIDE as f32,
                found: found as u16,
                usual: *usual as u16,
            })
            .take(Counts::new().capacity())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{LONG, SHORT, inventory, map_of};
    use super::*;

    /// Heat of each bar, and the counts that are not as usual.
    fn shown(bars: &[(usize, usize, f32)]) -> (Vec<f32>, Vec<Count>) {
        let (inventory, mut scratch) = (inventory(), InventoryScratch::default());
        let map = map_of(bars);
        inventory.miscount(map.view(), &mut scratch);
        let mut heat = [0.0; MAP_SIDE * MAP_SIDE];
        inventory.mark(map.view(), &mut scratch, &mut heat);
        let middle = |(row, column, length): &(usize, usize, f32)| {
            heat[row * MAP_SIDE + column + *length as usize / 2]
        };
        let of_bars: Vec<f32> = bars.iter().map(middle).collect();
        let total: f32 = heat.iter().sum();
        let explained = bars.iter().zip(&of_bars).map(|(bar, heat)| bar.2 * heat);
        assert!((total - explained.sum::<f32>()).abs() < 1e-3);
        (of_bars, inventory.unusual(&scratch).collect())
    }

    #[test]
    fn a_whole_set_stays_cold() {
        let (heat, counts) = shown(&[(3, 3, LONG), (9, 40, LONG), (30, 20, SHORT)]);
        assert!(heat.iter().all(|h| *h < 0.05), "{heat:?}");
        assert_eq!(counts, []);
    }

    #[test]
    fn of_two_where_one_belongs_each_is_half_as_hot() {
        let (heat, counts) = shown(&[
            (3, 3, LONG),
            (9, 40, LONG),
            (30, 20, SHORT),
            (35, 20, SHORT),
        ]);
        assert!(heat[..2].iter().all(|h| *h < 0.05), "{heat:?}");
        assert!(
            heat[2..].iter().all(|h| (h - PIECE / 2.0).abs() < 0.05),
            "{heat:?}"
        );
        assert_eq!(counts.len(), 1);
        assert_eq!((counts[0].found, counts[0].usual), (2, 1));
        assert!((counts[0].length - SHORT / 64.0).abs() < 1e-3);
    }

    #[test]
    fn what_lacks_is_told_and_what_is_of_no_kind_is_shown() {
        let (_, counts) = shown(&[(3, 3, LONG), (30, 20, SHORT)]);
        assert_eq!((counts[0].found, counts[0].usual), (1, 2));
        let (heat, counts) = shown(&[(3, 3, LONG), (9, 40, 11.0), (30, 20, SHORT)]);
        assert!(heat[1] > 0.5 && heat[0] < 0.05, "{heat:?}");
        assert_eq!((counts[0].found, counts[0].usual), (1, 2));
    }
}
