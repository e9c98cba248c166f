//! An anomaly map at its image's size: masks are drawn there, so overlap must be counted there.

use ndarray::{Array2, CowArray, Ix2};

/// The map enlarged or reduced bilinearly to `size` (height, width), pixel centres aligned and edges repeated; a map
/// that has that size already is handed through untouched.
pub fn at_size(map: &Array2<f32>, size: (usize, usize)) -> CowArray<'_, f32, Ix2> {
    if map.dim() == size || map.is_empty() {
        return CowArray::from(map);
    }
    let rows = taps(map.nrows(), size.0);
    let columns = taps(map.ncols(), size.1);
    let mut raised = Array2::zeros(size);
    for (mut out, row) in raised.outer_iter_mut().zip(&rows) {
        let (above, below) = (map.row(row.first), map.row(row.second));
        for (value, column) in out.iter_mut().zip(&columns) {
            let mix = |line: &ndarray::ArrayView1<f32>| {
                line[column.first] + column.weight * (line[column.second] - line[column.first])
            };
            let (top, bottom) = (mix(&above), mix(&below));
            *value = top + row.weight * (bottom - top);
        }
    }
    CowArray::from(raised)
}

/// The two source cells that one target cell lies between.
struct Tap {
    first: usize,
    second: usize,
    /// Of the second; the first has the rest.
    weight: f32,
}

fn taps(from: usize, to: usize) -> Vec<Tap> {
    let last = from - 1;
    (0..to)
        .map(|target| {
            let centre = (target as f64 + 0.5) * from as f64 / to as f64 - 0.5;
            let clamped = centre.clamp(0.0, last as f64);
            let first = clamped as usize;
            Tap {
                first,
                second: (first + 1).min(last),
                weight: (clamped - first as f64) as f32,
            }
        })
        .collect()
}

/// The value below which `share` of the maps' cells lie. `None` without any cell.
pub fn quantile<'a>(maps: impl Iterator<Item = &'a Array2<f32>>, share: f64) -> Option<f32> {
    let mut values: Vec<f32> = maps.flat_map(|map| map.iter().copied()).collect();
    if values.is_empty() {
        return None;
    }
    let rank = ((values.len() - 1) as f64 * share).round() as usize;
    let (_, value, _) = values.select_nth_unstable_by(rank, f32::total_cmp);
    Some(*value)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn doubling_interpolates_between_cell_centres() {
        let map = array![[0.0, 4.0], [8.0, 12.0]];
        let raised = at_size(&map, (2, 4));
        assert_eq!(raised, array![[0.0, 1.0, 3.0, 4.0], [8.0, 9.0, 11.0, 12.0]]);
    }

    #[test]
    fn the_same_size_is_not_copied() {
        let map = array![[1.0, 2.0]];
        assert!(at_size(&map, (1, 2)).is_view());
    }

    #[test]
    fn a_quantile_spans_all_maps() {
        let maps = [array![[0.0, 1.0]], array![[2.0, 3.0], [4.0, 5.0]]];
        assert_eq!(quantile(maps.iter(), 0.0), Some(0.0));
        assert_eq!(quantile(maps.iter(), 1.0), Some(5.0));
        assert_eq!(quantile([].iter(), 0.5), None);
    }
}
